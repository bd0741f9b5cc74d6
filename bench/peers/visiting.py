"""One visit of a side: everything that is measured of it, once, over a fresh copy of the folder."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers import ours, serving
from bench.peers.environments import PEERS
from bench.peers.folder import Plan, Planted
from bench.peers.running import Failed, Spent, run
from bench.refresh import SETTLED_S

OURS = "ours"
WARMING_FILES = 4

Json = dict[str, Any]


class Visitor:
    """Visits sides, each in the same folder below ``work``.

    :param docs: the folder, as it was built; it stays as it is.
    :param questions: a JSON file with a list of texts.
    """

    def __init__(self, docs: Path, plan: Plan, questions: Path, work: Path) -> None:
        self._docs, self._plan, self._questions, self._work = docs, plan, questions, work
        self._folder, self._store = work / "docs", work / "store"

    def visit(self, side: str, python: Path) -> Json:
        """Measure a side; what failed is told in its place, and ends the visit."""
        told: Json = {}
        try:
            self._copy()
            for name, measured in self._steps(side, python):
                told[name] = measured
        except Failed as error:
            told["failed"] = str(error)
        return told

    def warm_up(self, side: str, python: Path) -> None:
        """Take in a few files, so that the first visit reads no program from a cold disk.

        Ours compiles its model for the machine here, where it has not yet. What fails here fails
        in the visit too, which tells of it.
        """
        self._copy(WARMING_FILES)
        with suppress(Failed):
            self._step(side, python, "ingest", self._folder, self._store)
            self._found(side, python, self._plan.gone)

    def _steps(self, side: str, python: Path) -> Any:
        """Names and what was measured, in the order of the visit."""
        notices = side == OURS or PEERS[side].notices
        plan, store = self._plan, self._store
        yield "ingest", self._spent(self._step(side, python, "ingest", self._folder, store))
        yield "disk_mb", sum(p.stat().st_size for p in store.rglob("*") if p.is_file()) / 2**20
        yield "before", self._found(side, python, plan.gone)
        time.sleep(SETTLED_S)
        if notices:
            yield "same", self._spent(self._refreshed(side, python, (), ()))
        yield "questions", self._asked(side, python)
        if side == OURS:
            yield "http", serving.measured(store, json.loads(self._questions.read_text()))
        plan.apply(self._folder)
        time.sleep(SETTLED_S)
        edited = [edit.path for edit in plan.edits]
        yield "changed", self._spent(self._refreshed(side, python, edited, [plan.removed]))
        found = self._found(side, python, (*plan.gone, *plan.new))
        yield "stale", found[: len(plan.gone)]
        yield "fresh", found[len(plan.gone) :]

    def _copy(self, files: int | None = None) -> None:
        """A fresh folder, all of it or a few files, and no store."""
        shutil.rmtree(self._work, ignore_errors=True)
        for path in sorted(p for p in self._docs.rglob("*") if p.is_file())[:files]:
            into = self._folder / path.relative_to(self._docs)
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)
        time.sleep(SETTLED_S)

    def _step(self, side: str, python: Path, step: str, *paths: Path) -> Spent:
        if side == OURS and step in ("ingest", "refresh"):
            folder, store = paths[:2]
            command = [sys.executable, "-m", "rag", "ingest", folder, "--store", store, "--json"]
            return run(command)
        return run([python, "-m", f"bench.peers.{side}", step, *paths])

    def _refreshed(
        self, side: str, python: Path, changed: Sequence[str], removed: Sequence[str]
    ) -> Spent:
        told = self._noted("told", {"changed": list(changed), "removed": list(removed)})
        return self._step(side, python, "refresh", self._folder, self._store, told)

    def _found(self, side: str, python: Path, planted: Sequence[Planted]) -> list[bool]:
        """Which of some words are found, in their order."""
        phrases = self._noted("phrases", [asdict(one) for one in planted])
        found = self._step(side, python, "find", self._store, phrases).told["found"]
        return [one.word in found for one in planted]

    def _asked(self, side: str, python: Path) -> Json:
        spent = self._step(side, python, "questions", self._store, self._questions)
        first_s = spent.told.pop("first_at") - spent.began
        return {**spent.told, **better(spent.told["threads"].values()), "first_s": first_s}

    def _noted(self, name: str, content: object) -> Path:
        path = self._work / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    @staticmethod
    def _spent(spent: Spent) -> Json:
        told = spent.told if "embedded" in spent.told else ours.counted(spent.told)
        return {
            "wall_s": spent.wall_s,
            "cpu_s": spent.cpu_s,
            "peak_mb": spent.peak_mb,
            **told,
        }


def better(settings: Iterable[Json]) -> Json:
    """Of several settings of threads the better for each figure."""
    settings = list(settings)
    rates = {key: [one["per_s"][key] for one in settings] for key in settings[0]["per_s"]}
    return {
        **{key: min(one[key] for one in settings) for key in ("p50_ms", "p99_ms", "cpu_ms")},
        "per_s": {key: _most(values) for key, values in rates.items()},
    }


def _most(rates: Sequence[float | str]) -> float | str:
    """The highest rate; what broke, where nothing else came of it."""
    return max((one for one in rates if not isinstance(one, str)), default=rates[0])
