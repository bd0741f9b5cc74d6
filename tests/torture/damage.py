"""Files of a store are damaged, one at a time: a snapshot that needs such a file does not open.

First by rule, because a thousand that are drawn may all be elsewhere: a digit becomes another in
the middle of each file and in each field of a manifest, which can be read all the same, so that
nothing but a hash can tell. Then at random.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from corpus.errors import RagError
from corpus.manifest import NAME as MANIFEST
from corpus.store import Store
from tests.torture.cases import fresh
from tests.torture.invariant import Violation
from tests.torture.parts import Bench, Tally, chance
from tests.torture.signature import everything

_WANTED = 10_000  # at random
_WANTED_QUICK = 100
_WANTED_HUNTING = 200
_PAGE = 4096
_KINDS = ("flip", "zero", "cut", "grow", "swap", "remove")
_DIGIT = re.compile(rb"\d")
_LAST_DIGIT = re.compile(rb'^ "(?:[^\n]|\n(?! "))*(\d)', re.MULTILINE)  # of a manifest's field


@dataclass(frozen=True, slots=True)
class _Damage:
    place: Path
    kind: str
    after: bytes | None  # what the file holds then; None: it is gone


class _Intact:
    """A store as it is without damage."""

    def __init__(self, path: Path) -> None:
        self.path, store = path, Store(path)
        ids = [one.id for one in store.snapshots()]
        self.newest = ids[0]
        self.whole = {one: everything(store.open(one)) for one in ids}
        self._needs = {one: store.manifest(one).files.keys() for one in ids}
        below = chain((path / "snapshots").rglob("*"), (path / "segments").rglob("*"))
        self.places = [path / "CURRENT", *sorted(one for one in below if one.is_file())]

    def judge(self, snapshot: str, found: str, place: Path) -> None:
        """A snapshot was opened although there is damage: it is not its own, and does not show.

        :raises Violation: otherwise.
        """
        if found != self.whole[snapshot]:
            raise Violation("damage was served")
        if str(place.relative_to(self.path)) in self._needs[snapshot]:
            raise Violation("damage was not noticed")


def one_by_one(bench: Bench) -> list[Tally]:
    """Flipped bits, zeroed pages, cut, grown, swapped and missing files."""
    case = next((case for case in bench.cases if case.store.exists()), None)
    if case is None:  # nothing but a first ingest
        return []
    tally = Tally("damage", "read")
    intact = _Intact(fresh(case, bench.store(case)))
    wanted = _WANTED_HUNTING if bench.hunting else _WANTED_QUICK if bench.quick else _WANTED
    for damage in chain(_by_rule(intact.places), _at_random(intact.places, wanted)):
        _strike(bench, intact, damage, tally)
        if bench.hunting and tally.losses:
            break
    return [tally.end()]


def _by_rule(places: list[Path]) -> Iterator[_Damage]:
    for place in places:
        data = place.read_bytes()
        middle = len(data) // 2
        if data:
            digit = _DIGIT.search(data, middle)
            yield _Damage(place, "digit", _flipped(data, digit.start() if digit else middle, 0))
        if place.name == MANIFEST:
            for digit in _LAST_DIGIT.finditer(data):
                yield _Damage(place, "digit", _flipped(data, digit.start(1), 0))


def _at_random(places: list[Path], wanted: int) -> Iterator[_Damage]:
    dice = chance("damage")
    for _ in range(wanted):
        place, kind = dice.choice(places), dice.choice(_KINDS)
        before = place.read_bytes()
        after = _damaged(before, kind, dice, places)
        if after != before:
            yield _Damage(place, kind, after)


def _damaged(data: bytes, kind: str, dice: random.Random, places: list[Path]) -> bytes | None:
    """The bytes after a damage; None where the file is gone."""
    at = dice.randrange(max(1, len(data)))
    page = at - at % _PAGE
    match kind:
        case "flip" if data:
            return _flipped(data, at, dice.randrange(8))
        case "zero":
            end = min(len(data), page + _PAGE)
            return data[:page] + bytes(end - page) + data[end:]
        case "cut":
            return data[:at]
        case "grow":
            return data + bytes(1 + at)
        case "swap":
            return dice.choice(places).read_bytes()
    return None


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _strike(bench: Bench, intact: _Intact, damage: _Damage, tally: Tally) -> None:
    """Damage a file, read the store, and put the file back."""
    place = damage.place
    before = place.read_bytes()
    place.unlink()
    if damage.after is not None:
        place.write_bytes(damage.after)
    tally.tried += 1
    try:
        read = _read_by_worker(bench, intact, place) if bench.hunting else _read(intact, place)
        tally.ends[read] += 1
    except Violation as error:
        tally.lose(f"{damage.kind} {place.relative_to(intact.path)}", error)
    finally:
        place.write_bytes(before)


def _read(intact: _Intact, place: Path) -> str:
    """Every snapshot opens as it was, or is refused. Says whether the current one did."""
    opened = Store(intact.path)
    for snapshot in intact.whole:
        try:
            found = everything(opened.open(snapshot))
        except RagError:
            continue
        except Exception as error:
            raise Violation(f"it broke: {type(error).__name__}: {error}") from error
        intact.judge(snapshot, found, place)
    try:
        current = opened.open().id
    except RagError:
        return "refused"
    if current != intact.newest:
        raise Violation("another snapshot answers")
    return "unharmed"


def _read_by_worker(bench: Bench, intact: _Intact, place: Path) -> str:
    result = bench.worker.run("read", intact.path, "", mutants=bench.mutants)
    if result.outcome == "refused":
        return "refused"
    if result.outcome == "broke":
        raise Violation(f"it broke: {result.message}")
    intact.judge(intact.newest, result.snapshot, place)
    return "unharmed"
