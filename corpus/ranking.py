"""The first k of a search, the same ones whatever order the index was written in.

A search engine orders equal scores by where they lie, so which of several equal chunks
are among the first k would hang on how often somebody refreshed. Here equal scores are
ordered by chunk id, and the search goes deeper where they straddle the k-th place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from corpus.types import ChunkIds, Vectors

Search = Callable[[int], tuple[ChunkIds, Vectors]]
"""Gives the best hits of an index, at most as many as asked for, best first."""


def first(search: Search, k: int, size: int) -> tuple[ChunkIds, Vectors]:
    """The ``k`` best, best first; equal scores by chunk id.

    :param size: how many rows the index has.
    """
    depth = min(k + 1, size)
    ids, scores = search(depth)
    while len(ids) == depth < size and scores[-1] == scores[k - 1]:
        depth = min(depth * 2, size)
        ids, scores = search(depth)
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]
