"""A disk that refuses: full, or broken, at every call, once and from then on; and one that lies.

What the user is told must be so: done, or why not. Never done and not there, never a
traceback, and never "the snapshot before still answers" when it does not.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.torture.calls import FAILING, OWN, READING, TAKES_SPACE
from tests.torture.cases import Case, fresh
from tests.torture.client import Result
from tests.torture.invariant import Violation, check, check_readable
from tests.torture.parts import Bench, Tally, moments
from tests.torture.tracer import Plan

_NOTHING_CHANGED = ("nothing was published", "still answers", "nothing was changed")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail."""

    name: str
    what: str
    calls: frozenset[str]
    error: int = 0
    lasting: bool = False


FAULTS = (
    Fault("full", "fail", TAKES_SPACE, errno.ENOSPC, lasting=False),
    Fault("full+", "fail", TAKES_SPACE, errno.ENOSPC, lasting=True),
    Fault("broken", "fail", FAILING | READING, errno.EIO, lasting=False),
    Fault("broken+", "fail", FAILING, errno.EIO, lasting=True),
)
"""A plus: this call and every later one."""

_HUNTING = 60

LIES = (Fault("lies", "lie", frozenset({"write", "pwrite64"})),)
"""A write that is reported as made and is lost."""


def at_every_call(bench: Bench) -> list[Tally]:
    """Each fault for each operation."""
    # A mutant is hunted without failing reads: they touch nothing that could be lost.
    faults = [one for one in FAULTS if not (bench.hunting and one.calls & READING)]
    return [_every_call(bench, case, fault) for case in bench.cases for fault in faults]


def lies(bench: Bench) -> list[Tally]:
    """Each write lost in turn."""
    return [_every_call(bench, case, fault) for case in bench.cases for fault in LIES]


def _every_call(bench: Bench, case: Case, fault: Fault) -> Tally:
    tally = Tally(fault.name, case.operation)
    for moment in moments(bench, case, fault.calls, hunting=_HUNTING, always=OWN):
        if bench.hunting and fault in LIES and not OWN.search(moment.label):
            continue
        if bench.hunting and tally.losses:
            break
        store = fresh(case, bench.store(case))
        plan = Plan(fault.what, moment.at, moment.label, fault.error, fault.lasting, fault.calls)
        result = bench.worker.run(case.operation, store, case.argument, plan, mutants=bench.mutants)
        if not result.hit:
            continue
        tally.tried += 1
        try:
            tally.ends[judge(case, store, result, clean=fault not in LIES)] += 1
        except Exception as error:
            kind = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
            tally.lose(result.hit, f"{kind}{error}")
    return tally.end()


def judge(
    case: Case,
    store: Path,
    result: Result,
    mend: Callable[[], object] = lambda: None,
    *,
    clean: bool = True,
) -> str:
    """What was told must be so, the store must be readable, and work once the disk does.

    :param mend: makes the disk work again.
    :param clean: whether the project's own errors are the only ones that may be told. A library
        that reads what a lying disk made of its files may say so in its own words.
    :return: how it ended, for the record.
    """
    if result.outcome not in {"done", "refused"} and clean:
        raise Violation(f"no clean end: {result.outcome or result.status} {result.message}")
    found = check_readable(case, store, acknowledged=result.acknowledged)
    if result.outcome == "refused":
        claims_nothing = any(words in result.message for words in _NOTHING_CHANGED)
        if found == case.after != case.before and claims_nothing:
            raise Violation(f"told what is not so: {result.message}")
        if not result.message.partition(": ")[2]:
            raise Violation("it was refused without a word")
    mend()
    check(case, store, acknowledged=result.acknowledged)
    state = "after" if found == case.after else "before"
    return "done" if result.acknowledged else f"{result.outcome} ({state})"
