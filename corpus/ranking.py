"""The first k of a search, the same ones whatever order the index was written in.

A search engine orders equal scores by where they lie, so which of several equal chunks
are among the first k would hang on how often somebody refreshed. Here equal scores are
ordered by chunk id, and the search goes deeper where they straddle the k-th place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from corpus.types import ChunkIds, Vectors

Found = npt.NDArray[np.int64]
"""Hits of an index as it calls them: chunk ids, or something that has one. Shape (n,)."""

Search = Callable[[int], tuple[Found, Vectors]]
"""Gives the best hits of an index, at most as many as asked for, best first."""


def first(
    search: Search, k: int, size: int, ids_of: Callable[[Found], ChunkIds] | None = None
) -> tuple[Found, Vectors]:
    """The ``k`` best, best first; equal scores by chunk id.

    :param size: how many rows the index has.
    :param ids_of: gives the chunk ids of hits, where they are not chunk ids themselves.
    """
    depth = min(k + 1, size)
    found, scores = search(depth)
    while len(found) == depth < size and scores[-1] == scores[k - 1]:
        depth = min(depth * 2, size)
        found, scores = search(depth)
    ids = found if ids_of is None else ids_of(found)
    order = np.lexsort((ids, -scores))[:k]
    return found[order], scores[order]
