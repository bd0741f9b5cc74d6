"""How fast a stage of a run goes, in numbers and in words."""

from __future__ import annotations

import time


class Pace:
    """What was done of one stage, and since when.

    :param total: steps; None where that is not known.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total, self._began = total, time.monotonic()
        self.done = 0  # steps
        self.chunks = self.tokens = 0  # embedded

    def per_second(self, amount: int) -> float | None:
        """How much of it a second took so far; None where there is none."""
        seconds = time.monotonic() - self._began
        return amount / seconds if amount and seconds else None

    def left_s(self) -> float | None:
        """Seconds left, if what is to come is like what was; None where nothing tells."""
        if not self.total or not 0 < self.done < self.total:
            return None  # of what goes on after the last step nothing is known
        return (time.monotonic() - self._began) * (self.total - self.done) / self.done

    def embedding(self) -> str:
        """What the model does in a second; empty where it has done nothing."""
        chunks, tokens = self.per_second(self.chunks), self.per_second(self.tokens)
        return f"{chunks:,.0f} chunks/s, {tokens or 0:,.0f} tokens/s" if chunks else ""

    def left(self) -> str:
        """Time left; empty where nothing tells."""
        if (seconds := self.left_s()) is None:
            return ""
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"

    def told(self) -> str:
        """All of it: ``12 of 468, 80 chunks/s, 10,400 tokens/s, 4 min left``."""
        said = (f"{self.done} of {self.total or 0}", self.embedding(), self.left())
        return ", ".join(filter(None, said))
