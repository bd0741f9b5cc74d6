"""Single vectors straight from the file of an index, without loading it.

FAISS writes an ``IndexIDMap`` over a scalar quantiser as its headers, then the codes of all
rows, then the ids of all rows, each with their number before them as eight bytes
(``faiss/impl/index_write.cpp``). Codes are IEEE half precision here. Both numbers are
compared before anything is taken from the file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from corpus.blocks import BlockReader
from corpus.types import ChunkIds, Vectors

_NUMBER = 8  # bytes of an id, or of how many there are
_HALF = 2  # bytes of one dimension


class VectorRows:
    """The rows of an index file.

    :param dim: dimensions of the vectors.
    :param rows: how many vectors there are.
    :raises ValueError: when the file is not laid out as expected, or a block is damaged.
    """

    def __init__(self, file: BlockReader, dim: int, rows: int) -> None:
        self._file, self._dim = file, dim
        self._width = dim * _HALF
        ids = file.size - rows * _NUMBER
        self._codes = ids - _NUMBER - rows * self._width
        counted = (self._number(ids - _NUMBER), self._number(self._codes - _NUMBER))
        if self._codes < _NUMBER or counted != (rows, rows * self._width):
            raise ValueError(f"an index of {rows} rows of {dim} dimensions is laid out otherwise")
        known = np.frombuffer(file.read(ids, rows * _NUMBER), np.int64)
        self._order = np.argsort(known)
        self._sorted = known[self._order]

    def rows_of(self, ids: ChunkIds) -> npt.NDArray[np.int64]:
        """The rows of chunks that are all here, int64 (n,).

        :raises KeyError: when one of them is not.
        """
        places = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        missing = self._sorted[places] != ids
        if missing.any():
            raise KeyError(f"chunk {ids[missing][0]} is not in this index")
        return self._order[places]

    def vectors_of(self, ids: ChunkIds) -> Vectors:
        """The vectors of chunks that are all here, float32 (n, dim), to half precision.

        :raises KeyError: when one of them is not.
        :raises ValueError: when a block is damaged.
        """
        vectors = np.empty((len(ids), self._dim), np.float32)
        for at, row in sorted(enumerate(self.rows_of(ids)), key=lambda pair: pair[1]):
            code = self._file.read(self._codes + int(row) * self._width, self._width)
            vectors[at] = np.frombuffer(code, np.float16)
        return vectors

    def _number(self, at: int) -> int:
        return int.from_bytes(self._file.read(at, _NUMBER), "little") if at >= 0 else -1
