"""Intervals by the paired bootstrap: questions are drawn again, with replacement, many times.

A measure is the mean over the questions that have a value; which these are may differ between
two runs. The interval holds the middle 95 % of what the drawn sets come to (Efron and
Tibshirani, 1993, percentile method). Both runs of a comparison are given the same draws. The
interval tells how far other questions of the same kind would lead elsewhere; that the questions
are of the kind that users ask it cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Values of a measure for rows of weights, shape (resamples, questions) -> (resamples,)."""

_LOW, _HIGH = 2.5, 97.5
_CELLS = 2_000_000  # weights held at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its interval."""

    value: float
    low: float
    high: float
    questions: int  # that have a value


@dataclass(frozen=True, slots=True)
class Difference:
    """The second run less the first."""

    before: float
    after: float
    difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def mean_of(values: Floats) -> Statistic:
    """The mean over the questions that have a value; NaN stands where one has none."""
    there = np.isfinite(values)
    filled, counted = np.where(there, values, 0.0), there.astype(np.float64)

    def mean(weights: Floats) -> Floats:
        total = weights @ counted
        empty = np.full_like(total, np.nan)
        return np.asarray(np.divide(weights @ filled, total, out=empty, where=total > 0))

    return mean


def estimate(
    statistics: Mapping[str, tuple[Statistic, int]], questions: int, resamples: int, seed: int
) -> dict[str, Estimate]:
    """Every measure with its interval.

    :param statistics: by name, each with the number of questions that have a value.
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in _draws(questions, resamples, seed):
        for name, (statistic, _) in statistics.items():
            drawn[name].append(statistic(weights))
    return {
        name: Estimate(_whole(statistic, questions), *_middle(drawn[name]), count)
        for name, (statistic, count) in statistics.items()
    }


def compare(
    before: Mapping[str, Statistic],
    after: Mapping[str, Statistic],
    questions: int,
    resamples: int,
    seed: int,
) -> dict[str, Difference]:
    """The difference of every measure that both runs have, with its interval."""
    names = [name for name in before if name in after]
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in _draws(questions, resamples, seed):
        for name in names:
            drawn[name].append(after[name](weights) - before[name](weights))
    differences = {}
    for name in names:
        old, new = (_whole(side[name], questions) for side in (before, after))
        differences[name] = Difference(old, new, new - old, *_middle(drawn[name]))
    return differences


def _draws(questions: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each question is drawn, some resamples at a time."""
    chance = np.random.default_rng(seed)
    shares = np.full(questions, 1 / questions)
    at_once = max(1, _CELLS // questions)
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        yield chance.multinomial(questions, shares, size=rows).astype(np.float64)


def _whole(statistic: Statistic, questions: int) -> float:
    return float(statistic(np.ones((1, questions)))[0])


def _middle(drawn: list[Floats]) -> tuple[float, float]:
    """The middle 95 %; draws in which no question has a value say nothing."""
    values = np.concatenate(drawn)
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, (_LOW, _HIGH))
    return float(low), float(high)
