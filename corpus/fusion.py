"""One ranking out of two: dense and words.

Each search's scores are stretched to [0, 1] over its own candidates and mixed by a fixed
weight (a convex combination). On the development sets this beats reciprocal rank fusion
(docs/decisions/0002-convex-fusion.md), because it keeps how much better the best
candidates are, and ranks do not.

Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
https://arxiv.org/abs/2210.11934.
"""

from __future__ import annotations

import numpy as np

from corpus.types import ChunkIds, Scores, Vectors

Ranked = tuple[ChunkIds, Vectors]
"""Chunk ids and their scores, both of shape (n,), best first."""


def fuse(
    dense: Ranked, words: Ranked, dense_weight: float, k: int | None = None
) -> list[tuple[int, Scores]]:
    """Mix two rankings of the same corpus.

    A chunk that one search did not return counts as that search's weakest candidate.

    :param dense_weight: share of the dense score, in [0, 1]; the rest is words.
    :param k: as many as are wanted; None: every candidate of either.
    :return: the best first; equal scores are ordered by chunk id.
    """
    fused = dict.fromkeys(words[0].tolist() + dense[0].tolist(), 0.0)
    for (ids, scores), weight in ((dense, dense_weight), (words, 1 - dense_weight)):
        for chunk, share in zip(ids.tolist(), _stretch(scores), strict=True):
            fused[chunk] += weight * share
    best = sorted(fused, key=lambda chunk: (-fused[chunk], chunk))[:k]
    by_dense, by_words = (
        dict(zip(ids.tolist(), scores.tolist(), strict=True)) for ids, scores in (dense, words)
    )
    return [
        (chunk, Scores(by_dense.get(chunk), by_words.get(chunk), fused[chunk])) for chunk in best
    ]


def _stretch(scores: Vectors) -> list[float]:
    """Scores moved to [0, 1]; all 1 where they are all the same."""
    if not len(scores):
        return []
    low, high = float(scores.min()), float(scores.max())
    if high == low:
        return [1.0] * len(scores)
    stretched: list[float] = ((scores - np.float32(low)) / np.float32(high - low)).tolist()
    return stretched
