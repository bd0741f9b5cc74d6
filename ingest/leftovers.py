"""Scratch files by name: a run keeps them beside the snapshots until it has published.

One that was killed leaves them behind, for the next run. What is in them: see
:mod:`ingest.journal` and :mod:`ingest.shelf`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

JOURNAL = "journal.sqlite"
SHELF = "prepared.sqlite"


def remove(path: Path) -> None:
    """Delete a scratch file and what SQLite keeps beside it; what cannot be deleted stays."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_all(store: Path) -> None:
    """Delete what a run left behind that was killed after it had published."""
    for name in (JOURNAL, SHELF):
        remove(store / name)
