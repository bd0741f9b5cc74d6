"""The progress of a run as a bar on a terminal. The home of rich, which takes a moment to load."""

from __future__ import annotations

from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rag.commands.pace import Pace
from rag.console import printable


class Bar:
    """Draws a bar: files done, time left, what is embedded in a second, the file in hand."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[detail]}"),
            console=Terminal(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, pace="", detail="")
        self._pace = Pace()

    def stage(self, name: str, total: int | None, detail: str = "") -> None:
        """A new stage begins."""
        self._pace, shown = Pace(), _shown(detail)
        self._progress.reset(self._task, total=total, description=name, pace="", detail=shown)

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done."""
        self._progress.update(self._task, advance=amount, detail=_shown(detail))

    def embedded(self, chunks: int, tokens: int) -> None:
        """So many chunks are embedded by now, and so many tokens."""
        self._pace.chunks, self._pace.tokens = chunks, tokens
        self._progress.update(self._task, pace=self._pace.embedding())

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _shown(detail: str) -> str:
    return escape(printable(detail))[-50:]
