"""SQLite files that are written once, whole, and then only read."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def begin(path: Path, schema: str) -> sqlite3.Connection:
    """A new file, in the transaction that writes all of it.

    Durability is the caller's: the file is synced whole.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(schema)
    connection.execute("BEGIN")
    return connection


def read_only(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    """A file that nobody writes to any more, so that it is read without locks.

    :param shared: whether several threads use the connection; they take turns.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=not shared)
