"""What is kept beside a compiled graph: what the graph must be, to be loaded, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Record:
    """Written when a graph was made."""

    form: str
    size: int  # bytes
    sha256: str

    def to_bytes(self) -> bytes:
        """As it is written."""
        return msgspec.json.encode(self)


def read_record(path: Path) -> Record:
    """Read what :meth:`Record.to_bytes` gave.

    :raises ValueError: when it is no record.
    :raises OSError: when it cannot be read.
    """
    return msgspec.json.decode(path.read_bytes(), type=Record)
