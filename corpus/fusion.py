"""One ranking out of two: dense and words.

Each search's scores are stretched to [0, 1] over its own candidates and mixed by a fixed
weight (a convex combination). On the development sets this beats reciprocal rank fusion
(docs/decisions/0002-convex-fusion.md), because it keeps how much better the best
candidates are, and ranks do not.

Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
https://arxiv.org/abs/2210.11934.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from corpus.types import ChunkIds, Vectors

Ranked = tuple[ChunkIds, Vectors]
"""Chunk ids and their scores, both of shape (n,), best first."""


def fuse(
    dense: Ranked, words: Ranked, dense_weight: float, k: int | None = None
) -> list[tuple[int, float]]:
    """Mix two rankings of the same corpus: chunks and their scores in [0, 1].

    A chunk that one search did not return counts as that search's weakest candidate.

    :param dense_weight: share of the dense score, in [0, 1]; the rest is words.
    :param k: as many as are wanted, at least 1; None: every candidate of either.
    :return: the best first; equal scores are ordered by chunk id.
    """
    fused = dict(_shares(dense, dense_weight))
    for chunk, share in _shares(words, 1 - dense_weight):
        fused[chunk] = fused.get(chunk, 0.0) + share
    shares = sorted(fused.values(), reverse=True)[:k]
    best = [(-share, chunk) for chunk, share in fused.items() if share >= shares[-1]]
    return [(chunk, -share) for share, chunk in sorted(best)[:k]]


def _shares(found: Ranked, weight: float) -> Iterator[tuple[int, float]]:
    """What each chunk of a search adds: its score stretched to [0, weight]; the weight where the
    scores are all the same.
    """
    ids, scores = found
    if not len(scores):
        return iter(())
    high, low = scores[0], scores[-1]
    stretched = (scores - low) / (high - low) if high > low else np.ones_like(scores)
    shares = np.multiply(stretched, weight, dtype=np.float64)
    return zip(ids.tolist(), shares.tolist(), strict=True)
