"""How a run shows its progress: a bar on a terminal, a line now and then elsewhere.

A service that started it is told in its own way: :mod:`rag.commands.updates`.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext

from ingest.progress import Progress, Silent
from rag.commands.pace import Pace
from rag.console import Console

_LINE_EVERY_S = 10.0


def progress_for(console: Console, *, watched: bool = False) -> AbstractContextManager[Progress]:
    """Whatever fits where standard error goes.

    :param watched: it goes to a service.
    """
    if watched:
        from rag.commands.updates import Updates

        return nullcontext(Updates())
    if console.quiet:
        return nullcontext(Silent())
    if not sys.stderr.isatty():
        return nullcontext(Lines(console))
    from rag.commands.bar import Bar

    return Bar()


class Lines:
    """Writes a line when a long stage has gone on for another while."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._pace = "", Pace()
        self._last = time.monotonic()

    def stage(self, name: str, total: int | None, detail: str = "") -> None:
        """A new stage begins."""
        self._name, self._pace = name, Pace(total)

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done."""
        self._pace.done += amount
        if time.monotonic() - self._last > _LINE_EVERY_S:
            self._last = time.monotonic()
            self._console.note(f"{self._name}: {self._pace.told()}")

    def embedded(self, chunks: int, tokens: int) -> None:
        """So many chunks are embedded by now, and so many tokens."""
        self._pace.chunks, self._pace.tokens = chunks, tokens
