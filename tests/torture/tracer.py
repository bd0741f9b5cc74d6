"""Runs a child and does something to it at the n-th call that it makes on the store.

Calls of all threads are counted together, in the order in which they are made.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.torture import looking, ptrace
from tests.torture.calls import CHANGING, O_CREAT, Call, label

_ALL = 0x40000000  # __WALL
_SECCOMP_STOP = signal.SIGTRAP | (7 << 8)
_CALL_STOP = signal.SIGTRAP | 0x80


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the child.

    ``what`` is one of: ``run`` (nothing), ``kill``, ``fail`` (the call fails with ``error``),
    ``lie`` (a write says that it was made, and was not), ``pause``; ``list`` and ``record``
    say which calls there were, ``record`` with what was written.
    """

    what: str = "run"
    at: int = 0  # the call, from 1; 0: none
    label: str = ""  # only calls with this label are counted for ``at``; empty: all
    error: int = 0  # errno
    lasting: bool = False  # this call and every later one
    calls: frozenset[str] = CHANGING  # which are counted


@dataclass(slots=True)
class Trace:
    """What became of the child."""

    status: int = 0  # exit code, or minus the signal that ended it
    counted: int = 0
    hit: Call | None = None
    calls: list[Call] = field(default_factory=list)


def counts(call: Call, plan: Plan) -> bool:
    """Whether a call is one of those that the plan counts."""
    if call.name not in plan.calls:
        return False
    if call.name in {"open", "openat"}:
        return call.makes or "read" in plan.calls
    return True


class Tracer:
    """Follows one child from its first stop to its end.

    :param roots: paths that count as the store; others are not looked at.
    :param paused: called in a pause; the child goes on when it returns.
    """

    def __init__(
        self, pid: int, plan: Plan, roots: tuple[str, ...], paused: Callable[[Call], None]
    ) -> None:
        self._pid, self._plan, self._roots, self._paused = pid, plan, roots, paused
        self._trace = Trace()
        self._waiting: dict[int, Call] = {}  # threads that are in a call which is recorded
        self._started: set[int] = set()
        self._matching = 0  # calls that count for ``at``, so far

    def follow(self) -> Trace:
        """To the end of the child."""
        os.waitpid(self._pid, _ALL)
        ptrace.set_options(self._pid)
        ptrace.go_on(self._pid)
        self._started.add(self._pid)
        while True:
            tid, status = os.waitpid(-1, _ALL)
            if os.WIFSTOPPED(status):
                self._stopped(tid, status)
            elif tid == self._pid:
                self._trace.status = os.waitstatus_to_exitcode(status)
                return self._trace

    def _stopped(self, tid: int, status: int) -> None:
        try:
            self._answer(tid, status)
        except ProcessLookupError:  # killed meanwhile
            return

    def _answer(self, tid: int, status: int) -> None:
        stop = status >> 8
        if stop == _SECCOMP_STOP:
            self._before(tid)
        elif stop == _CALL_STOP:
            self._after(tid)
        elif stop >> 8:  # fork and clone: the new one is traced already
            ptrace.go_on(tid)
        elif tid not in self._started and stop == signal.SIGSTOP:
            self._started.add(tid)
            ptrace.go_on(tid)
        else:
            ptrace.go_on(tid, stop)

    def _before(self, tid: int) -> None:
        plan, registers = self._plan, ptrace.registers(tid)
        call = looking.look(tid, registers, closely=plan.what == "record")
        if call.path.startswith(self._roots) and counts(call, plan):
            self._trace.counted += 1
            if self._is_struck(call):
                self._trace.hit = self._trace.hit or call
                self._strike(tid, call, registers)
            if plan.what == "list":
                self._trace.calls.append(call)
            if plan.what == "record":
                self._waiting[tid] = call
                ptrace.go_on_to_result(tid)
                return
        ptrace.go_on(tid)

    def _is_struck(self, call: Call) -> bool:
        plan = self._plan
        if plan.lasting and self._trace.hit:
            return True
        if plan.label and label(call) != plan.label:
            return False
        self._matching += 1
        return self._matching == plan.at

    def _strike(self, tid: int, call: Call, registers: ptrace.Registers) -> None:
        plan = self._plan
        if plan.what == "kill":
            os.kill(self._pid, signal.SIGKILL)
        elif plan.what == "fail":
            ptrace.answer_instead(tid, -plan.error)
        elif plan.what == "lie":
            ptrace.answer_instead(tid, registers.arguments[2] if "write" in call.name else 0)
        elif plan.what == "pause":
            self._paused(call)

    def _after(self, tid: int) -> None:
        call = self._waiting.pop(tid)
        if ptrace.registers(tid).result >= 0:
            made = looking.after(call)
            if not made.name.startswith("open") or made.flags & O_CREAT or made.makes:
                self._trace.calls.append(made)
        ptrace.go_on(tid)
