"""The power fails before every call that changes the disk, on real file systems.

The worker is killed, the file system loses what it has not written (its own ioctl for
that), is unmounted, and mounted again.
"""

from __future__ import annotations

import gc

from tests.torture.calls import STEPS
from tests.torture.cases import Case, copy
from tests.torture.invariant import check
from tests.torture.mounts import FILE_SYSTEMS, Cuttable, FileSystem, require_tools
from tests.torture.parts import Bench, Moment, Tally, moments
from tests.torture.signature import signature
from tests.torture.tracer import Plan


def at_every_call(bench: Bench) -> list[Tally]:
    """On each file system, for each operation.

    :raises Unavailable: when a tool is missing.
    """
    require_tools()
    return [_cut_all(bench, case, kind) for kind in FILE_SYSTEMS for case in bench.cases]


def _cut_all(bench: Bench, case: Case, kind: FileSystem) -> Tally:
    tally = Tally(kind.name, case.operation)
    disk = Cuttable(kind, bench.scratch)
    disk.fill(lambda place: copy(case.store, place / "store"))
    for moment in moments(bench, case, STEPS):
        _cut(bench, case, disk, moment, tally)
        if bench.hunting and tally.losses:
            break
    return tally.end()


def _cut(bench: Bench, case: Case, disk: Cuttable, moment: Moment, tally: Tally) -> None:
    disk.reset()
    disk.mount()
    store = disk.place / "store"
    plan = Plan("kill", moment.at, moment.label, calls=STEPS)
    result = bench.worker.run(case.operation, store, case.argument, plan, mutants=bench.mutants)
    disk.cut()
    disk.unmount()
    disk.mount()
    tally.tried += 1
    try:
        tally.ends["before" if signature(store) == case.before else "after"] += 1
        check(case, store, acknowledged=result.acknowledged)
    except Exception as error:
        tally.lose(result.hit or "at the end", f"{type(error).__name__}: {error}")
    finally:
        gc.collect()  # a snapshot that is held in a cycle keeps its files open
        disk.unmount()
