"""Places of chunks: one number for each row of all segments of a snapshot.

Rows of removed documents have places, too, so that a place is a segment and a row of its
files, whatever was removed since they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
"""Rows of one segment, shape (n,)."""

Places = npt.NDArray[np.int64]
"""Places in a snapshot, shape (n,)."""

Mask = npt.NDArray[np.bool_]
"""Some of several rows or places, shape (n,)."""


class Layout:
    """How the rows of segments follow each other.

    :param sizes: rows of each segment, in the order of the manifest.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.starts: Places = np.cumsum([0, *sizes])[:-1]
        self.size = sum(sizes)

    def split(self, places: Places) -> Iterator[tuple[int, slice | Places, Rows]]:
        """Segments that some places are in: the number of each, which of the places, their rows."""
        if len(self.starts) == 1:
            yield 0, slice(None), places
            return
        numbers = np.searchsorted(self.starts, places, side="right") - 1
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            here = np.flatnonzero(numbers == number)
            yield number, here, places[here] - self.starts[number]

    def cut(self, mask: Mask) -> list[Mask]:
        """A mask over all places as one for each segment."""
        return np.split(mask, self.starts[1:])
