"""A scratch file of a run that has not published yet: one SQLite file beside the snapshots.

It is a cache. One that cannot be read, is damaged, or was made with other settings is thrown
away, and what it held is made again. Written without waiting for the disk: enough against a
killed process; what a power cut leaves of it is told by SQLite or by a checksum of each row.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from corpus import files
from ingest.leftovers import remove

_CHECKSUM_BYTES = 8
_PAGE_BYTES = 1 << 16  # as large as SQLite has them: the vectors of a chunk take two of 4 KB


class Scratch:
    """The file, open. Holds the store's lock's promise: nobody else has it open.

    :param schema: statements that make its tables.
    :param made_with: whatever its content depends on; a file of another value is emptied.
    :raises StoreNotWritable: here and in :meth:`write`, when the disk refuses.
    """

    def __init__(self, path: Path, schema: str, made_with: str) -> None:
        self._path, self._schema, self._made_with = path, schema, made_with
        with files.disk_errors():
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError:
                self._renew()

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; nothing, once the file has turned out to be damaged."""
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.DatabaseError:
            with files.disk_errors():
                self._renew()
            return []

    def write(self, *parts: tuple[str, Iterable[Sequence[object]]]) -> None:
        """Carry out statements, each for all of its rows, in one transaction."""
        with files.disk_errors():
            try:
                self._connection.execute("BEGIN")
                for statement, rows in parts:
                    self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise
            except sqlite3.DatabaseError:  # damaged by a crash: it is a cache, so begin anew
                self._renew()
            except BaseException:
                self._connection.rollback()
                raise

    def discard(self) -> None:
        """Delete the file: what it held is published."""
        self.close()
        remove(self._path)

    def close(self) -> None:
        """Let go of the file; what it holds stays for the next run."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            version = hashlib.sha256(f"{self._schema}\n{self._made_with}".encode()).hexdigest()
            connection.execute("CREATE TABLE IF NOT EXISTS made_with (version TEXT)")
            found = [row[0] for row in connection.execute("SELECT version FROM made_with")]
            if found != [version]:
                tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                for (name,) in tables.fetchall():
                    connection.execute(f'DROP TABLE "{name}"')
                connection.execute("CREATE TABLE made_with (version TEXT)")
                connection.executescript(self._schema)
                connection.execute("INSERT INTO made_with VALUES (?)", (version,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _renew(self) -> None:
        """Begin again with an empty file."""
        if "_connection" in self.__dict__:
            self._connection.close()
        remove(self._path)
        self._connection = self._open()


def checksum(data: bytes) -> bytes:
    """What tells that a value is not what was written."""
    return hashlib.blake2b(data, digest_size=_CHECKSUM_BYTES).digest()
