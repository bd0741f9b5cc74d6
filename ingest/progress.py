"""How a run tells what it is doing. The command line draws it; tests and servers ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the thread of the run."""

    def stage(self, name: str, total: int | None, detail: str = "") -> None:
        """A new stage begins; ``total`` steps, or None where that is not known.

        :param name: one of a few; what is in hand is named by ``detail``.
        """

    def step(self, detail: str, amount: int = 1) -> None:
        """So many more steps are done; ``detail`` names what is in hand."""

    def embedded(self, chunks: int, tokens: int) -> None:
        """So many chunks are embedded by now, and so many tokens."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int | None, detail: str = "") -> None:
        """Ignore."""

    def step(self, detail: str, amount: int = 1) -> None:
        """Ignore."""

    def embedded(self, chunks: int, tokens: int) -> None:
        """Ignore."""
