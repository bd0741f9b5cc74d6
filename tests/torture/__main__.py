"""``python -m tests.torture [PART ...]``: run the harness, print a table, exit 1 on any loss."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.torture import (
    damage,
    faults,
    fulldisk,
    kills,
    mounts,
    mutants,
    power,
    rules,
    states,
    writers,
)
from tests.torture.cases import make_all
from tests.torture.client import Worker
from tests.torture.hunting import Hunted, hunt
from tests.torture.operations import OPERATIONS
from tests.torture.parts import Bench, Tally
from tests.torture.scratch import scratch_folder

PARTS: dict[str, Callable[[Bench], list[Tally]]] = {
    "rules": rules.hold,
    "kill": kills.at_every_call,
    "random": kills.at_random,
    "states": states.enumerate_all,
    "power": power.at_every_call,
    "faults": faults.at_every_call,
    "lies": faults.lies,
    "sizes": fulldisk.at_every_size,
    "writers": writers.at_every_call,
    "damage": damage.one_by_one,
}
MUTANTS = "mutants"


def main() -> int:
    """See the module."""
    given = _arguments()
    logging.disable(logging.CRITICAL)  # what the store puts right, it tells; here that is noise
    chosen = given.parts or [*PARTS, MUTANTS]
    began = time.monotonic()
    try:
        tallies, hunted = _run(chosen, tuple(given.operation or OPERATIONS), given)
    except mounts.Unavailable as error:
        print(f"torture: {error}", file=sys.stderr)
        return 2
    _print_table(tallies, hunted)
    lost = sum(len(tally.losses) for tally in tallies)
    missed = [one.mutant for one in hunted if not one.caught_by]
    seconds = time.monotonic() - began
    print(f"{sum(t.tried for t in tallies)} tried, {lost} lost in {seconds:.0f} s")
    if hunted:
        print(f"{len(hunted) - len(missed)} of {len(hunted)} mutants caught")
    if given.out:
        given.out.write_text(_summary(tallies, hunted, seconds), encoding="utf-8")
    return 1 if lost or missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, MUTANTS, []])
    parser.add_argument(
        "--operation", action="append", choices=OPERATIONS, help="of all parts but mutants"
    )
    parser.add_argument("--mutant", action="append", help="with the part mutants: only these")
    parser.add_argument("--quick", action="store_true", help="a little of each part")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    return parser.parse_args()


def _run(
    chosen: list[str], operations: tuple[str, ...], given: argparse.Namespace
) -> tuple[list[Tally], list[Hunted]]:
    if {"power", "sizes", MUTANTS} & set(chosen):
        mounts.require_tools()
        mounts.own_namespace()
    with scratch_folder() as scratch, Worker(scratch) as worker:
        made = OPERATIONS if MUTANTS in chosen else operations  # each is seen by one of its own
        bench = Bench(worker, tuple(make_all(scratch, made)), scratch, given.quick)
        tallies = []
        for part in PARTS:
            if part in chosen:
                print(f"{part}:", file=sys.stderr, flush=True)
                tallies += PARTS[part](bench.only(*operations))
        names = given.mutant or tuple(mutants.MUTANTS)
        return tallies, hunt(bench, names) if MUTANTS in chosen else []


def _print_table(tallies: list[Tally], hunted: list[Hunted]) -> None:
    print(f"{'part':9} {'operation':10} {'tried':>6} {'lost':>5} {'seconds':>8}  how it ended")
    for tally in tallies:
        ends = ", ".join(f"{count} {name}" for name, count in sorted(tally.ends.items()))
        start = f"{tally.part:9} {tally.operation:10} {tally.tried:6} {len(tally.losses):5}"
        print(f"{start} {tally.seconds:8}  {ends}")
    for one in hunted:
        print(f"{'mutant':9} {one.mutant}: {one.caught_by or 'NOT CAUGHT'}")


def _summary(tallies: list[Tally], hunted: list[Hunted], seconds: float) -> str:
    parts = [
        {
            "part": tally.part,
            "operation": tally.operation,
            "tried": tally.tried,
            "lost": len(tally.losses),
            "ends": dict(tally.ends),
            "losses": tally.losses,
            "seconds": tally.seconds,
        }
        for tally in tallies
    ]
    caught = [asdict(one) for one in hunted]
    body = {"seconds": round(seconds), "parts": parts, "mutants": caught}
    return json.dumps(body, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
