"""What is kept beside a compiled graph: what the graph must be, to be loaded, and what it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from corpus.files import FileRecord

GRAPH, RECORD = "graph.bin", "record.json"
"""Their names, in a folder of the two."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Written when a graph was made."""

    form: str
    size: int  # bytes
    sha256: str

    @property
    def file(self) -> FileRecord:
        """What the file of the graph must be."""
        return FileRecord(self.size, self.sha256)

    def to_bytes(self) -> bytes:
        """As it is written."""
        return msgspec.json.encode(self)


def read_record(path: Path) -> Record:
    """Read what :meth:`Record.to_bytes` gave.

    :raises ValueError: when it is no record.
    :raises OSError: when it cannot be read.
    """
    return msgspec.json.decode(path.read_bytes(), type=Record)
