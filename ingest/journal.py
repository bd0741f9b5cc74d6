"""Vectors of a run that has not published yet, so that a killed run embeds nothing twice.

One SQLite file beside the snapshots, written as vectors are made and deleted once they are
part of a snapshot. It is a cache: a journal that cannot be read, or is of another vector
space, is thrown away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from corpus import files
from corpus.types import Vectors

NAME = "journal.sqlite"


class Journal:
    """The journal of the run that holds the store's lock.

    :raises StoreNotWritable: here and in :meth:`note`, when the disk refuses.
    """

    def __init__(self, store: Path, fingerprint: str) -> None:
        self._path = store / NAME
        with files.disk_errors():
            try:
                self._connection = self._open(fingerprint)
            except sqlite3.DatabaseError:
                self._path.unlink(missing_ok=True)
                self._connection = self._open(fingerprint)

    def _open(self, fingerprint: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        # Enough against a killed process; after a power cut a bad journal is thrown away.
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(
            "CREATE TABLE IF NOT EXISTS space (fingerprint TEXT PRIMARY KEY);"
            "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL);"
        )
        spaces = [row[0] for row in connection.execute("SELECT fingerprint FROM space")]
        if spaces != [fingerprint]:
            connection.executescript("DELETE FROM vectors; DELETE FROM space;")
            connection.execute("INSERT INTO space VALUES (?)", (fingerprint,))
        return connection

    def find(self, keys: Sequence[str]) -> dict[str, Vectors]:
        """The vectors that are on record for these keys."""
        rows = self._connection.execute(
            "SELECT key, vector FROM vectors WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        return {key: np.frombuffer(blob, np.float32) for key, blob in rows}

    def note(self, vectors: Mapping[str, Vectors]) -> None:
        """Put vectors on record, in one transaction."""
        rows = [(key, vector.astype(np.float32).tobytes()) for key, vector in vectors.items()]
        with files.disk_errors():
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")

    def discard(self) -> None:
        """Delete the journal: what it held is published."""
        self._connection.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
