"""The vectors of a segment: unit rows under chunk ids, at half precision.

768 bytes for 384 dimensions. FAISS compares them where their file lies, all or some of
them; which, is for :mod:`corpus.dense` to say. FAISS would end the process that adds to rows
of a file, so that is refused.

Source: Douze et al., "The Faiss library", https://arxiv.org/abs/2401.08281.
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from corpus import faissio, memory
from corpus.places import Mask, Rows
from corpus.scattered import ScatteredRows
from corpus.types import ChunkIds, Vectors

Halves = npt.NDArray[np.float16]
"""Vectors as they are stored, float16 (n, dim)."""

SIFTED_FROM = 50_000
"""Rows from which those that are not chosen are passed over after a scan, where many are chosen:
to do so on the way takes more than twice as long, because the processor cannot foresee them."""

_MOST = 4  # at least one in so many is chosen


class Choice:
    """Some rows of an index, in the form in which FAISS is told which to scan.

    :param rows: which of all rows are chosen.
    """

    def __init__(self, rows: Mask) -> None:
        self.count, self._of = int(rows.sum()), len(rows)
        self._bits = np.packbits(rows, bitorder="little")  # which the selector points into
        selector: Any = faiss.IDSelectorBitmap
        parameters: Any = faiss.SearchParameters
        self._selector = selector(self._bits)
        self.parameters = parameters(sel=self._selector)

    @property
    def rows(self) -> Rows:
        """The chosen rows, ascending, int64 (count,)."""
        return np.flatnonzero(np.unpackbits(self._bits, count=self._of, bitorder="little"))

    def holds(self, rows: Rows) -> Mask:
        """Which of these rows are chosen, bool, the shape of ``rows``."""
        held: Mask = (self._bits[rows >> 3] >> (rows & 7) & 1) == 1
        return held


class VectorIndex:
    """Immutable once it is shared between threads: searches take no lock."""

    def __init__(self, dim: int) -> None:
        self._index: Any = _empty(dim)
        self._data: bytes | mmap | None = None  # the file that its rows lie in
        self._scattered: ScatteredRows | None = None  # where nothing of it is to stay in memory
        self._sorted: tuple[ChunkIds, ChunkIds] | None = None

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Number of dimensions of the vectors."""
        return int(self._index.d)

    @property
    def ids(self) -> ChunkIds:
        """Chunk ids in storage order, shape (len(self),): a copy."""
        ids: ChunkIds = faiss.vector_to_array(self._index.id_map)
        return ids

    def ids_of(self, rows: Rows) -> ChunkIds:
        """The chunk ids of some rows, at least one, int64 (n,)."""
        every: ChunkIds = faiss.rev_swig_ptr(self._index.id_map.data(), len(self))
        return every[rows]

    def add(self, ids: ChunkIds, vectors: Vectors) -> None:
        """Append rows. ``ids`` shape (n,), ``vectors`` float32 (n, dim), unit rows.

        :raises ValueError: when the shapes do not belong together, or the rows before lie in a
            file.
        """
        if vectors.shape != (len(ids), self.dim):
            raise ValueError(f"expected vectors of shape {(len(ids), self.dim)}, {vectors.shape=}")
        if self._data is not None:
            raise ValueError("an index that was read cannot be added to; add to a new one")
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
        self._sorted = None

    def scan(self, query: Vectors, depth: int, among: Choice | None) -> tuple[Rows, Vectors]:
        """The nearest rows, best first, and their cosines, by comparing all or some.

        :param query: float32 (1, dim), a unit vector.
        :param depth: how many, at most.
        :param among: compare these rows only; None: all.
        """
        found = scanned(self._index.index, query, depth, among)
        self.let_go()
        return found

    def halves(self, rows: Rows) -> Halves:
        """Some rows, at least one, as they are stored."""
        if self._scattered is not None:
            return self._scattered.take(rows)
        return self._stored().take(rows, axis=0)

    def _stored(self) -> Halves:
        """All rows where they are stored; there is at least one."""
        every: Any = faiss.downcast_index(self._index.index)
        codes = faiss.rev_swig_ptr(every.codes.data(), len(self) * every.code_size)
        stored: Halves = codes.view(np.float16).reshape(-1, self.dim)
        return stored

    def read_rows(self, rows: Rows) -> Vectors:
        """The stored vectors of these rows, float32 (n, dim), to half precision."""
        vectors: Vectors = self._index.index.reconstruct_batch(rows)
        return vectors

    def vectors_of(self, ids: ChunkIds) -> Vectors:
        """The stored vectors of these chunks, float32 (n, dim), to half precision.

        :raises KeyError: when one of the chunks is not in this index.
        """
        if not len(ids):
            return np.empty((0, self.dim), np.float32)
        return self.read_rows(self.rows_of(ids))

    def rows_of(self, ids: ChunkIds) -> Rows:
        """Where these chunks lie in storage order, int64 (n,).

        :raises KeyError: when one of the chunks is not in this index.
        """
        known, rows = self._by_id()
        places = np.searchsorted(known, ids)
        missing = np.append(known, -1)[places] != ids  # no id is below 0
        if missing.any():
            raise KeyError(f"chunk {ids[missing][0]} is not in this index")
        return rows[places]

    def _by_id(self) -> tuple[ChunkIds, Rows]:
        """Ids in ascending order, and the row of each."""
        if self._sorted is None:
            ids = self.ids
            rows = np.argsort(ids).astype(np.int64)
            self._sorted = ids[rows], rows
        return self._sorted

    def let_go(self) -> None:
        """Let what was read of the file go from memory, where nothing of it is to stay."""
        if self._scattered is not None and isinstance(self._data, mmap):
            memory.let_go(self._data)

    def write(self, write: Callable[[bytes], int]) -> None:
        """Send the index through ``write`` in pieces; an ``OSError`` of it ends the writing."""
        faissio.send(self._index, write)

    @classmethod
    def read(cls, data: bytes | mmap, path: Path | None = None) -> VectorIndex:
        """An index over bytes that are known to be the ones that were written. They are held.

        :param path: of the file that ``data`` maps, where nothing of it is to stay in memory:
            single rows are read from there, and what a scan reads is let go of.
        :raises ValueError: when they are no index.
        """
        held = np.frombuffer(data, np.uint8)
        index = faissio.view(held)
        loaded = cls(index.d)
        loaded._index, loaded._data = index, data
        if path is not None and len(loaded):
            row = np.dtype((np.float16, (loaded.dim,)))
            start = loaded._stored().ctypes.data - held.ctypes.data
            loaded._scattered = ScatteredRows(path, row, start)
            loaded.let_go()
        return loaded


