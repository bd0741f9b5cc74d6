"""What every part of the harness works with, and what it reports."""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.torture.calls import label
from tests.torture.cases import Case, fresh
from tests.torture.client import Worker
from tests.torture.tracer import Plan

_QUICK = 4  # calls of an operation that a quick run looks at


@dataclass(frozen=True, slots=True)
class Bench:
    """A worker, the cases, a scratch folder, and how much is to be done."""

    worker: Worker
    cases: tuple[Case, ...]
    scratch: Path  # on a file system in memory
    quick: bool = False
    mutants: tuple[str, ...] = ()  # steps that are taken out
    hunting: bool = False  # a part ends at the first loss

    def store(self, case: Case) -> Path:
        """Where a case is carried out."""
        return self.scratch / "run" / case.operation / "store"

    def only(self, *operations: str) -> Bench:
        """The same with fewer cases."""
        chosen = tuple(case for case in self.cases if case.operation in operations)
        return replace(self, cases=chosen)


@dataclass(slots=True)
class Tally:
    """What a part came to, for one operation."""

    part: str
    operation: str
    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)  # before, after, refused, ...
    losses: list[str] = field(default_factory=list)
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def lose(self, where: str, why: object) -> None:
        """Note a violation, and say so at once."""
        self.losses.append(f"{where}: {why}")
        print(f"  LOSS {self.part} {self.operation}: {where}: {why}", file=sys.stderr, flush=True)

    def end(self) -> Tally:
        """Done: say what it came to."""
        self.seconds = round(time.monotonic() - self.began, 1)
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ends.items()))
        print(
            f"  {self.part:8} {self.operation:9} {self.tried:6} tried, {len(self.losses)} lost "
            f"in {self.seconds} s ({ends})",
            file=sys.stderr,
            flush=True,
        )
        return self


@dataclass(frozen=True, slots=True)
class Moment:
    """The n-th call with some label; with 0, no call at all: an operation that comes to its end."""

    label: str = ""
    at: int = 0


def moments(
    bench: Bench,
    case: Case,
    calls: frozenset[str],
    *,
    hunting: int = 15,
    always: re.Pattern[str] | None = None,
) -> list[Moment]:
    """The calls of an operation at which something is done; the last moment is its end.

    All of them in a full run, some of them in a quick one.

    :param hunting: how many of them while mutants are hunted.
    :param always: then the first call with each label that fits is among them, and comes first.
    """
    store = fresh(case, bench.store(case))
    plan = Plan("list", calls=calls)
    made = bench.worker.run(case.operation, store, case.argument, plan, mutants=bench.mutants)
    seen: Counter[str] = Counter()
    found = []
    for call in made.calls:
        seen[label(call)] += 1
        found.append(Moment(label(call), seen[label(call)]))
    if bench.hunting:
        first = [one for one in found if always and one.at == 1 and always.search(one.label)]
        found = first + _drawn(case, [one for one in found if one not in first], hunting)
    elif bench.quick:
        found = _drawn(case, found, _QUICK)
    return [*found, Moment()]


def _drawn(case: Case, found: list[Moment], wanted: int) -> list[Moment]:
    return chance(case.operation).sample(found, min(len(found), wanted))


def chance(name: str) -> random.Random:
    """Random numbers that are the same in every run."""
    return random.Random(f"torture {name}")
