"""How wrong the answers are when only the surest are given: the risk-coverage curve.

Questions are ordered by confidence, those without answer last. At coverage c the risk is the
share of wrong ones among the first c of them. A question that cannot be answered is wrong
whatever is answered, and so is an abstention: at full coverage the risk is the share of
questions that did not get a right answer. The area under the curve (AURC; El-Yaniv and Wiener, JMLR
2010; Geifman et al., ICLR 2019) is the mean risk over all coverages: 0 is perfect, lower is better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rag.evaluation.answering import Answered

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of the curve, one a distinct confidence."""

    coverage: tuple[float, ...]  # rising, the last is 1
    risk: tuple[float, ...]
    answered: float  # share of questions that were answered: where the engine stands


def order(confidences: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The surest first, and for each place in that order the last place of equal confidence."""
    by_confidence = np.argsort(-confidences, kind="stable")
    ranked = confidences[by_confidence]
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    return by_confidence, last


def areas(confidences: Floats, wrong: Floats, weights: Floats) -> Floats:
    """The area under the curve for each row of weights, shape (resamples, questions).

    Questions of equal confidence come together: which is first says nothing.
    """
    by_confidence, last = order(confidences)
    weighed = weights[:, by_confidence]
    covered = np.cumsum(weighed, axis=1)[:, last]
    missed = np.cumsum(weighed * wrong[by_confidence], axis=1)[:, last]
    risk = np.divide(missed, covered, out=np.zeros_like(missed), where=covered > 0)
    total = weighed.sum(axis=1)
    empty = np.full_like(total, np.nan)
    return np.asarray(np.divide((risk * weighed).sum(axis=1), total, out=empty, where=total > 0))


def curve(confidences: Floats, wrong: Floats, answered: float) -> Curve:
    """The curve itself."""
    by_confidence, last = order(confidences)
    ends = np.unique(last)
    covered = ends + 1
    risk = np.cumsum(wrong[by_confidence])[ends] / covered
    return Curve(tuple((covered / len(confidences)).tolist()), tuple(risk.tolist()), answered)


def confidence_of(answered: Answered) -> float:
    """By what a question is ordered: 0 and more where it was answered, else below all."""
    return answered.confidence if answered.status == "answered" else -1.0


def columns(pairs: Iterable[tuple[bool, Answered]]) -> tuple[Floats, Floats]:
    """Confidences, and whether giving the answer is wrong, 1 or 0.

    :param pairs: whether a question is answerable, and what was answered.
    """
    rows = [
        (confidence_of(answered), float(not (answerable and answered.right)))
        for answerable, answered in pairs
    ]
    both = np.array(rows, np.float64).reshape(len(rows), 2)
    return both[:, 0], both[:, 1]