def scanned(index: Any, query: Vectors, depth: int, among: Choice | None) -> tuple[Rows, Vectors]:
    """The rows of a FAISS index with the highest inner products, best first, and those.

    :param query: float32 (1, dim).
    :param depth: how many, at most.
    """
    depth = min(depth, index.ntotal if among is None else among.count)
    if not depth:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    if among is not None and SIFTED_FROM <= index.ntotal <= _MOST * among.count:
        found = _sifted(index, query, depth, among)
        if found is not None:
            return found
    faiss.omp_set_num_threads(1)  # of this thread: several wait for each other for longer
    parameters = None if among is None else among.parameters
    scores, rows = index.search(query, depth, params=parameters)
    return rows[0], scores[0]


def _sifted(index: Any, query: Vectors, depth: int, among: Choice) -> tuple[Rows, Vectors] | None:
    """The chosen ones of the best of all rows, of which there are a third more than it takes where
    rows are chosen at random; None: too few are chosen.
    """
    deeper = int(1.3 * depth * index.ntotal / among.count) + 1
    rows, scores = scanned(index, query, deeper, None)
    chosen = np.flatnonzero(among.holds(rows))[:depth]
    return (rows[chosen], scores[chosen]) if len(chosen) == depth else None


def compared(query: Vectors, halves: Halves) -> Vectors:
    """The cosine of each vector to a query, float32 (n,), to the bit that of a scan.

    :param query: float32 (1, dim), a unit vector.
    """
    few = _no_codes(query.shape[1])
    few.add_sa_codes(halves.view(np.uint8))
    rows, scores = scanned(few, query, len(halves), None)
    cosines = np.empty_like(scores)
    cosines[rows] = scores
    return cosines


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
