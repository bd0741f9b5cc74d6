"""What no call of any operation may do, whether or not something goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.torture.calls import O_CREAT, O_EXCL, OWN, Call
from tests.torture.cases import fresh
from tests.torture.parts import Bench, Tally
from tests.torture.tracer import Plan

_PUBLISHED = re.compile(r"/(snapshots|segments)/(?!tmp-)[^/]+/")
_SNAPSHOT = re.compile(r"/snapshots/(?!tmp-)[^/]+$")
_LOCK = re.compile(r"/\.tantivy-[a-z]+\.lock$")  # which tantivy leaves beside an index


def hold(bench: Bench) -> list[Tally]:
    """Look at every call of every operation."""
    tallies = []
    for case in bench.cases:
        tally = Tally("rules", case.operation)
        store = fresh(case, bench.store(case))
        result = bench.worker.run(
            case.operation, store, case.argument, Plan("record"), mutants=bench.mutants
        )
        for call in result.calls:
            tally.tried += 1
            if broken := _broken(call):
                tally.lose(str(call), broken)
        for call, folders in _named_too_early(result.calls):
            tally.lose(str(call), f"a power cut may leave it without {', '.join(folders)}")
        tallies.append(tally.end())
    return tallies


def _broken(call: Call) -> str:
    """Which rule a call breaks; empty for none."""
    opens = call.name.startswith("open") or call.name == "creat"
    new = call.flags & O_CREAT and call.flags & O_EXCL
    if opens and call.makes and OWN.search(call.path) and not new:
        return "a file that may be there is opened for writing"
    if opens and call.makes and _PUBLISHED.search(call.path) and not _LOCK.search(call.path):
        return "a file that is published is opened for writing"
    if call.data and _PUBLISHED.search(call.path):
        return "a file that is published is written to"
    return ""


def _named_too_early(calls: Iterable[Call]) -> list[tuple[Call, list[str]]]:
    """Calls that name a snapshot while folders of the store have no name that is kept.

    What states of a disk that are drawn by chance show in one of many draws.
    """
    unkept, found = dict[str, str](), list[tuple[Call, list[str]]]()
    for call in calls:
        above, _, name = call.path.rpartition("/")
        if call.name.startswith("mkdir") and name in {"segments", "snapshots"}:
            unkept[name] = above
        elif call.name == "fsync":
            unkept = {one: place for one, place in unkept.items() if place != call.path}
        elif call.name.startswith("rename") and _SNAPSHOT.search(call.other) and unkept:
            found.append((call, sorted(unkept)))
    return found
