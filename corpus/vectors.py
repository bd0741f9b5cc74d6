"""Dense search: unit vectors under chunk ids, compared exactly.

Vectors are kept as IEEE half precision and scanned whole, which on two cores is twice as
fast as fp32 at recall .999 and needs 768 bytes for 384 dimensions (measured; see
docs/log.md). Of a large index, a list of rows may say which are worth comparing
(:mod:`corpus.shortlist`); what is found has the scores of the scan.

Vectors of a file are searched where they lie, for as long as there is one file; FAISS would end
the process that changes them, so rows that others join are copied first.

Source: Douze et al., "The Faiss library", https://arxiv.org/abs/2401.08281.
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from corpus import faissio, ranking
from corpus.shortlist import Shortlist
from corpus.signs import Rows
from corpus.types import ChunkIds, Vectors


class Selection:
    """Some rows of an index, in the form in which FAISS is told which to scan.

    :param ids: the chunk ids of the index, in storage order.
    :param rows: which of them are selected, bool, of the same shape.
    """

    def __init__(self, ids: ChunkIds, rows: npt.NDArray[np.bool_]) -> None:
        self.ids, self.count = ids, int(rows.sum())
        self._bits = np.packbits(rows, bitorder="little")  # which the selector points into
        selector: Any = faiss.IDSelectorBitmap
        parameters: Any = faiss.SearchParameters
        self._selector = selector(self._bits)
        self.parameters = parameters(sel=self._selector)

    def hold(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these rows are selected, bool, the shape of ``rows``."""
        held: npt.NDArray[np.bool_] = (self._bits[rows >> 3] >> (rows & 7) & 1) == 1
        return held


