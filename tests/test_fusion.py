"""Fusion against its definition, written out again by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.fusion import Ranked, fuse

SCORES = st.dictionaries(
    st.integers(0, 30), st.floats(-1, 40, width=32).map(lambda score: round(score, 3)), max_size=12
)


def ranked(scores: dict[int, float]) -> Ranked:
    order = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))
    return (
        np.array(order, np.int64),
        np.array([scores[chunk] for chunk in order], np.float32),
    )


def share(scores: dict[int, float], chunk: int) -> float:
    """How far a chunk stands above the weakest candidate, the best being 1."""
    if chunk not in scores:
        return 0.0
    low, high = min(scores.values()), max(scores.values())
    return (scores[chunk] - low) / (high - low) if high > low else 1.0


@given(SCORES, SCORES, st.floats(0, 1))
def test_fusion_is_the_weighted_mean_of_the_stretched_scores(
    dense: dict[int, float], words: dict[int, float], weight: float
) -> None:
    fused = fuse(ranked(dense), ranked(words), weight)

    assert {chunk for chunk, _ in fused} == dense.keys() | words.keys()
    assert len(fused) == len(dense.keys() | words.keys())
    for chunk, score in fused:
        expected = weight * share(dense, chunk) + (1 - weight) * share(words, chunk)
        assert score == pytest.approx(expected, abs=1e-3)
        assert -1e-6 <= score <= 1 + 1e-6
    assert fused == sorted(fused, key=lambda one: (-one[1], one[0]))


@given(SCORES, SCORES, st.floats(0, 1), st.integers(1, 30))
def test_the_first_few_are_the_first_of_all(
    dense: dict[int, float], words: dict[int, float], weight: float, k: int
) -> None:
    every = fuse(ranked(dense), ranked(words), weight)

    assert fuse(ranked(dense), ranked(words), weight, k) == every[:k]


@given(SCORES, SCORES)
def test_at_either_end_one_search_decides(dense: dict[int, float], words: dict[int, float]) -> None:
    for weight, scores in ((1.0, dense), (0.0, words)):
        order = [chunk for chunk, _ in fuse(ranked(dense), ranked(words), weight)]
        top = [chunk for chunk in order if share(scores, chunk) > 1e-5]
        assert [scores[chunk] for chunk in top] == sorted(
            (scores[chunk] for chunk in top), reverse=True
        )


def test_nothing_and_nothing_is_nothing() -> None:
    assert fuse(ranked({}), ranked({}), 0.5) == []
    assert [chunk for chunk, _ in fuse(ranked({}), ranked({2: 1.0, 1: 1.0}), 0.5)] == [1, 2]
