"""The log of a process that writes it by itself: one start a file, and not without end."""

from __future__ import annotations

import shutil
from pathlib import Path

LARGEST = 50_000_000  # bytes, before what was written is put aside
TAIL = 200_000  # bytes that are read to find out why it ended


class LogFile:
    """A log and the one before it, ``NAME.1``.

    Whoever writes it must append, and only append (``O_APPEND``).
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._before = self.path.with_name(f"{self.path.name}.1")

    def begin(self) -> None:
        """Put the last log aside and begin an empty one.

        :raises OSError: when it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.path.replace(self._before)
        self.path.touch()

    def limit(self) -> None:
        """Put aside what was written, once it is large; its writer goes on in an empty file.

        A line that is written meanwhile may be lost.
        """
        if self.path.exists() and self.path.stat().st_size > LARGEST:
            shutil.copyfile(self.path, self._before)
            with self.path.open("r+b") as file:
                file.truncate()

    def tail(self) -> str:
        """The end of what was written."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            return file.read().decode("utf-8", "replace")
