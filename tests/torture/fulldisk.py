"""A disk of every size from too small to large enough, in steps of 4 KB."""

from __future__ import annotations

import gc
import subprocess
from pathlib import Path

from tests.torture.cases import Case, copy
from tests.torture.faults import judge
from tests.torture.mounts import require_root
from tests.torture.parts import Bench, Tally
from tests.torture.tracer import Plan

_STEP = 4096
_ENOUGH = 5  # sizes in a row at which it works
_MOST = 1000
_LARGE = 64 << 20


def at_every_size(bench: Bench) -> list[Tally]:
    """For each operation.

    :raises Unavailable: without the right to mount.
    """
    require_root()
    return [_every_size(bench, case) for case in bench.cases]


def _every_size(bench: Bench, case: Case) -> Tally:
    tally = Tally("sizes", case.operation)
    place = bench.scratch / "small"
    place.mkdir(exist_ok=True)
    smallest = _need(case.store)
    worked, pages = 0, 0
    while worked < _ENOUGH and pages < _MOST and not (bench.hunting and tally.losses):
        pages += 12 if bench.quick else 1
        worked = worked + 1 if _run(bench, case, place, smallest + pages * _STEP, tally) else 0
    if worked < _ENOUGH and not tally.losses:
        tally.lose(f"{pages} pages", "it never works")
    return tally.end()


def _run(bench: Bench, case: Case, place: Path, size: int, tally: Tally) -> bool:
    """At one size. Says whether it worked."""
    options = f"size={size}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        store = place / "store"
        copy(case.store, store)
        result = bench.worker.run(
            case.operation, store, case.argument, Plan(), mutants=bench.mutants
        )
        tally.tried += 1
        tally.ends[judge(case, store, result, lambda: _grow(place))] += 1
    except Exception as error:
        tally.lose(f"{size} bytes", f"{type(error).__name__}: {error}")
        return False
    else:
        return result.acknowledged
    finally:
        gc.collect()
        subprocess.run(["umount", place], check=True)


def _grow(place: Path) -> None:
    options = f"remount,size={_LARGE}"
    subprocess.run(["mount", "-o", options, place], check=True)


def _need(store: Path) -> int:
    """Bytes that a copy of a store takes: whole pages, and one for each folder."""
    if not store.exists():
        return _STEP
    sizes = {path.stat().st_ino: path.stat().st_size for path in store.rglob("*")}
    return sum(-(-size // _STEP) * _STEP for size in sizes.values()) + _STEP * 2
