"""Which rows of a large index are compared exactly: those whose codes promise most.

Each segment has codes of its own (:mod:`corpus.signs`) and names its own best rows. The best
ten of all segments are among the best ten of each, so what is measured of one segment when
it is written holds for all of them together.

An estimate is wrong by some ranks, and by more the deeper the rank. So a list reaches many times
as deep as what is wanted. Rows that a condition leaves out, or that were removed, make it longer.
Where a condition leaves out just what is nearest (all of a topic, say), what is wanted lies
too deep for estimates: that shows at the head of the list, and all is scanned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from corpus.signs import Rows, Signs
from corpus.types import Vectors

Mask = npt.NDArray[np.bool_]
"""Some of several rows, shape (n,)."""

EXACT_UP_TO = 50_000
"""Chunks that are scanned whole: 1.8 ms at 384 dimensions, and .9 by codes (docs/log.md)."""

FACTORS = (10, 20, 40)
"""How many times as deep as what is wanted a list reaches: the first that finds enough."""

LEAST = 100
"""Fewer rows wanted than this are looked for as deep as for so many."""

_FEW = 0.25  # of all rows: to scan less than this exactly costs less than to look for it by codes

_SLACK = 1.3  # rows that are left out at random put what is wanted no deeper than by this

DEEPEST = 32
"""To list more than one row in so many costs as much as to scan all."""


class Choice(Protocol):
    """Some rows: those that a condition allows."""

    count: int

    def hold(self, rows: Rows) -> Mask:
        """Which of these rows are among them."""


@dataclass(frozen=True, slots=True)
class Part:
    """The codes of a segment, and in which row of the index each of its vectors lies."""

    signs: Signs
    places: Rows  # -1: it was removed


class Shortlist:
    """Immutable: searches take no lock.

    :param parts: every row of the index is in one of them.
    :param factor: see :data:`FACTORS`.
    :param exact_up_to: a condition that allows no more rows than this has them scanned.
    :param deepest: see :data:`DEEPEST`.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        factor: int,
        exact_up_to: int = EXACT_UP_TO,
        deepest: int = DEEPEST,
    ) -> None:
        self._parts, self._factor = parts, factor
        self._exact_up_to, self._deepest = exact_up_to, deepest
        live = [int((part.places >= 0).sum()) for part in parts]
        self._live = sum(live)
        self._shares = [
            max(count / len(part.places), 0.01) for count, part in zip(live, parts, strict=True)
        ]

    def rows(self, query: Vectors, k: int, among: Choice | None) -> Rows | None:
        """Rows to compare exactly so as to find ``k``; None: scan instead.

        :param query: float32 (1, dim), a unit vector.
        """
        k = max(k, LEAST)
        allowed = 1.0 if among is None else among.count / self._live
        if among is not None and (among.count <= self._exact_up_to or allowed < _FEW):
            return None
        found = []
        for part, live in zip(self._parts, self._shares, strict=True):
            rows = self._best_of(part, query, math.ceil(k / allowed / live), k, among)
            if rows is None:
                return None
            found.append(rows)
        return np.concatenate(found)

    def _best_of(
        self, part: Part, query: Vectors, expected: int, k: int, among: Choice | None
    ) -> Rows | None:
        """The best rows of a part, of those that are there and allowed; None: not as expected.

        :param expected: how deep ``k`` such rows lie if they lie anywhere.
        """
        size, depth = len(part.signs), expected * self._factor
        if depth * self._deepest > self._live:
            return None
        if size <= 2 * depth:
            return part.places[_usable(part.places, among)]
        rows = part.places[part.signs.nearest(query, depth)]
        usable = _usable(rows, among)
        if np.count_nonzero(usable[: math.ceil(expected * _SLACK)]) < k:
            return None
        return rows[usable]


def _usable(rows: Rows, among: Choice | None) -> Mask:
    """Which of these rows were not removed, and are allowed."""
    there = rows >= 0
    return there if among is None else there & among.hold(np.maximum(rows, 0))
