"""A short code of each vector, to find out which vectors are worth comparing exactly.

A code is one bit for each dimension, the sign of what is left of the vector less the mean of
all, and two numbers that make an estimate of the cosine out of it: 56 bytes for 384 dimensions
where half precision takes 768. All codes of a segment are compared, which is a quarter of the
work of comparing its vectors. There is nothing to train and no list to look into: a code
hangs on its vector and the mean alone.

An estimate decides what is compared exactly, never what the score is.

Source: Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound
for Approximate Nearest Neighbor Search", https://arxiv.org/abs/2405.12497; without its random
rotation, which changed nothing for the vectors of text (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from corpus import faissio
from corpus.types import Vectors

Rows = npt.NDArray[np.int64]
"""Rows of an index, shape (n,)."""

_BATCH = 16_384  # rows that are coded at once
_MEAN_OF = 16_384  # rows whose mean stands for that of all, evenly spread


class Signs:
    """The codes of some vectors. Immutable: searches take no lock."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def of(cls, read: Callable[[Rows], Vectors], rows: Rows) -> Signs:
        """Code these rows, in this order. ``read`` gives their vectors."""
        sample = read(rows[:: max(1, len(rows) // _MEAN_OF)])
        plain: Any = faiss.IndexRaBitQ(sample.shape[1], faiss.METRIC_INNER_PRODUCT)
        faiss.omp_set_num_threads(1)
        plain.train(sample)  # the mean; there is nothing else to it
        for start in range(0, len(rows), _BATCH):
            plain.add(read(rows[start : start + _BATCH]))
        return cls(faiss.IndexRaBitQFastScan(plain))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Number of dimensions of the vectors."""
        return int(self._index.d)

    def nearest(self, query: Vectors, depth: int) -> Rows:
        """The rows whose estimates are highest, best first, int64 (depth,).

        :param query: float32 (1, dim), a unit vector.
        :param depth: at most ``len(self)``.
        """
        found: Rows = self._index.search(query, depth)[1][0]
        return found

    def write(self, write: Callable[[bytes], int]) -> None:
        """Send the codes through ``write`` in pieces; an ``OSError`` of it ends the writing."""
        faissio.send(self._index, write)

    @classmethod
    def read(cls, data: bytes) -> Signs:
        """Load codes from bytes that are known to be the ones that were written.

        :raises ValueError: when they are no codes.
        """
        index = faissio.load(data)
        if not isinstance(index, faiss.IndexRaBitQFastScan):
            raise ValueError(f"codes of vectors were expected, found {type(index).__name__}")
        return cls(index)
