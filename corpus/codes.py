"""The codes of a snapshot, gathered while its segments are opened.

A snapshot is searched by codes when it is large (:data:`corpus.shortlist.EXACT_UP_TO`) and
the manifest says of each of its large segments that they find enough. Rows of segments that are
too small to have a file of codes are coded here, all together: they are few, and nothing
has to be learnt for it.
"""

from __future__ import annotations

import numpy as np

from corpus import segment as segments
from corpus import shortlist
from corpus.errors import SnapshotDamaged
from corpus.manifest import Manifest
from corpus.recall import factor_of
from corpus.segment import Segment
from corpus.shortlist import FACTORS, Part, Shortlist
from corpus.signs import Signs
from corpus.types import ChunkIds
from corpus.vectors import VectorIndex


class Codes:
    """Collects the parts of one shortlist. ``wanted`` says whether there is to be one."""

    def __init__(self, manifest: Manifest) -> None:
        large = [ref.id for ref in manifest.segments if ref.chunks >= segments.CODED_FROM]
        self._factors = [factor_of(manifest.index.get(id_, {})) for id_ in large]
        self.wanted = manifest.counts["chunks"] > shortlist.EXACT_UP_TO and all(self._factors)
        self._parts: list[Part] = []
        self._uncoded = [np.empty(0, np.int64)]
        self._before = 0

    def add(self, segment: Segment, index: VectorIndex, gone: ChunkIds) -> None:
        """Take in the next segment, before the rows of its index go into that of all.

        :raises SnapshotDamaged: when its codes are not what the manifest says.
        """
        there = ~np.isin(index.ids, gone)
        places = np.where(there, self._before + np.cumsum(there) - 1, -1)
        self._before += int(there.sum())
        signs = segment.read_signs()
        if signs is None:
            self._uncoded.append(places[there])
        elif (len(signs), signs.dim) != (len(index), index.dim):
            raise SnapshotDamaged(
                f"the codes of a segment are {len(signs)} of {signs.dim} dimensions, "
                f"its vectors {len(index)} of {index.dim}"
            )
        else:
            self._parts.append(Part(signs, places))

    def over(self, index: VectorIndex) -> Shortlist | None:
        """The shortlist of the gathered index; None: search it exactly."""
        if not self.wanted:
            return None
        rows = np.concatenate(self._uncoded)
        if len(rows):
            self._parts.append(Part(Signs.of(index.read_rows, rows), rows))
        factor = max(self._factors, default=FACTORS[0])
        return Shortlist(self._parts, factor, shortlist.EXACT_UP_TO)
