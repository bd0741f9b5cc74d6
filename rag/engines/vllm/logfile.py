"""The log of a process that writes it by itself: one start a file, and not without end."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
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

        A line that is written meanwhile may be lost. Where the disk is full, what was written
        is dropped.
        """
        with suppress(OSError):
            if self.path.stat().st_size <= LARGEST:
                return
            with suppress(OSError):
                shutil.copyfile(self.path, self._before)
            os.truncate(self.path, 0)

    def tail(self) -> str:
        """The end of what was written; nothing where somebody has removed it."""
        with suppress(OSError), self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            return file.read().decode("utf-8", "replace")
        return ""
