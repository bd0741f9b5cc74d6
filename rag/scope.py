"""How long one request may take, and whether anybody still waits for it.

A scope is made for each request and handed down to whatever may wait: who waits asks how
much time is left, and registers what ends the waiting should the caller leave.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from corpus.errors import DeadlineExceeded, GivenUp


class Scope:
    """The time and the life of one request. Safe to share between threads.

    :param seconds: how long the request may take from now on; None: as long as it likes.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._until = math.inf if seconds is None else time.monotonic() + seconds
        self._lock = threading.Lock()
        self._cancelled = False
        self._waiting: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any longer."""
        return self._cancelled

    def remaining(self) -> float:
        """Seconds that are left, below zero once they are over; infinite without a deadline."""
        return self._until - time.monotonic()

    def check(self) -> None:
        """Go on only while somebody waits and there is time.

        :raises GivenUp: when the caller has left.
        :raises DeadlineExceeded: when the time is over.
        """
        if self._cancelled:
            raise GivenUp
        if self.remaining() <= 0:
            raise DeadlineExceeded("the deadline of this request is over")

    def cancel(self) -> None:
        """The caller has left: end every waiting that was registered."""
        with self._lock:
            self._cancelled = True
            waiting = list(self._waiting)
        for end in waiting:
            end()

    @contextmanager
    def within(self, seconds: float) -> Iterator[Scope]:
        """A scope for one step: it ends with this one, or after so many seconds."""
        step = Scope(min(seconds, self.remaining()))
        with self.ending(step.cancel):
            yield step

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """While the block runs, have ``end`` called from another thread on :meth:`cancel`."""
        with self._lock:
            self._waiting.append(end)
            over = self._cancelled
        if over:
            end()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(end)
