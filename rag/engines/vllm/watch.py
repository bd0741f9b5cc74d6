"""Looks after one vLLM server in the background: notices that it fails, and that it is back."""

from __future__ import annotations

import threading

from rag.engines.vllm.upstream import Upstream

TICK_S = 1.0  # between looks at a server that is not well
CALM = 5  # ticks between looks at one that is
_CLOSE_S = 1.0


class Watch:
    """A thread that looks at a server until it is closed, at once for the first time."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"watch {upstream.address}", daemon=True
        )

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no more. Returns at once."""
        self._closing.set()

    def close(self) -> None:
        """Look no more, and wait a moment for the look that is under way."""
        self.end()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        ticks = 0
        while not self._closing.is_set():
            if ticks % CALM == 0 or not self._upstream.is_well:
                self._upstream.look()
            ticks += 1
            self._closing.wait(TICK_S)
