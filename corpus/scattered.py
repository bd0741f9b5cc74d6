"""Rows that are read here and there in a large file, so that nothing of it stays in memory.

Where a file is mapped, the kernel maps the 64 KB around whatever is read, so a few thousand rows
bring in all of it. To let go of them after every search takes four times as long as to read
each row by a call of its own (docs/log.md).
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpus.places import Rows


class ScatteredRows:
    """The rows of a file that is held open. Safe to share between threads.

    :param row: what a row is.
    :param start: bytes before the first row.
    """

    def __init__(self, path: Path, row: np.dtype[Any], start: int = 0) -> None:
        self._descriptor, self._row, self._start = os.open(path, os.O_RDONLY), row, start
        weakref.finalize(self, os.close, self._descriptor)

    def take(self, rows: Rows) -> npt.NDArray[Any]:
        """Some rows, in this order, shape (n, ...).

        :raises OSError: when one cannot be read.
        """
        width = self._row.itemsize
        places = (rows * width + self._start).tolist()
        read = b"".join([os.pread(self._descriptor, width, place) for place in places])
        return np.frombuffer(read, self._row.base).reshape(len(rows), *self._row.shape)
