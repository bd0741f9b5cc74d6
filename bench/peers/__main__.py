"""Measure every side over the same folder, in turns, and print one table.

    python -m bench.peers [--files 300] [--rounds 3] [--questions 200] [--peers a,b] [--anew]

A round visits every side once, in another order each time. A visit takes in the folder, refreshes
it unchanged, asks, changes one file in a hundred, refreshes again, and looks for what is no longer
there. What a visit came to is kept in ``build/peers/runs`` as soon as it is over; a run that was
interrupted goes on there. Environments are made when they are first needed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import bytecode, results, sets
from bench.peers import environments, folder, plots, table
from bench.peers.environments import HOME, PEERS, CannotInstall
from bench.peers.visiting import OURS, Visitor

Json = dict[str, Any]

QUESTION_SETS = ("redis_docs_dev", "techdocs_dev", "clapnq_dev", "squad2_dev")


def main(arguments: Sequence[str]) -> None:
    """Measure what is not measured yet, and tell of all of it."""
    args = parsed(arguments)
    home = HOME / f"folder-{args.files}"
    shutil.rmtree(home, ignore_errors=True)
    plan = folder.build(sets.DATA, args.files, home / "docs")
    asked = _questions(args.questions, home / "questions.json")
    sides, missing = _sides(args.peers)
    kept = HOME / "runs" / f"{results.commit()}-{args.files}-{args.questions}.jsonl"
    if args.anew:
        kept.unlink(missing_ok=True)
    bytecode.make()
    visitor = Visitor(home / "docs", plan, asked, HOME / "work")
    left = _left(sides, args.rounds, kept)
    for side in {side for _, side in left}:
        visitor.warm_up(side, sides[side])
    for number, side in left:
        print(f"round {number + 1}: {side}", file=sys.stderr, flush=True)
        _keep({"round": number, "side": side, **visitor.visit(side, sides[side])}, kept)
    runs = [one for one in _kept(kept) if one["side"] in sides and one["round"] < args.rounds]
    of = {"files": plan.files, "chars": plan.chars, "edited": len(plan.edits), "removed": 1}
    _tell(runs, missing, sides, of)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=300, help="of the folder")
    parser.add_argument("--rounds", type=int, default=3, help="visits of every side")
    parser.add_argument("--questions", type=int, default=200, help="asked in each")
    parser.add_argument("--peers", default=",".join(PEERS), help="which, by name; ours is always")
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    args = parser.parse_args(arguments)
    args.peers = [name for name in args.peers.split(",") if name]
    unknown = set(args.peers) - PEERS.keys()
    if unknown:
        parser.error(f"there is no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return args


def _questions(count: int, path: Path) -> Path:
    """Questions of the sets in turn, in a file."""
    lists = [
        [json.loads(line)["question"] for line in _lines(sets.DATA / name / "questions.jsonl")]
        for name in QUESTION_SETS
    ]
    asked = [text for row in zip(*lists, strict=False) for text in row][:count]
    path.write_text(json.dumps(asked), encoding="utf-8")
    return path


def _sides(names: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The Python of each side, and why some have none."""
    sides, missing = {OURS: Path(sys.executable)}, {}
    for name in names:
        try:
            sides[name] = environments.ready(PEERS[name])
        except CannotInstall as error:
            missing[name] = str(error)
    return sides, missing


def _left(sides: Iterable[str], rounds: int, kept: Path) -> list[tuple[int, str]]:
    """The visits that were not made yet, every round in another order."""
    known = {(one["round"], one["side"]) for one in _kept(kept)}
    order = list(sides)
    visits = [
        (number, side)
        for number in range(rounds)
        for side in order[number % len(order) :] + order[: number % len(order)]
    ]
    return [visit for visit in visits if visit not in known]


def _keep(told: Json, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


def _kept(path: Path) -> list[Json]:
    return [json.loads(line) for line in _lines(path)] if path.is_file() else []


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _tell(runs: list[Json], missing: dict[str, str], sides: dict[str, Path], of: Json) -> None:
    versions = {
        name: environments.versions(python, PEERS[name])
        for name, python in sides.items()
        if name != OURS
    }
    middle = table.medians(runs)
    print(table.markdown(middle))
    for name, reason in missing.items():
        print(f"{PEERS[name].shown} was not measured: {reason}")
    plots.save("peers", plots.bars(table.panels(middle)))
    told = {"folder": of, "versions": versions, "missing": missing, "medians": middle, "runs": runs}
    results.save("peers", told)


if __name__ == "__main__":
    main(sys.argv[1:])
