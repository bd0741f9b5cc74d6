"""The progress of a run for the service that started it: see :mod:`rag.job_progress`."""

from __future__ import annotations

import time
from contextlib import suppress

import click

from rag.commands.pace import Pace
from rag.job_progress import JobProgress, line_of

_EVERY_S = 0.25


class Updates:
    """Writes a line when a stage begins or all its steps are done, and now and then."""

    def __init__(self) -> None:
        self._name, self._pace = "", Pace()
        self._last = 0.0

    def stage(self, name: str, total: int | None, detail: str = "") -> None:
        """A new stage begins."""
        self._name, self._pace = name, Pace(total)
        self._tell()

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done."""
        self._pace.done += amount
        self._tell_in_time()

    def embedded(self, chunks: int, tokens: int) -> None:
        """So many chunks are embedded by now, and so many tokens."""
        self._pace.chunks, self._pace.tokens = chunks, tokens
        self._tell_in_time()

    def _tell_in_time(self) -> None:
        is_through = self._pace.done == self._pace.total
        if is_through or time.monotonic() - self._last > _EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        with suppress(OSError):  # whoever watched may be gone, which is no reason to fail
            click.echo(line_of(_progress(self._name, self._pace)), err=True)


def _progress(name: str, pace: Pace) -> JobProgress:
    return JobProgress(
        name,
        pace.done,
        pace.total,
        pace.chunks,
        pace.tokens,
        _rounded(pace.per_second(pace.chunks)),
        _rounded(pace.per_second(pace.tokens)),
        _rounded(pace.left_s()),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)
