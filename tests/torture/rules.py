"""What no call of any operation may do, whether or not something goes wrong."""

from __future__ import annotations

import re

from tests.torture.calls import O_CREAT, O_EXCL, Call
from tests.torture.cases import fresh
from tests.torture.parts import Bench, Tally
from tests.torture.tracer import Plan

_OWN_WRITES = re.compile(r"/(manifest\.json|ledger\.jsonl|vectors\.faiss|\.(?!LEASE)[^/]+\.tmp)$")
"""Files that the store writes itself: they are new, or are not written."""

_PUBLISHED = re.compile(r"/(snapshots|segments)/(?!tmp-)[^/]+/")
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
        tallies.append(tally.end())
    return tallies


def _broken(call: Call) -> str:
    """Which rule a call breaks; empty for none."""
    opens = call.name.startswith("open") or call.name == "creat"
    new = call.flags & O_CREAT and call.flags & O_EXCL
    if opens and call.makes and _OWN_WRITES.search(call.path) and not new:
        return "a file that may be there is opened for writing"
    if opens and call.makes and _PUBLISHED.search(call.path) and not _LOCK.search(call.path):
        return "a file that is published is opened for writing"
    if call.data and _PUBLISHED.search(call.path):
        return "a file that is published is written to"
    return ""
