"""Vectors of a run that has not published yet, so that a killed run embeds nothing twice.

Written as vectors are made and deleted once they are part of a snapshot. What it keeps and
what it throws away: see :mod:`ingest.scratch`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus.fingerprint import Fingerprint
from corpus.types import ChunkVectors
from ingest.leftovers import JOURNAL
from ingest.scratch import Scratch, checksum

_LAYOUT = 2  # of a row: a chunk's own vector and those of its windows
_SCHEMA = "CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL, sum BLOB NOT NULL);"


class Journal:
    """The journal of the run that holds the store's lock.

    :param space: the vector space; vectors of another one are thrown away.
    :raises StoreNotWritable: here and in :meth:`note`, when the disk refuses.
    """

    def __init__(self, store: Path, space: Fingerprint) -> None:
        self._dim = space.dim
        self._scratch = Scratch(store / JOURNAL, _SCHEMA, f"{_LAYOUT} {space.id}")

    def find(self, keys: Sequence[str]) -> dict[str, ChunkVectors]:
        """The vectors that are on record for these keys."""
        import numpy as np

        rows = self._scratch.rows(
            "SELECT key, vector, sum FROM vectors WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        return {
            key: np.frombuffer(vector, np.float32).reshape(-1, self._dim)
            for key, vector, written in rows
            if checksum(vector) == written
        }

    def note(self, vectors: Mapping[str, ChunkVectors]) -> None:
        """Put vectors on record, in one transaction."""
        blobs = ((key, vector.astype("float32").tobytes()) for key, vector in vectors.items())
        rows = [(key, blob, checksum(blob)) for key, blob in blobs]
        self._scratch.write(("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows))

    def discard(self) -> None:
        """Delete the journal: what it held is published."""
        self._scratch.discard()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.close()
