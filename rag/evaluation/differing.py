"""Two runs over the same questions: what changed, by measure and by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpus.errors import EvaluationError
from corpus.types import Mode
from rag.evaluation.bootstrap import Difference, compare
from rag.evaluation.measures import MEASURES, statistics
from rag.evaluation.runs import Result, Row, Run

_EPSILON = 1e-9
_NOT_BY_QUESTION = ("answers.abstention_precision", "answers.citations_exact")
"""Means over what a run itself chose to do: no question is better or worse by them."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A question that came out otherwise."""

    id: str
    question: str
    direction: str  # "better", "worse", "mixed"
    before: Mapping[str, float]  # the measures that changed
    after: Mapping[str, float]
    rank_before: int | None
    rank_after: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run against the first."""

    before: Mode
    after: Mode
    metrics: Mapping[str, Difference]
    changed: tuple[Changed, ...]  # the most changed first
    settings: Mapping[str, tuple[Any, Any]]  # what was set otherwise: before, after

    def of(self, direction: str) -> list[Changed]:
        """The questions that changed in one direction."""
        return [one for one in self.changed if one.direction == direction]


def differ(before: Run, after: Run, mode: Mode | None, resamples: int, seed: int) -> Comparison:
    """Compare two runs.

    :param mode: which results of each; None: the first of each.
    :raises EvaluationError: when they are over different questions, or one lacks the mode.
    """
    _check_comparable(before, after)
    old, new = before.result(mode), after.result(mode)
    sides = [
        {name: statistic for name, (statistic, _) in statistics(one.rows).items()}
        for one in (old, new)
    ]
    metrics = compare(sides[0], sides[1], len(old.rows), resamples, seed)
    ordered = {name: metrics[name] for name in MEASURES if name in metrics}
    return Comparison(old.mode, new.mode, ordered, _changed(old, new), _settings(before, after))


def _check_comparable(before: Run, after: Run) -> None:
    for what, sides in (
        ("questions", (before.about.questions_sha256, after.about.questions_sha256)),
        ("judgements of documents", (before.about.qrels_sha256, after.about.qrels_sha256)),
    ):
        if sides[0] != sides[1]:
            names = [side[:12] if side else "none" for side in sides]
            raise EvaluationError(
                f"the runs have different {what} ({names[0]} and {names[1]}), so their figures "
                "cannot be compared; measure both on the same files"
            )
    ids = [[row.id for row in run.results[0].rows] for run in (before, after)]
    if ids[0] != ids[1]:
        raise EvaluationError("a run does not hold the rows of its questions; measure it again")


def _changed(old: Result, new: Result) -> tuple[Changed, ...]:
    pairs = zip(old.rows, new.rows, strict=True)
    changed = [one for pair in pairs if (one := _change(*pair))]
    return tuple(sorted(changed, key=lambda one: -sum(map(abs, _steps(one)))))


def _change(old: Row, new: Row) -> Changed | None:
    names = [
        name
        for name in old.values
        if name in new.values
        and name not in _NOT_BY_QUESTION
        and abs(old.values[name] - new.values[name]) > _EPSILON
    ]
    if not names:
        return None
    ups = [new.values[name] > old.values[name] for name in names]
    direction = "better" if all(ups) else "mixed" if any(ups) else "worse"
    before, after = ({name: side.values[name] for name in names} for side in (old, new))
    return Changed(old.id, old.question, direction, before, after, old.rank, new.rank)


def _steps(one: Changed) -> list[float]:
    return [one.after[name] - one.before[name] for name in one.before]


def _settings(before: Run, after: Run) -> dict[str, tuple[Any, Any]]:
    """What was set otherwise, by dotted name; the snapshot and its vector space among it."""
    old, new = (_flat(_told(run)) for run in (before, after))
    names = [*old, *(name for name in new if name not in old)]
    return {
        name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


def _told(run: Run) -> dict[str, Any]:
    about = run.about
    return {
        "snapshot": about.snapshot,
        "fingerprint": about.fingerprint,
        "engine": about.engine,
        **about.settings,
    }


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, one in value.items():
        inner = isinstance(one, Mapping)
        flat.update(_flat(one, f"{prefix}{name}.") if inner else {f"{prefix}{name}": one})
    return flat
