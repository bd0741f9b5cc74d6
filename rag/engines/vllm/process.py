"""Keeps one `vllm serve` running beside this process, and tells how it stands.

vLLM takes a minute to start and may end at any time, while answers do not wait for it: so it
is started and watched by a thread. When it ends, its log is read for the reason
(:mod:`rag.engines.vllm.failures`). It is started again after a pause that grows; where only
somebody can mend what is wrong, every five minutes or not at all. It ends with this process,
however that ends (:mod:`rag.tether`).
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from corpus.errors import EngineFailed
from rag.engines.vllm import client
from rag.engines.vllm.address import Address
from rag.engines.vllm.failures import Failure, explain
from rag.engines.vllm.launch import Launch
from rag.engines.vllm.logfile import LogFile
from rag.engines.vllm.symptoms import Mend
from rag.tether import LEFT_S, Tethered

log = logging.getLogger(__name__)


class Status(StrEnum):
    """How vLLM stands."""

    STARTING = "starting"  # for the first time
    READY = "ready"
    RESTARTING = "restarting"  # it ended, and is or will soon be started again
    FAILED = "failed"  # somebody must do something; see the reason
    STOPPED = "stopped"  # it was told to end


@dataclass(frozen=True, slots=True)
class State:
    """How vLLM stands, and why."""

    status: Status
    reason: str  # why it is not ready, or was not before this start; empty: no reason yet
    since: str  # ISO 8601, UTC
    log: str  # the file that it writes
    starts: int  # how often it was started


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take. Seconds."""

    poll: float = 0.5  # between looks at it
    answer: float = 5.0  # for it to say that it is well
    unwell: float = 30.0  # without saying so, once it was ready; then it is started again
    first_pause: float = 1.0  # before it is started again; doubled each time
    longest_pause: float = 60.0
    steady: float = 300.0  # of being ready, after which the next pause is the first again
    later: float = 300.0  # before it is tried again where somebody must do something
    heed: int = 8  # for it to end in order when told to; while it loads it may not


class VllmProcess:
    """One `vllm serve`, from :meth:`start` to :meth:`close`.

    :param log_file: what it writes goes there; the file of the start before it is kept as
        ``*.1``.
    :param on_ready: called with the address, each time that it begins to answer, by a thread
        that does nothing else meanwhile.
    """

    def __init__(
        self,
        launch: Launch,
        log_file: Path,
        *,
        on_ready: Callable[[Address], None] = lambda _address: None,
        timing: Timing = Timing(),
    ) -> None:
        self._launch, self._log, self._timing = launch, LogFile(log_file), timing
        self._on_ready = on_ready
        self._closing, self._wanted = threading.Event(), threading.Event()
        self._complaint = ""  # why somebody wants it started again
        self._process: Tethered | None = None
        self._starts = 0
        self._state = self._as(Status.STARTING, "")
        self._thread = threading.Thread(target=self._keep_alive, name="vllm", daemon=True)

    @property
    def address(self) -> Address:
        """Where it answers once it is ready."""
        return self._launch.address

    def start(self) -> None:
        """Have it started. Returns at once."""
        self._thread.start()

    def state(self) -> State:
        """How it stands now."""
        return replace(self._state, starts=self._starts)

    def restart(self, reason: str) -> None:
        """Have it started again, because it does not do what it says. Returns at once."""
        self._complaint = reason
        self._wanted.set()

    def end(self) -> None:
        """Have it ended and not started again. Returns at once."""
        self._closing.set()
        self._wanted.set()
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """Have it ended, and wait for that as long as it may take."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(self._timing.heed + LEFT_S + 2)
        if self._process is not None:
            self._process.close(0)
        self._state = self._as(Status.STOPPED, "")
        shutil.rmtree(self._launch.folder, ignore_errors=True)

    def _keep_alive(self) -> None:
        timing = self._timing
        pause = timing.first_pause
        while not self._closing.is_set():
            failure, ready_s = self._run()
            if self._closing.is_set():
                return
            if ready_s > timing.steady:
                pause = timing.first_pause
            mend = failure.mend if not ready_s else Mend.SOON  # what has worked may work again
            if mend is Mend.NEVER:
                log.error("%s; it is not started again", failure.reason)
                self._state = self._as(Status.FAILED, failure.reason)
                return
            wait_s = timing.later if mend is Mend.LATER else pause
            status = Status.FAILED if mend is Mend.LATER else Status.RESTARTING
            self._state = self._as(status, failure.reason)
            log.error("%s; starting it again in %.0f s", failure.reason, wait_s)
            self._closing.wait(wait_s)
            pause = min(pause * 2, timing.longest_pause)

    def _run(self) -> tuple[Failure, float]:
        """Start it and watch it to its end: why it ended, and how long it was ready."""
        self._wanted.clear()
        self._starts += 1
        if self._starts > 1 and self._state.status is not Status.FAILED:
            self._state = self._as(Status.RESTARTING, self._state.reason)
        try:
            process = self._process = self._begin()
        except OSError as error:
            return Failure(f"vLLM cannot be started: {error}", Mend.SOON), 0.0
        if self._closing.is_set():  # meanwhile
            process.end()
        ready = _Stopwatch()
        complaint = self._watch(process, ready)
        process.end()
        code, _, _ = process.wait()
        if complaint:
            return Failure(complaint, Mend.SOON), ready.seconds()
        return explain(self._log.tail(), code, self._launch.model), ready.seconds()

    def _begin(self) -> Tethered:
        if self._launch.address.path:
            Path(self._launch.address.path).unlink(missing_ok=True)
        self._log.begin()
        return Tethered(
            self._launch.command,
            nice=0,
            heed_s=self._timing.heed,
            output=self._log.path,
            environment=self._launch.environment,
        )

    def _watch(self, process: Tethered, ready: _Stopwatch) -> str:
        """Look at it until it ends or must be ended; the latter's reason, if so."""
        timing, well = self._timing, time.monotonic()
        while process.poll() is None:
            if self._wanted.wait(timing.poll):
                return self._complaint
            self._log.limit()
            if self._answers(ready=bool(ready)):
                well = time.monotonic()
                if not ready:
                    ready.begin()
                    self._ready()
            elif ready and time.monotonic() - well > timing.unwell:
                return f"vLLM runs and has not said that it is well for {timing.unwell:.0f} s"
        return ""

    def _answers(self, *, ready: bool) -> bool:
        """Whether it says that it is well, and the first time also what it serves."""
        address, answer_s = self._launch.address, self._timing.answer
        if not client.healthy(address, answer_s):
            return False
        with suppress(EngineFailed):
            return ready or bool(client.models(address, answer_s))
        return False

    def _ready(self) -> None:
        self._state = self._as(Status.READY, "")
        log.info("vLLM serves %s at %s", self._launch.model, self._launch.address)
        try:
            self._on_ready(self._launch.address)
        except Exception:  # whoever wanted to know must not end the watch
            log.exception("telling that vLLM is ready failed")

    def _as(self, status: Status, reason: str) -> State:
        now = datetime.now(UTC).isoformat("T", "seconds")
        return State(status, reason, now, str(self._log.path), self._starts)


class _Stopwatch:
    """Seconds since it was begun; false and 0 until then."""

    def __init__(self) -> None:
        self._began: float | None = None

    def __bool__(self) -> bool:
        return self._began is not None

    def begin(self) -> None:
        self._began = time.monotonic()

    def seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began
