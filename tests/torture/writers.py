"""A second writer comes while the first one is stopped before a call, at every call.

One of them may be refused. What both were told must hold: the store is as after some
serial order of those that were told that they are done.
"""

from __future__ import annotations

from pathlib import Path

from corpus.errors import StoreBusy
from tests.torture.cases import Case, fresh
from tests.torture.client import Result
from tests.torture.invariant import Violation
from tests.torture.operations import perform
from tests.torture.parts import Bench, Tally, moments
from tests.torture.signature import signature
from tests.torture.tracer import Plan

_POINTS = frozenset({"flock", "fsync", "rename", "mkdir", "unlink"})
_HUNTING = 10_000


def at_every_call(bench: Bench) -> list[Tally]:
    """The first refreshes, the second takes in another folder."""
    return [_every_call(bench, case) for case in bench.only("refresh").cases]


def _every_call(bench: Bench, case: Case) -> Tally:
    tally = Tally("writers", case.operation)
    other = bench.scratch / "other"
    other.mkdir(exist_ok=True)
    (other / "other.md").write_text("# Other\n\nThe page of the second writer.\n")
    expected = _expected(bench, case, other)
    for moment in moments(bench, case, _POINTS, hunting=_HUNTING):
        if bench.hunting and tally.losses:
            break
        store = fresh(case, bench.store(case))
        second = _Second(store, other)
        result = bench.worker.run(
            case.operation,
            store,
            case.argument,
            Plan("pause", moment.at, moment.label, calls=_POINTS),
            mutants=bench.mutants,
            paused=second.come,
        )
        if not result.hit:
            continue
        tally.tried += 1
        try:
            tally.ends[_judge(store, result, second.outcome, expected)] += 1
        except Exception as error:
            tally.lose(result.hit, f"{type(error).__name__}: {error}")
    return tally.end()


class _Second:
    """The second writer, in this process."""

    def __init__(self, store: Path, folder: Path) -> None:
        self._store, self._folder = store, folder
        self.outcome = ""

    def come(self, _: str) -> None:
        """Take in a folder, and remember how that ended."""
        try:
            perform("ingest", self._store, str(self._folder))
        except StoreBusy:
            self.outcome = "refused"
        except Exception as error:
            self.outcome = f"broke: {type(error).__name__}: {error}"
        else:
            self.outcome = "done"


def _judge(store: Path, first: Result, second: str, expected: dict[tuple[bool, bool], str]) -> str:
    if first.outcome not in {"done", "refused"} or second not in {"done", "refused"}:
        raise Violation(f"no clean end: {first.outcome} {first.message}; {second}")
    found = signature(store)
    if found != expected[first.acknowledged, second == "done"]:
        raise Violation(
            f"the first was told {first.outcome}, the second {second}, and the store is another"
        )
    return f"{first.outcome}, {second}"


def _expected(bench: Bench, case: Case, other: Path) -> dict[tuple[bool, bool], str]:
    """What the store must be, by who was told that it is done."""
    found = {(False, False): case.before, (True, False): case.after}
    for first in (False, True):
        store = fresh(case, bench.store(case))
        if first:
            perform(case.operation, store, case.argument)
        perform("ingest", store, str(other))
        found[first, True] = signature(store)
    return found
