"""Dense search of a snapshot: each segment where its files lie.

The codes of all segments (:mod:`corpus.codes`) name candidates, somewhat more than what is
wanted, whose vectors are then compared exactly. How far estimates are off shows at the
candidates themselves. Where a row that was not named could still be one of the wanted, if its
estimate were off by twice that, more are named, and at last every vector is compared. So
what is found, its scores and its order are those of a scan of all vectors.

A small snapshot is scanned whole, which takes less than to look for candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from corpus import ranking
from corpus.codes import Codes
from corpus.places import Layout, Mask, Places, Rows
from corpus.types import ChunkIds, Vectors
from corpus.vectors import Choice, VectorIndex, compared

SCANNED_UP_TO = 8_000
"""Rows of a snapshot whose vectors are all compared: as fast as by codes (docs/log.md)."""

_FEW = 250  # rows that a condition allows: to compare these costs less than to look for candidates

_SURE = 2  # times as far as any candidate's estimate was off, no other one is

_DEEPER = 4  # times as many candidates are named where those before were too few

_DEEPEST = 16  # to compare more than one row in so many costs more than to scan all


@dataclass(frozen=True, slots=True)
class Part:
    """A segment as it is searched."""

    vectors: VectorIndex
    codes: Codes
    live: Choice | None = None  # the rows that were not removed; None: all are there

    @property
    def count(self) -> int:
        """Rows that were not removed."""
        return len(self.vectors) if self.live is None else self.live.count


class Selection:
    """Some places of a snapshot, in the form in which they are searched.

    :param rows: which rows of each segment.
    """

    def __init__(self, rows: Sequence[Mask]) -> None:
        self.choices = [Choice(mask) for mask in rows]
        self.size = sum(map(len, rows))  # places, chosen or not
        self.count = sum(choice.count for choice in self.choices)


class Scanned(Protocol):
    """What is compared of a segment: its vectors or their codes."""

    def __len__(self) -> int:
        """How many rows there are."""

    def scan(self, query: Vectors, depth: int, among: Choice | None) -> tuple[Rows, Vectors]:
        """The best rows, of all or of some, with their scores, best first."""


class Dense:
    """Immutable: searches take no lock. ``len()`` is the number of chunks that can be found."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.layout = Layout([len(part.vectors) for part in parts])
        self._size = sum(part.count for part in parts)

    def __len__(self) -> int:
        return self._size

    def select(self, allowed: Mask) -> Selection:
        """Make places ready to be searched. None of them is that of a removed document."""
        return Selection(self.layout.cut(allowed))

    def ids_of(self, places: Places) -> ChunkIds:
        """The ids of chunks, int64, the shape of ``places``."""
        ids = np.empty(len(places), np.int64)
        for number, here, rows in self.layout.split(places):
            ids[here] = self.parts[number].vectors.ids_of(rows)
        return ids

    def search(
        self, query: Vectors, k: int, among: Selection | None = None, *, exact: bool = False
    ) -> tuple[Places, Vectors]:
        """Find the ``k`` nearest chunks, best first; equal scores are ordered by chunk id.

        :param query: float32 (dim,), a unit vector.
        :param k: at least 1; clipped to how many there are.
        :param among: search these only, as if there were no others.
        :param exact: compare every vector, however many there are.
        :return: places (min(k, n),) and cosines of the same shape, in [-1, 1].
        :raises ValueError: when the query has another dimension than the vectors.
        """
        size = self._size if among is None else among.count
        k = min(k, size)
        if not k:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        expected = (self.parts[0].vectors.dim,)
        if query.shape != expected:
            raise ValueError(f"expected a query of shape {expected}, got {query.shape}")
        row = query[None].astype(np.float32)
        by_codes = self._size > SCANNED_UP_TO and not exact
        look = self._named if by_codes else self._scanned
        return ranking.first(lambda depth: look(row, depth, among), k, size, self.ids_of)

    def _named(self, query: Vectors, depth: int, among: Selection | None) -> tuple[Places, Vectors]:
        """The best rows, found among those that codes name."""
        if among is not None and among.count <= _FEW:
            places = self._places(among)
            return _first(places, self._cosines(query, places), depth)
        reach = depth + depth // 4 + 16
        while reach * _DEEPEST < self._size:
            codes = [part.codes for part in self.parts]
            places, estimates = self._best(codes, query, reach, among)
            cosines = self._cosines(query, places)
            found = _first(places, cosines, depth)
            off = np.abs(cosines - estimates).max()
            if len(places) < reach or estimates[-1] + _SURE * off < found[1][-1]:
                return found
            reach *= _DEEPER
        return self._scanned(query, depth, among)

    def _scanned(
        self, query: Vectors, depth: int, among: Selection | None
    ) -> tuple[Places, Vectors]:
        """The best rows, found by comparing all."""
        return self._best([part.vectors for part in self.parts], query, depth, among)

    def _best(
        self,
        scanned: Sequence[Scanned],
        query: Vectors,
        depth: int,
        among: Selection | None,
    ) -> tuple[Places, Vectors]:
        """The best rows by what each segment has, with their scores, best first.

        A segment is asked for somewhat more than its share of them, and for as many as there are
        to be where the last of these is better than the last of all.
        """
        chosen = [part.live for part in self.parts] if among is None else among.choices
        if len(scanned) == 1:
            return scanned[0].scan(query, depth, chosen[0])
        size = self._size if among is None else among.count
        depths, found = [], []
        for one, rows in zip(scanned, chosen, strict=True):
            count = len(one) if rows is None else rows.count
            depths.append(min(depth, 2 * depth * count // size + 16))
            found.append(one.scan(query, depths[-1], rows))
        last = self._joined(found, depth)[1][-1]
        for number, (_, scores) in enumerate(found):
            if len(scores) == depths[number] < depth and scores[-1] >= last:
                found[number] = scanned[number].scan(query, depth, chosen[number])
        return self._joined(found, depth)

    def _joined(self, found: Sequence[tuple[Rows, Vectors]], depth: int) -> tuple[Places, Vectors]:
        """The best of what was found in each segment, best first."""
        starts = self.layout.starts.tolist()
        places = [rows + start for (rows, _), start in zip(found, starts, strict=True)]
        return _first(np.concatenate(places), np.concatenate([one for _, one in found]), depth)

    def _places(self, among: Selection) -> Places:
        pairs = zip(among.choices, self.layout.starts.tolist(), strict=True)
        return np.concatenate([choice.rows + start for choice, start in pairs])

    def _cosines(self, query: Vectors, places: Places) -> Vectors:
        """Those of some vectors, to the bit those of a scan."""
        halves = np.empty((len(places), query.shape[1]), np.float16)
        for number, here, rows in self.layout.split(places):
            halves[here] = self.parts[number].vectors.halves(rows)
        return compared(query, halves)


def _first(places: Places, scores: Vectors, depth: int) -> tuple[Places, Vectors]:
    """The best of some, best first."""
    order = np.argsort(-scores, kind="stable")[:depth]
    return places[order], scores[order]
