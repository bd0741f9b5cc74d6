"""Eight bits of each component of a vector, to find out which vectors are worth comparing exactly.

All codes of a segment are compared, which reads half of what its vectors have and takes a third
of the time, because eight bits are multiplied as whole numbers. All components of a segment are
scaled by one factor, so that its largest becomes 127, and the components of a question by another:
there is nothing to train. An estimate is off by some thousandths (docs/log.md). It decides what
is compared exactly (:mod:`corpus.dense`), never what the score is.

On disk: the factor as eight bytes (IEEE double, little endian), then a FAISS index of the codes in
the order of the rows of the segment's vectors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from mmap import mmap
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from corpus import faissio
from corpus.places import Rows
from corpus.types import Vectors
from corpus.vectors import Choice, VectorIndex, scanned

Bytes = npt.NDArray[np.uint8]

_FACTOR = struct.Struct("<d")
_LARGEST = 127
_LEAST = 1e-9  # of the largest component, so that vectors of zeros have codes as well
_OFFSET = 128  # FAISS keeps signed components as bytes from 0
_BATCH = 16_384  # rows that are coded at once


class Codes:
    """The codes of a segment. Immutable: searches take no lock.

    :param factor: what components were multiplied with.
    :param data: the file that the index lies in, where it lies in one.
    """

    def __init__(self, index: Any, factor: float, data: Bytes | None = None) -> None:
        self._index, self._factor, self._data = index, factor, data

    @classmethod
    def of(cls, vectors: VectorIndex) -> Codes:
        """Code all rows of an index. Memory: a byte a component."""
        starts = range(0, len(vectors), _BATCH)
        batches = [np.arange(at, min(at + _BATCH, len(vectors))) for at in starts]
        largest = max((_largest(vectors.read_rows(rows)) for rows in batches), default=_LEAST)
        factor = _LARGEST / max(largest, _LEAST)
        index: Any = faiss.IndexScalarQuantizer(
            vectors.dim, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        size = len(vectors) * vectors.dim
        index.codes.resize(size)  # at once: adding rows takes room for twice as many
        index.ntotal = len(vectors)
        for rows in batches:
            coded = faiss.rev_swig_ptr(index.codes.data(), size).reshape(-1, vectors.dim)
            coded[rows] = np.rint(vectors.read_rows(rows) * factor) + _OFFSET
        return cls(index, factor)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Number of dimensions of the vectors."""
        return int(self._index.d)

    def scan(self, query: Vectors, depth: int, among: Choice | None) -> tuple[Rows, Vectors]:
        """The rows whose estimates are highest, best first, and those estimates of the cosine.

        :param query: float32 (1, dim), a unit vector.
        :param depth: how many, at most.
        :param among: estimate these rows only; None: all.
        """
        factor = _LARGEST / max(_largest(query), _LEAST)
        rows, products = scanned(self._index, np.rint(query * factor), depth, among)
        return rows, products / np.float32(self._factor * factor)

    def write(self, write: Callable[[bytes], int]) -> None:
        """Send the codes through ``write`` in pieces; an ``OSError`` of it ends the writing."""
        write(_FACTOR.pack(self._factor))
        faissio.send(self._index, write)

    @classmethod
    def read(cls, data: bytes | mmap) -> Codes:
        """Codes over bytes that are known to be the ones that were written. They are held.

        :raises ValueError: when they are no codes.
        """
        if len(data) < _FACTOR.size:
            raise ValueError(f"codes of vectors have at least {_FACTOR.size} bytes: {len(data)=}")
        held = np.frombuffer(data, np.uint8)
        index = faissio.view(held[_FACTOR.size :])
        if not isinstance(index, faiss.IndexScalarQuantizer):
            raise ValueError(f"codes of vectors were expected, found {type(index).__name__}")
        return cls(index, _FACTOR.unpack_from(data)[0], held)


def _largest(vectors: Vectors) -> float:
    return float(np.abs(vectors).max())
