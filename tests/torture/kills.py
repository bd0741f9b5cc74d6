"""kill -9 before every call that changes the disk, and at random times."""

from __future__ import annotations

import time
from pathlib import Path

from tests.torture.calls import CHANGING, STEPS
from tests.torture.cases import Case, fresh
from tests.torture.client import Result
from tests.torture.invariant import Violation, check
from tests.torture.operations import perform
from tests.torture.parts import Bench, Tally, chance, moments
from tests.torture.signature import signature
from tests.torture.tracer import Plan

_RANDOM = 1000  # over all operations
_KILLED = -9
_ALL = 10_000


def at_every_call(bench: Bench) -> list[Tally]:
    """Kill before call 1, 2, 3, ... until the operation comes to its end."""
    return [_every_call(bench, case) for case in bench.cases]


def at_random(bench: Bench) -> list[Tally]:
    """Kill at any time at all, the operation running at full speed."""
    wanted = (20 if bench.quick else _RANDOM) // len(bench.cases)
    return [_random(bench, case, wanted) for case in bench.cases]


def _every_call(bench: Bench, case: Case) -> Tally:
    tally = Tally("kill", case.operation)
    calls = STEPS if bench.hunting else CHANGING
    for moment in moments(bench, case, calls, hunting=_ALL):
        if bench.hunting and tally.losses:
            break
        store = fresh(case, bench.store(case))
        plan = Plan("kill", moment.at, moment.label, calls=calls)
        result = bench.worker.run(case.operation, store, case.argument, plan, mutants=bench.mutants)
        if not result.hit and not result.acknowledged:
            tally.lose("not killed", f"{result.outcome} {result.message}")
        if result.hit and result.status != _KILLED:
            tally.lose(result.hit, f"was to be killed and ended with {result.status}")
        tally.tried += bool(result.hit)
        _check(tally, case, store, result, f"before {result.hit or 'its end'}")
    return tally.end()


def _random(bench: Bench, case: Case, wanted: int) -> Tally:
    tally = Tally("random", case.operation)
    dice = chance(case.operation)
    longest = _duration(bench, case) * 1.5
    for _ in range(wanted):
        store = fresh(case, bench.store(case))
        moment = dice.uniform(0, longest)
        result = bench.worker.run(
            case.operation, store, case.argument, mutants=bench.mutants, after_s=moment
        )
        tally.tried += 1
        _check(tally, case, store, result, f"after {moment:.4f} s")
    return tally.end()


def _duration(bench: Bench, case: Case) -> float:
    store = fresh(case, bench.store(case))
    began = time.perf_counter()
    perform(case.operation, store, case.argument)
    return time.perf_counter() - began


def _check(tally: Tally, case: Case, store: Path, result: Result, where: str) -> None:
    try:
        tally.ends["before" if signature(store) == case.before else "after"] += 1
        check(case, store, acknowledged=result.acknowledged)
    except (Violation, Exception) as error:
        tally.lose(where, error)
