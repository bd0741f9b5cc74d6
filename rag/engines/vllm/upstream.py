"""One vLLM server as the service sees it: whether to ask it, and what it serves.

Requests and checks report here how they ended; a :class:`rag.engines.vllm.breaker.Breaker`
makes of it whether the server is asked at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from corpus.errors import DeadlineExceeded, EngineBusy, EngineFailed
from rag.engines.vllm import client
from rag.engines.vllm.address import Address
from rag.engines.vllm.breaker import Breaker, State
from rag.engines.vllm.client import Completion, Model
from rag.engines.vllm.events import Event
from rag.scope import Scope

log = logging.getLogger(__name__)

CHECK_S = 1.0  # for a page that needs no model
PROBE_S = 2.5  # for one token
PATIENCE_S = 5.0  # of silence, before a request that gave up says something of the server


class Upstream:
    """A server, and what is known of it. Safe to share between threads.

    :param patience_s: of silence, after which a request that gave up speaks against it.
    """

    def __init__(
        self,
        address: Address,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.address, self._patience_s = address, patience_s
        self.in_flight = 0  # requests; kept by whoever distributes them, under its own lock
        self._clock = clock
        self._lock = threading.Lock()
        self._breaker = Breaker(clock)
        self._models: tuple[Model, ...] = ()
        self._is_well = False  # as far as the last check or request could tell
        self._error, self._error_at = "", 0.0

    @property
    def usable(self) -> bool:
        """Whether requests may be sent to it."""
        return self._breaker.state is State.CLOSED

    @property
    def is_well(self) -> bool:
        """Whether it is usable, what it serves is known, and nothing has failed since."""
        return self.usable and self._is_well

    @property
    def models(self) -> tuple[Model, ...]:
        """What it served when it was last asked; empty before that."""
        return self._models

    @property
    def error(self) -> str:
        """What went wrong last."""
        return self._error

    def stream(self, completion: Completion, scope: Scope, first_token_s: float) -> Iterator[Event]:
        """Generate; see :func:`rag.engines.vllm.client.stream`. How it ends is remembered."""
        began, asked = False, self._clock()
        try:
            with closing(
                client.stream(self.address, completion, scope, first_token_s)
            ) as generated:
                for event in generated:
                    began = True
                    yield event
        except GeneratorExit:  # the caller has what it wanted
            self._record(good=began)
            raise
        except EngineFailed as error:
            is_silent = not began and self._clock() - asked >= self._patience_s
            if _is_its_fault(error, is_silent=is_silent):
                self._fail(error)
            raise
        self._record(good=True)

    def look(self) -> None:
        """See how it does: that it is well while it is usable, else that it generates again."""
        with self._lock:
            probing = self._breaker.try_probe()
        if probing:
            self._probe()
        elif self.usable:
            self._check()

    def state(self) -> dict[str, object]:
        """How it does, for an operator."""
        with self._lock:
            return {
                "address": str(self.address),
                "state": str(self._breaker.state),
                "for_s": round(self._breaker.seconds, 1),
                "in_flight": self.in_flight,
                "models": [model.id for model in self._models],
                "last_error": self._error,
                "last_error_ago_s": (
                    round(self._clock() - self._error_at, 1) if self._error else None
                ),
            }

    def _check(self) -> None:
        """That it is well says nothing about how it generates, so it is no success."""
        try:
            client.check(self.address, CHECK_S)
            if not self._is_well:
                self._models = client.models(self.address, CHECK_S)
                self._is_well = True
        except EngineFailed as error:
            self._fail(error)

    def _probe(self) -> None:
        good = False
        try:
            client.check(self.address, CHECK_S)
            models = client.models(self.address, CHECK_S)
            client.probe(self.address, models[0].id, PROBE_S)
            self._models, self._is_well, good = models, True, True
            log.info("the vLLM server at %s generates again", self.address)
        except EngineFailed as error:
            self._note(error)
        finally:
            with self._lock:
                self._breaker.probed(good=good)

    def _fail(self, error: EngineFailed) -> None:
        self._note(error)
        self._record(good=False)

    def _note(self, error: EngineFailed) -> None:
        with self._lock:
            self._is_well = False
            self._error, self._error_at = str(error), self._clock()

    def _record(self, *, good: bool) -> None:
        with self._lock:
            before = self._breaker.state
            self._breaker.record(good=good)
            opened = self._breaker.state is not before
        if opened:
            log.warning("no more requests to the vLLM server at %s: %s", self.address, self._error)


def _is_its_fault(error: EngineFailed, *, is_silent: bool) -> bool:
    """Whether a failed request says that the server is not well.

    A full queue does not, nor does a request that was wrong or had little time: whoever sends
    such requests would otherwise close the server to all others.
    """
    if isinstance(error, DeadlineExceeded):
        return is_silent
    return error.retryable and not isinstance(error, EngineBusy)
