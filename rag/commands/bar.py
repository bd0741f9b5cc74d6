"""The progress of a run on a terminal, or as a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.progress import Silent
from rag.console import Console, printable

_LINE_EVERY_S = 10.0


def progress_for(console: Console) -> AbstractContextManager[Bar | Lines | Silent]:
    """Whatever fits where standard error goes."""
    if console.quiet:
        return nullcontext(Silent())
    return Bar() if sys.stderr.isatty() else nullcontext(Lines(console))


class Bar:
    """Draws a bar: files done, time left, the file in hand."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=Terminal(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, detail="")

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins."""
        self._progress.reset(self._task, total=total, description=escape(name), detail="")

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done."""
        shown = escape(printable(detail))[-50:]
        self._progress.update(self._task, advance=amount, detail=shown)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Lines:
    """Writes a line when a long stage has gone on for another while."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._total, self._done = "", 0, 0
        self._last = time.monotonic()

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins."""
        self._name, self._total, self._done = name, total or 0, 0

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done."""
        self._done += amount
        if time.monotonic() - self._last > _LINE_EVERY_S:
            self._last = time.monotonic()
            self._console.note(f"{self._name}: {self._done} of {self._total}")
