"""Several vLLM servers as one: equal prompts to the same, none to one that is down.

A prompt has a favourite among the servers, which has it in its cache if any has; a server
that is clearly less busy is preferred to it. Each server is watched by a thread of its own
once :meth:`Upstreams.start` was called; without, one that was given up on stays so.
"""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from corpus.errors import EngineUnavailable
from rag.engines.vllm.address import Address
from rag.engines.vllm.client import Completion, Model
from rag.engines.vllm.events import Event
from rag.engines.vllm.upstream import PATIENCE_S, Upstream
from rag.engines.vllm.watch import Watch
from rag.scope import Scope

BUSIER = 2  # requests by which a favourite must be busier to be passed over
_CROWD = 4  # answers at once for which another token is sent together with the one before it
_LONGEST_INTERVAL = 8  # tokens
_REST_S = (0.02, 0.1)  # before the same server is asked again


class Upstreams:
    """Streams completions from whichever server suits best. Safe to share between threads.

    :param addresses: of the servers; :meth:`set` gives others later.
    :param clock: seconds that never go back, for breakers and what :meth:`state` tells.
    :param patience_s: of silence, after which a request that gave up speaks against a server.
    """

    def __init__(
        self,
        addresses: Sequence[Address] = (),
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._clock, self._patience_s = clock, patience_s
        self._lock = threading.Lock()
        self._watched = False
        self._upstreams: dict[Address, Upstream] = {}
        self._watches: dict[Address, Watch] = {}
        self.set(addresses)

    def set(self, addresses: Sequence[Address]) -> None:
        """Use these servers from now on. What is known of those that stay is kept.

        Requests to one that goes run to their end.
        """
        with self._lock:
            known = self._upstreams
            self._upstreams = {
                address: known.get(address) or Upstream(address, self._clock, self._patience_s)
                for address in addresses
            }
            for address in self._watches.keys() - self._upstreams.keys():
                self._watches.pop(address).end()
            if self._watched:
                self._watch()

    def start(self) -> None:
        """Begin to watch the servers, in the background."""
        with self._lock:
            self._watched = True
            self._watch()

    def close(self) -> None:
        """Stop watching them."""
        with self._lock:
            self._watched = False
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.end()
        for watch in watches:
            watch.close()

    def stream(
        self, completion: Completion, scope: Scope, first_token_s: float = math.inf
    ) -> Iterator[Event]:
        """Generate; see :func:`rag.engines.vllm.client.stream`.

        A server that is not there before its first token is replaced by another, once; where
        there is no other, it is asked once more after a short rest. The more answers come at
        once, the more tokens are sent together: what a token costs on its way is then what
        limits how many come, and nobody reads that fast.

        :param first_token_s: seconds until the first delta, the second try included.
        :raises EngineUnavailable: at once, when no server can be asked.
        """
        until = time.monotonic() + first_token_s
        with self._taken(completion) as first:
            completion = replace(completion, interval=self._interval())
            try:
                yield from first.stream(completion, scope, first_token_s)
                return
            except EngineUnavailable:  # raised before the first delta only
                scope.check()
        with self._taken(completion, first) as second:
            if second is first:
                _rest(scope)
            yield from second.stream(completion, scope, max(0.0, until - time.monotonic()))

    def ready(self) -> bool:
        """Whether a server can be asked that has said what it serves."""
        return bool(self._known())

    def served(self) -> tuple[Model, ...]:
        """The models and adapters of the first server that is ready; empty: none is."""
        known = self._known()
        return known[0].models if known else ()

    def context(self) -> int | None:
        """Tokens that every server that is ready can hold, prompt and answer together."""
        sizes = [
            model.context
            for upstream in self._known()
            for model in upstream.models
            if model.context is not None
        ]
        return min(sizes, default=None)

    def problem(self) -> str:
        """Why no server is ready; empty where one is."""
        return "" if self.ready() else _why(self._all())

    def state(self) -> list[dict[str, object]]:
        """How each server does, for an operator."""
        return [upstream.state() for upstream in self._all()]

    def _all(self) -> list[Upstream]:
        with self._lock:
            return list(self._upstreams.values())

    def _known(self) -> list[Upstream]:
        return [upstream for upstream in self._all() if upstream.usable and upstream.models]

    def _interval(self) -> int:
        crowd = sum(upstream.in_flight for upstream in self._all())
        return min(1 + crowd // _CROWD, _LONGEST_INTERVAL)

    def _watch(self) -> None:
        for address in self._upstreams.keys() - self._watches.keys():
            self._watches[address] = watch = Watch(self._upstreams[address])
            watch.start()

    @contextmanager
    def _taken(self, completion: Completion, failed: Upstream | None = None) -> Iterator[Upstream]:
        """The server that suits best, counted as busier for the length of the block."""
        with self._lock:
            usable = [each for each in self._upstreams.values() if each.usable]
            others = [each for each in usable if each is not failed]
            if not usable:
                raise EngineUnavailable(_why(list(self._upstreams.values())))
            taken = choose(others or usable, completion)
            taken.in_flight += 1
        try:
            yield taken
        finally:
            with self._lock:
                taken.in_flight -= 1


def choose(upstreams: Sequence[Upstream], completion: Completion) -> Upstream:
    """The prompt's favourite; the least busy where that one is busier by :data:`BUSIER`.

    Rendezvous hashing: a server that comes or goes moves no prompt between the others.
    """
    if len(upstreams) == 1:
        return upstreams[0]
    key = _key(completion)
    ranked = sorted(upstreams, key=lambda each: _weight(key, each.address), reverse=True)
    idlest = min(ranked, key=lambda each: each.in_flight)
    return idlest if ranked[0].in_flight - idlest.in_flight >= BUSIER else ranked[0]


def _key(completion: Completion) -> bytes:
    """Equal for what vLLM's prefix cache holds to be equal."""
    digest = hashlib.blake2b(array("q", completion.prompt).tobytes(), digest_size=16)
    digest.update(repr((completion.model, completion.cache_salt)).encode())
    return digest.digest()


def _weight(key: bytes, address: Address) -> bytes:
    return hashlib.blake2b(str(address).encode(), key=key, digest_size=8).digest()


def _rest(scope: Scope) -> None:
    """Wait a moment, of random length so that not all who failed together return together."""
    pause = random.uniform(*_REST_S)  # noqa: S311  # no secret
    time.sleep(max(0.0, min(pause, scope.remaining())))


def _why(upstreams: Sequence[Upstream]) -> str:
    if not upstreams:
        return "there is no vLLM server to ask yet"
    return "no vLLM server can be asked now: " + "; ".join(
        f"{upstream.address}: {upstream.error}" for upstream in upstreams
    )