class VectorIndex:
    """An exact index. Immutable once it is shared between threads: searches take no lock."""

    def __init__(self, dim: int) -> None:
        self._index: Any = _empty(dim)
        self._data: npt.NDArray[np.uint8] | None = None  # the file that its rows lie in
        self._sorted: tuple[ChunkIds, ChunkIds] | None = None

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Number of dimensions of the vectors."""
        return int(self._index.d)

    @property
    def ids(self) -> ChunkIds:
        """Chunk ids in storage order, shape (len(self),)."""
        ids: ChunkIds = faiss.vector_to_array(self._index.id_map)
        return ids

    def add(self, ids: ChunkIds, vectors: Vectors) -> None:
        """Append rows. ``ids`` shape (n,), ``vectors`` float32 (n, dim), unit rows.

        :raises ValueError: when the shapes do not belong together.
        """
        if vectors.shape != (len(ids), self.dim):
            raise ValueError(f"expected vectors of shape {(len(ids), self.dim)}, {vectors.shape=}")
        self._own()
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
        self._sorted = None

    def absorb(self, other: VectorIndex, without: ChunkIds) -> None:
        """Take in the rows of ``other``, except those whose ids are in ``without``.

        Rows that lie in a file stay there as long as no others join them.
        """
        there = ~np.isin(other.ids, without)
        if not len(self) and there.all():
            self._index, self._data = other._index, other._data
        else:
            self._own()
            self._index.add_sa_codes(other._codes()[there], other.ids[there])
        self._sorted = None

    def _own(self) -> None:
        """Have rows that lie in a file in memory, so that others can join them."""
        if self._data is not None:
            owned = _empty(self.dim)
            owned.add_sa_codes(self._codes(), self.ids)
            self._index, self._data = owned, None

    def _codes(self) -> npt.NDArray[np.uint8]:
        """The rows as they are stored, uint8 (n, bytes of a row), where they are stored."""
        every: Any = faiss.downcast_index(self._index.index)
        width, pointer = every.code_size, every.codes.data()
        if not len(self):
            return np.empty((0, width), np.uint8)
        codes: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(pointer, len(self) * width)
        return codes.reshape(-1, width)

    def search(
        self,
        query: Vectors,
        k: int,
        among: Selection | None = None,
        shortlist: Shortlist | None = None,
    ) -> tuple[ChunkIds, Vectors]:
        """Find the ``k`` nearest rows, best first, by exhaustive scan or among those of a list.

        Cost of a scan is ``len(self) * dim`` multiply-adds. Equal scores are ordered by chunk id.

        :param query: float32 (dim,), a unit vector.
        :param k: at least 1; clipped to ``len(self)``.
        :param among: scan these rows only, as if there were no others.
        :param shortlist: names the rows worth comparing; the scores of those are the same.
        :return: ids (min(k, n),) and cosines of the same shape, in [-1, 1].
        :raises ValueError: when the query has another dimension than the index.
        """
        if query.shape != (self.dim,):
            raise ValueError(f"expected a query of shape {(self.dim,)}, got {query.shape}")
        size = len(self) if among is None else among.count
        k = min(k, size)
        if not k:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        row = query[None].astype(np.float32)
        faiss.omp_set_num_threads(1)  # of this thread: several wait for each other for longer
        return ranking.first(lambda depth: self._found(row, depth, among, shortlist), k, size)

    def _found(
        self, row: Vectors, depth: int, among: Selection | None, shortlist: Shortlist | None
    ) -> tuple[ChunkIds, Vectors]:
        rows = shortlist.rows(row, depth, among) if shortlist else None
        if rows is not None:
            return self._scored(row, rows, depth)
        if among is None:
            return _first_row(self._index.search(row, depth))
        # By row: chunk ids are hashes, and looking each up costs more than its vector.
        rows, scores = _first_row(self._index.index.search(row, depth, params=among.parameters))
        return among.ids[rows], scores

    def _scored(self, row: Vectors, rows: Rows, depth: int) -> tuple[ChunkIds, Vectors]:
        """The best of some rows. They are scanned as all would be, so scores are the same."""
        few = _no_codes(self.dim)
        few.add_sa_codes(self._codes()[rows])
        found, scores = _first_row(few.search(row, min(depth, len(rows))))
        places = faiss.rev_swig_ptr(self._index.id_map.data(), len(self))
        return places[rows[found]], scores

    def read_rows(self, rows: Rows) -> Vectors:
        """The stored vectors of these rows, float32 (n, dim), to half precision."""
        vectors: Vectors = self._index.index.reconstruct_batch(rows)
        return vectors

    def holds(self, ids: ChunkIds) -> npt.NDArray[np.bool_]:
        """Which of these chunks are in this index, bool, the shape of ``ids``."""
        known, _ = self._by_id()
        if not len(known):
            return np.zeros(ids.shape, bool)
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.asarray(known[places] == ids)

    def vectors_of(self, ids: ChunkIds) -> Vectors:
        """The stored vectors of these chunks, float32 (n, dim), to half precision.

        :raises KeyError: when one of the chunks is not in this index.
        """
        if not len(ids):
            return np.empty((0, self.dim), np.float32)
        return self.read_rows(self.rows_of(ids))

    def rows_of(self, ids: ChunkIds) -> ChunkIds:
        """Where these chunks lie in storage order, int64 (n,).

        :raises KeyError: when one of the chunks is not in this index.
        """
        found = self.holds(ids)
        if not found.all():
            raise KeyError(f"chunk {ids[~found][0]} is not in this index")
        known, rows = self._by_id()
        return rows[np.searchsorted(known, ids)]

    def _by_id(self) -> tuple[ChunkIds, ChunkIds]:
        """Ids in ascending order, and the row of each."""
        if self._sorted is None:
            ids = self.ids
            rows = np.argsort(ids).astype(np.int64)
            self._sorted = ids[rows], rows
        return self._sorted

    def write(self, write: Callable[[bytes], int]) -> None:
        """Send the index through ``write`` in pieces; an ``OSError`` of it ends the writing."""
        faissio.send(self._index, write)

    @classmethod
    def read(cls, data: bytes | mmap) -> VectorIndex:
        """An index over bytes that are known to be the ones that were written. They are held.

        :raises ValueError: when they are no index.
        """
        held = np.frombuffer(data, np.uint8)
        index = faissio.view(held)
        loaded = cls(index.d)
        loaded._index, loaded._data = index, held
        return loaded


def _first_row(found: tuple[Vectors, ChunkIds]) -> tuple[ChunkIds, Vectors]:
    scores, ids = found
    return ids[0], scores[0]


def _no_codes(dim: int) -> Any:
    return faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )


def _empty(dim: int) -> faiss.IndexIDMap:
    codes = _no_codes(dim)
    index = faiss.IndexIDMap(codes)
    index.own_fields = True
    codes.this.disown()
    return index
