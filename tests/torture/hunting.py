"""Whether the harness is worth anything: it must turn red for each step that is taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.torture import damage, faults, fulldisk, kills, power, rules, states, writers
from tests.torture.cases import fresh
from tests.torture.mutants import MUTANTS
from tests.torture.parts import Bench, Tally

_Part = Callable[[Bench], list[Tally]]

_POWER: tuple[tuple[str, _Part], ...] = (
    ("states", states.enumerate_all),
    ("power", power.at_every_call),
)
_KILLS: tuple[tuple[str, _Part], ...] = (("kill", kills.at_every_call),)
_DAMAGE: tuple[tuple[str, _Part], ...] = (("damage", damage.one_by_one),)
_FAULTS: tuple[tuple[str, _Part], ...] = (
    ("faults", faults.at_every_call),
    ("sizes", fulldisk.at_every_size),
)
_LIES: tuple[tuple[str, _Part], ...] = (("lies", faults.lies),)
_WRITERS: tuple[tuple[str, _Part], ...] = (("writers", writers.at_every_call),)
_RULES: tuple[tuple[str, _Part], ...] = (("rules", rules.hold),)

_BACKED_UP = {
    "short writes": tuple(name for name in MUTANTS if name.startswith("no read-back")),
    "no lock": ("no lease",),
    "no lease": ("no lock",),
}
"""Steps that others stand behind: those are taken out as well, or nothing would be seen."""

_BY = {
    "CURRENT written in place": _KILLS,
    "CURRENT before the snapshot": _KILLS,
    "CURRENT not moved": _KILLS,
    "named before it is whole": _KILLS,
    "removed in place": _KILLS,
    "segments removed first": _KILLS,
    "short writes": _FAULTS,
    "not exclusive": _RULES,
    "no lock": _WRITERS,
    "no lease": _WRITERS,
    "CURRENT not read again": _FAULTS,
    "errors not told": _FAULTS,
}
_OPERATIONS = {
    "removed in place": ("gc",),
    "segments removed first": ("gc",),
    "CURRENT not read again": ("rollback",),
    "CURRENT not moved": ("rollback",),
    "CURRENT written in place": ("rollback",),
    "not exclusive": ("refresh",),
    "no lock": ("refresh",),
    "no lease": ("refresh",),
    "short writes": ("refresh",),
    "no fsync of CURRENT": ("rollback",),
    "no fsync of the store": ("rollback",),
}


@dataclass(frozen=True, slots=True)
class Hunted:
    """What became of a mutant."""

    mutant: str
    caught_by: str  # the part; empty for none
    how: str


def hunt(bench: Bench, names: Sequence[str] = tuple(MUTANTS)) -> list[Hunted]:
    """Take out each step in turn, and see which part finds it first."""
    found, sound = [], _Sound(bench)
    for name in names:
        one = _hunt(bench, name, sound)
        found.append(one)
        said = f"caught by {one.caught_by}: {one.how[:100]}" if one.caught_by else "NOT CAUGHT"
        print(f"  mutant {name}: {said}", flush=True)
    return found


def _hunt(bench: Bench, name: str, sound: _Sound) -> Hunted:
    operations = _OPERATIONS.get(name, ("refresh",) if _parts(name) != _KILLS else ("delete",))
    behind = _BACKED_UP.get(name, ())
    mutated = replace(bench.only(*operations), mutants=(name, *behind), hunting=True)
    if why := _breaks(mutated, reads=_parts(name) is _DAMAGE):
        print(f"  without {name} nothing works, which says nothing: {why}", flush=True)
        return Hunted(name, "", "")
    for part, run in _parts(name):
        if why := sound.red(part, run, operations, behind):
            print(f"  {part} is red without the mutant: {why}", flush=True)
            continue
        for tally in run(mutated):
            if tally.losses:
                return Hunted(name, f"{part} ({tally.part})", tally.losses[0])
    return Hunted(name, "", "")


def _breaks(bench: Bench, *, reads: bool) -> str:
    """How operations end without the step when nothing else goes wrong; empty: well."""
    for case in bench.cases:
        operation = "read" if reads else case.operation
        store = fresh(case, bench.store(case))
        result = bench.worker.run(operation, store, case.argument, mutants=bench.mutants)
        if not result.acknowledged:
            return result.message or f"it ended with {result.status}"
    return ""


class _Sound:
    """Which parts are green when no step is taken out: only those can catch anything."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._known: dict[tuple[str, tuple[str, ...], tuple[str, ...]], str] = {}

    def red(
        self, part: str, run: _Part, operations: tuple[str, ...], behind: tuple[str, ...]
    ) -> str:
        """The first loss of a part; empty where there is none."""
        key = (part, operations, behind)
        if key not in self._known:
            plain = replace(self._bench.only(*operations), mutants=behind, hunting=True)
            losses = [loss for tally in run(plain) for loss in tally.losses]
            self._known[key] = losses[0] if losses else ""
        return self._known[key]


def _parts(name: str) -> tuple[tuple[str, _Part], ...]:
    if name in _BY:
        return _BY[name]
    if "read-back" in name:
        return _LIES
    return _DAMAGE if "hash" in name else _POWER
