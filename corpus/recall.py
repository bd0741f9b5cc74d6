"""How much of an exact search the codes of a segment find, measured when they are made.

The questions are vectors of the segment, each moved as far as a question is from the passage
that answers it. What is compared with is the exact scan of the same vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from corpus.shortlist import FACTORS, Part, Shortlist
from corpus.signs import Signs
from corpus.types import Vectors
from corpus.vectors import VectorIndex

ENOUGH = 0.99
"""Recall at 10 and at 100 from which codes are used."""

QUESTIONS = 64
"""Questions that are asked; at a million chunks the exact answers take two seconds."""

_MOVED = 0.75  # length of the noise: the cosine to where it came from is .8


@dataclass(frozen=True, slots=True)
class Recall:
    """What was measured of a segment."""

    factor: int  # of corpus.shortlist that is enough; 0: none is, search exactly
    at_10: float  # with this factor, or the highest
    at_100: float
    questions: int = QUESTIONS

    def to_record(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {"kind": "signs" if self.factor else "exact", **asdict(self)}


def factor_of(record: Mapping[str, Any]) -> int:
    """The factor of what stands in a manifest; 0: search exactly."""
    return int(record["factor"]) if record.get("kind") == "signs" else 0


def measure(index: VectorIndex, signs: Signs) -> Recall:
    """The smallest factor with which the codes of all rows of an index find enough."""
    queries = _questions(index)
    exact = [index.search(query, 100)[0] for query in queries]
    part = Part(signs, np.arange(len(index), dtype=np.int64))
    at_10 = at_100 = 0.0
    for factor in FACTORS:
        shortlist = Shortlist([part], factor, deepest=1)
        found = [index.search(query, 100, shortlist=shortlist)[0] for query in queries]
        pairs = list(zip(exact, found, strict=True))
        at_10 = float(np.mean([np.isin(a[:10], b[:10]).mean() for a, b in pairs]))
        at_100 = float(np.mean([np.isin(a, b).mean() for a, b in pairs]))
        if min(at_10, at_100) >= ENOUGH:
            return Recall(factor, round(at_10, 4), round(at_100, 4))
    return Recall(0, round(at_10, 4), round(at_100, 4))


def _questions(index: VectorIndex) -> Vectors:
    rows = np.linspace(0, len(index) - 1, QUESTIONS).astype(np.int64)
    noise = np.random.default_rng(0).normal(size=(QUESTIONS, index.dim))
    noise *= _MOVED / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = index.read_rows(rows) + noise.astype(np.float32)
    unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
