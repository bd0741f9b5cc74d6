"""The measures by name, and how a run's rows become figures with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.evaluation import coverage
from rag.evaluation.bootstrap import Estimate, Statistic, estimate, mean_of
from rag.evaluation.retrieval import CUTOFFS
from rag.evaluation.runs import Row

SPANS = tuple(
    [f"spans.recall@{k}" for k in CUTOFFS]
    + [f"spans.hit@{k}" for k in CUTOFFS]
    + ["spans.mrr", "spans.ndcg@10"]
)
DOCUMENTS = tuple(
    [f"documents.recall@{k}" for k in CUTOFFS] + ["documents.mrr", "documents.ndcg@10"]
)
AURC = "answers.aurc"
ANSWERS = (
    "answers.accuracy",
    "answers.answered",
    "answers.gold_in_quotes",
    "answers.em",
    "answers.f1",
    "answers.citations_exact",
    "answers.abstention_precision",
    "answers.abstention_recall",
    AURC,
)
MEASURES = (*SPANS, *DOCUMENTS, *ANSWERS)
LOWER_IS_BETTER = frozenset({AURC})


def statistics(rows: Sequence[Row]) -> dict[str, tuple[Statistic, int]]:
    """What is computed from weighed rows, each with the number of rows that have a value."""
    found: dict[str, tuple[Statistic, int]] = {}
    for name in MEASURES:
        values = np.array([row.values.get(name, np.nan) for row in rows], np.float64)
        if count := int(np.isfinite(values).sum()):
            found[name] = mean_of(values), count
    if area := _area(rows):
        found[AURC] = area
    return found


def estimates(rows: Sequence[Row], resamples: int, seed: int) -> dict[str, Estimate]:
    """Every measure that the rows have, in the order of :data:`MEASURES`."""
    return estimate(statistics(rows), len(rows), resamples, seed)


def risk_curve(rows: Sequence[Row]) -> coverage.Curve | None:
    """The risk-coverage curve; None where nothing was answered."""
    judged = [(bool(r.answerable), r.answered) for r in rows if r.answered is not None]
    if not judged:
        return None
    confidences, wrong = coverage.columns(judged)
    answered = sum(one.status == "answered" for _, one in judged) / len(judged)
    return coverage.curve(confidences, wrong, answered)


def _area(rows: Sequence[Row]) -> tuple[Statistic, int] | None:
    at = [number for number, row in enumerate(rows) if row.answered is not None]
    if not at:
        return None
    confidences, wrong = coverage.columns(
        (bool(row.answerable), row.answered) for row in rows if row.answered is not None
    )
    return (lambda weights: coverage.areas(confidences, wrong, weights[:, at])), len(at)
