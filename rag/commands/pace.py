"""How fast a stage of a run goes, in words."""

from __future__ import annotations

import time


class Pace:
    """What was done of one stage, and since when."""

    def __init__(self, total: int | None = None) -> None:
        self._total, self._began = total, time.monotonic()
        self.done = 0  # steps
        self.chunks = self.tokens = 0  # embedded

    def embedding(self) -> str:
        """What the model does in a second; empty where it has done nothing."""
        seconds = time.monotonic() - self._began
        if not self.chunks or not seconds:
            return ""
        return f"{self.chunks / seconds:,.0f} chunks/s, {self.tokens / seconds:,.0f} tokens/s"

    def left(self) -> str:
        """Time left, if what is to come is like what was; empty where nothing tells."""
        if not self._total or not self.done:
            return ""
        seconds = (time.monotonic() - self._began) * (self._total - self.done) / self.done
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"

    def told(self) -> str:
        """All of it: ``12 of 468, 80 chunks/s, 10,400 tokens/s, 4 min left``."""
        said = (f"{self.done} of {self._total or 0}", self.embedding(), self.left())
        return ", ".join(filter(None, said))
