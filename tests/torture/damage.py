"""Files of a store are damaged, one at a time: none of it may ever be served."""

from __future__ import annotations

import random
from pathlib import Path

from corpus.errors import RagError
from corpus.store import Store
from tests.torture.cases import fresh
from tests.torture.invariant import Violation
from tests.torture.parts import Bench, Tally, chance
from tests.torture.signature import everything

_WANTED = 10_000
_WANTED_QUICK = 100
_WANTED_HUNTING = 700
_PAGE = 4096
_KINDS = ("flip", "zero", "cut", "grow", "swap", "remove")


def at_random(bench: Bench) -> list[Tally]:
    """Flipped bits, zeroed pages, cut, grown, swapped and missing files."""
    tally = Tally("damage", "read")
    case = next(case for case in bench.cases if case.operation in {"refresh", "gc"})
    store = fresh(case, bench.store(case))
    whole = {one.id: everything(Store(store).open(one.id)) for one in Store(store).snapshots()}
    places = [store / "CURRENT"]
    for folder in ("snapshots", "segments"):
        places += sorted(path for path in (store / folder).rglob("*") if path.is_file())
    dice = chance("damage")
    wanted = _WANTED_HUNTING if bench.hunting else _WANTED_QUICK if bench.quick else _WANTED
    for _ in range(wanted):
        place, kind = dice.choice(places), dice.choice(_KINDS)
        before = place.read_bytes()
        after = _damaged(before, kind, dice, places)
        if after == before:
            continue
        place.unlink()
        if after is not None:
            place.write_bytes(after)
        tally.tried += 1
        try:
            tally.ends[_read(bench, store, whole)] += 1
        except Violation as error:
            tally.lose(f"{kind} {place.relative_to(store)}", error)
            if bench.hunting:
                break
        finally:
            place.write_bytes(before)
    return [tally.end()]


def _damaged(data: bytes, kind: str, dice: random.Random, places: list[Path]) -> bytes | None:
    """The bytes after a damage; None where the file is gone."""
    at = dice.randrange(max(1, len(data)))
    page = at - at % _PAGE
    match kind:
        case "flip" if data:
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
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


def _read(bench: Bench, store: Path, whole: dict[str, str]) -> str:
    """Every snapshot opens as it was, or is refused. Says whether the current one did."""
    if bench.hunting:
        return _read_by_worker(bench, store, whole)
    opened, newest = Store(store), next(iter(whole))
    for snapshot, expected in whole.items():
        try:
            found = everything(opened.open(snapshot))
        except RagError:
            continue
        except Exception as error:
            raise Violation(f"it broke: {type(error).__name__}: {error}") from error
        if found != expected:
            raise Violation("damage was served")
    try:
        current = opened.open().id
    except RagError:
        return "refused"
    if current != newest:
        raise Violation("another snapshot answers")
    return "unharmed"


def _read_by_worker(bench: Bench, store: Path, whole: dict[str, str]) -> str:
    result = bench.worker.run("read", store, "", mutants=bench.mutants)
    if result.outcome == "refused":
        return "refused"
    if result.outcome == "broke":
        raise Violation(f"it broke: {result.message}")
    if result.snapshot != next(iter(whole.values())):
        raise Violation("damage was served")
    return "unharmed"
