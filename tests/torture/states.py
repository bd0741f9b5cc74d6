"""Disks that a power cut may leave behind, from one trace of an operation.

After each call: all that is pending lost, nothing, each change alone, all but each, and
pairs; bytes that are lost may also be zeroes, or half there. Each distinct disk is written
to a folder and held against the invariant. No process is started for it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture.calls import CHANGING, Call
from tests.torture.cases import Case, fresh
from tests.torture.invariant import check, check_readable
from tests.torture.model import Disk, Fate, Image, scan
from tests.torture.parts import Bench, Tally, chance
from tests.torture.scratch import clear
from tests.torture.tracer import Plan

_WANTED = 1800  # distinct disks for each operation and rule; there may be fewer
_WANTED_QUICK = 8
_WANTED_HUNTING = 70
_ALONE, _ALL_BUT, _PAIRS = 24, 12, 12  # drawn after each call; at the end, all alone
_TRIED = 4  # crashes for each distinct disk that is wanted
_RUN_AGAIN = 3  # one in so many is also worked with; every one is read
_MOST_LOSSES = 10

Tree = dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Crash:
    """A cut after so many calls that loses these changes."""

    after: int
    lost: tuple[int, ...]
    fate: Fate


def enumerate_all(bench: Bench) -> list[Tally]:
    """Under both rules, for each operation; a star marks the stricter one."""
    return [
        _enumerate(bench, case, strict=strict) for case in bench.cases for strict in (False, True)
    ]


def _enumerate(bench: Bench, case: Case, *, strict: bool) -> Tally:
    tally = Tally("states", f"{case.operation}{'*' if strict else ''}")
    place = bench.scratch / "state"
    for number, (where, acknowledged, tree) in enumerate(_distinct(bench, case, strict=strict)):
        _write_tree(tree, place)
        tally.tried += 1
        try:
            found = check_readable(case, place / "store", acknowledged=acknowledged)
            tally.ends["before" if found == case.before else "after"] += 1
            if number % _RUN_AGAIN == 0:
                tally.ends["run again"] += 1
                check(case, place / "store", acknowledged=acknowledged)
        except Exception as error:
            tally.lose(where, f"{type(error).__name__}: {error}")
            if bench.hunting or len(tally.losses) >= _MOST_LOSSES:
                break
    return tally.end()


def _distinct(bench: Bench, case: Case, *, strict: bool) -> Iterator[tuple[str, bool, Tree]]:
    """Where the cut is, whether the operation was acknowledged, and what is on the disk."""
    store = bench.store(case)
    clear(store.parent)
    image = scan(fresh(case, store).parent)
    plan = Plan("record", calls=CHANGING - {"close", "fcntl", "flock"})
    calls = bench.worker.run(
        case.operation, store, case.argument, plan, mutants=bench.mutants
    ).calls
    wanted = _WANTED_HUNTING if bench.hunting else _WANTED_QUICK if bench.quick else _WANTED
    chosen = _choose(image, calls, wanted, strict=strict)
    for disk, crash, tree in _trees(image, calls, chosen, strict=strict):
        last = calls[crash.after - 1] if crash.after else "the start"
        where = f"after call {crash.after} ({last}) lost {_named(disk, crash)}"
        yield where, crash.after == len(calls), tree


def _choose(
    image: Image, calls: tuple[Call, ...], wanted: int, *, strict: bool
) -> dict[int, list[Crash]]:
    """Crashes that leave distinct disks, by the number of calls before them.

    The last moment, and every moment with all lost, come first; the others are drawn by
    chance, until there are as many as are wanted.
    """
    dice = chance("states")
    certain, others = _candidates(image, calls, dice, strict=strict)
    dice.shuffle(others)
    if len(certain) > wanted:
        last = [crash for crash in certain if crash.after == len(calls)]
        certain = last + dice.sample(certain, wanted)
    ordered = certain + others[: _TRIED * wanted]
    keys = {
        crash: _hash(tree, acknowledged=crash.after == len(calls))
        for _, crash, tree in _trees(image, calls, _by_moment(ordered), strict=strict)
    }
    distinct: dict[bytes, Crash] = {}
    for crash in ordered:
        if len(distinct) < wanted:
            distinct.setdefault(keys[crash], crash)
    return _by_moment(distinct.values())


def _candidates(
    image: Image, calls: tuple[Call, ...], dice: random.Random, *, strict: bool
) -> tuple[list[Crash], list[Crash]]:
    """Those to look at in any case, and all others."""
    disk = Disk(image.copy(), strict=strict)
    certain, others = list[Crash](), list[Crash]()
    for after in range(len(calls) + 1):
        if after:
            disk.make(calls[after - 1])
        numbers = [change.number for change in disk.pending]
        holds_bytes = {change.number for change in disk.pending if change.data}
        single = [(one,) for one in numbers]
        few = [dice.sample(numbers, min(count, len(numbers))) for count in (_ALONE, _ALL_BUT)]
        alone = [(one,) for one in few[0]]
        most = [tuple(other for other in numbers if other != one) for one in few[1]]
        pairs = [tuple(sorted(dice.sample(numbers, 2))) for _ in range(_PAIRS) if len(numbers) > 2]
        certain += _with_fates(after, [tuple(numbers), ()], holds_bytes)
        if after == len(calls):
            certain += _with_fates(after, single, holds_bytes)
        others += _with_fates(after, [*alone, *most, *pairs], holds_bytes)
    return certain, others


def _with_fates(
    after: int, choices: Iterable[tuple[int, ...]], holds_bytes: set[int]
) -> list[Crash]:
    return [
        Crash(after, lost, fate)
        for lost in choices
        for fate in (Fate if holds_bytes & set(lost) else (Fate.LOST,))
    ]


def _by_moment(crashes: Iterable[Crash]) -> dict[int, list[Crash]]:
    moments: dict[int, list[Crash]] = {}
    for crash in crashes:
        moments.setdefault(crash.after, []).append(crash)
    return moments


def _trees(
    image: Image, calls: tuple[Call, ...], crashes: dict[int, list[Crash]], *, strict: bool
) -> Iterator[tuple[Disk, Crash, Tree]]:
    disk = Disk(image.copy(), strict=strict)
    for after in range(len(calls) + 1):
        if after:
            disk.make(calls[after - 1])
        for crash in crashes.get(after, ()):
            yield disk, crash, disk.crashed(crash.lost, crash.fate).tree()


def _named(disk: Disk, crash: Crash) -> str:
    gone = [one for one in disk.pending if one.number in crash.lost]
    said = [
        f"{len(one.data)} bytes of inode {one.inode}"
        if one.inode
        else ", ".join(f"{'+' if inode else '-'}{name}" for _, name, inode in one.names)
        for one in gone[:4]
    ]
    return f"{len(gone)} of {len(disk.pending)} changes ({'; '.join(said)}), {crash.fate.value}"


def _hash(tree: Tree, *, acknowledged: bool) -> bytes:
    digest = hashlib.blake2b(b"told" if acknowledged else b"", digest_size=16)
    for path, data in tree.items():
        digest.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
        digest.update(data or b"")
    return digest.digest()


def _write_tree(tree: Tree, place: Path) -> None:
    clear(place)
    place.mkdir()
    for path, data in tree.items():
        if data is None:
            (place / path).mkdir()
        else:
            (place / path).write_bytes(data)
