"""SQLite files that are written once, whole, and then only read."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


class NewDatabase:
    """A new file, written in one transaction. Not safe to share between threads.

    Durability is the caller's: the file is synced whole.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path, self._sums = path, dict[str, int]()
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(schema)
        self._connection.execute("BEGIN")

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        """Write rows, each with a value for every column of the table.

        :raises sqlite3.IntegrityError: when one of them is already there.
        """
        written = list(rows)
        if written:
            places = ", ".join("?" * len(written[0]))
            into = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - named by our own code
            self._connection.executemany(into, written)
            self._sums[table] = _summed(written, self._sums.get(table, 0))

    def finish(self) -> None:
        """Complete the file, and read it back: a disk may say that it wrote what it lost.

        :raises OSError: when it is not what was written.
        """
        self._connection.execute("COMMIT")
        self._connection.close()
        with closing(read_only(self._path)) as written:
            sums = {table: _summed(_all(written, table), 0) for table in self._sums}
            [[state]] = written.execute("PRAGMA integrity_check(1)")
        if state != "ok" or sums != self._sums:
            raise OSError(f"{self._path.name} does not read back as it was written")

    def close(self) -> None:
        """Let go of the file. Before :meth:`finish`, what is left of it is useless."""
        self._connection.close()


def _all(connection: sqlite3.Connection, table: str) -> Iterable[Row]:
    return connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - named by our own code


def _summed(rows: Iterable[Row], before: int) -> int:
    """A sum over rows that is the same in any order."""
    hashes = (hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in rows)
    return sum(map(int.from_bytes, hashes), before)


def read_only(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    """A file that nobody writes to any more, so that it is read without locks.

    :param shared: whether several threads use the connection; they take turns.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=not shared)
