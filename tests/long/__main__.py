"""Runs the long proofs, one line of figures each.

    python -m tests.long [machine|writers|damage|swaps ...] [--out FILE.json] [--minutes N]

Without names, all of them. Ends with an error at the first that does not hold.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from tests.long import damage, machine, swaps, writers

MACHINE = "machine"
PROOFS: dict[str, Callable[..., dict[str, Any]]] = {
    MACHINE: machine.measure,
    "writers": writers.measure,
    "damage": damage.measure,
    "swaps": swaps.prove,
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument(
        "--minutes", type=float, default=inf, help="begin no more examples of the machine then"
    )
    args = parser.parse_args()
    unknown = set(args.names) - set(PROOFS)
    if unknown:
        parser.error(f"no proof is called {', '.join(sorted(unknown))}")
    os.environ["RAG_CONFIG"] = os.devnull  # nothing of the caller's is read
    logging.getLogger("corpus").setLevel(logging.ERROR)  # deaths of runs are what is proved
    figures: dict[str, dict[str, Any]] = {}
    for name in args.names or PROOFS:
        began = time.monotonic()
        bounds = {"within_s": 60 * args.minutes} if name == MACHINE else {}
        measured = {**PROOFS[name](**bounds), "seconds": round(time.monotonic() - began, 1)}
        figures[name] = measured
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in measured.items()))
        if args.out:
            args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
