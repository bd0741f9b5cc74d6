"""Whether a server is worth asking: a circuit breaker.

Closed: requests go through. It opens after several failures in a row, or when more than half
of the latest failed. Open: nobody waits for a server that is down. Half-open: one probe is
under way, and its outcome decides. Successes and failures of requests that began earlier
change nothing while it is not closed.

Pure logic. Whoever shares one between threads holds a lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

IN_A_ROW = 5  # failures that open it
WINDOW = 20  # latest outcomes that are looked at
ENOUGH = 10  # outcomes seen before their share says anything


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"  # everything
    OPEN = "open"  # nothing
    HALF_OPEN = "half-open"  # the probe that is under way


class Breaker:
    """Opens on failures, closes on a probe that succeeded. Begins closed.

    :param clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest = deque[bool](maxlen=WINDOW)
        self._state, self._since = State.CLOSED, clock()

    @property
    def state(self) -> State:
        """What it lets through now."""
        return self._state

    @property
    def seconds(self) -> float:
        """How long it has been closed, or not closed."""
        return self._clock() - self._since

    def record(self, *, good: bool) -> None:
        """Take in how a request ended."""
        if self._state is not State.CLOSED:
            return
        self._latest.append(good)
        if self._is_too_much():
            self._enter(State.OPEN)

    def try_probe(self) -> bool:
        """Whether to send a probe now; who is told True must tell :meth:`probed`."""
        if self._state is not State.OPEN:
            return False
        self._enter(State.HALF_OPEN)
        return True

    def probed(self, *, good: bool) -> None:
        """Take in how the probe ended: close with a clean slate, or stay open."""
        self._enter(State.CLOSED if good else State.OPEN)

    def _is_too_much(self) -> bool:
        latest = list(self._latest)
        row = latest[-IN_A_ROW:]
        failed = latest.count(False)
        return (len(row) == IN_A_ROW and not any(row)) or (
            len(latest) >= ENOUGH and failed * 2 > len(latest)
        )

    def _enter(self, state: State) -> None:
        if state is State.CLOSED:
            self._latest.clear()
        if State.CLOSED in (state, self._state):
            self._since = self._clock()
        self._state = state
