"""What filters are decided over: the fields of every document of a snapshot, column by column.

A column keeps each distinct value once and says which documents have it, so that a condition is
looked at once a value (four formats, thirty authors) and not once a document, and a field that few
documents have costs little. What is decided is a mask over the documents; and, or and not
are operations on masks.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from corpus.comparing import test_of
from corpus.texts import Facts
from corpus.where import BUILT_IN, FORMAT, ID, PATH, TITLE, And, Leaf, Not, Or, Where, own_field

MAX_VALUE = 1000
"""Characters of a value that are compared; of longer ones it is the first."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Column:
    values: Sequence[str]  # each once
    documents: npt.NDArray[np.int32]  # whose value it is
    codes: npt.NDArray[np.int32]  # which value it is


class Columns:
    """Immutable. Safe to share between threads."""

    def __init__(self, facts: Iterable[Facts]) -> None:
        gathered: dict[str, _Gathered] = {}
        self.ids: list[str] = []  # of documents, in the order of every mask
        for one in facts:
            number = len(self.ids)
            self.ids.append(one.id)
            fields = [(ID, one.id), (PATH, one.source), (TITLE, one.title), (FORMAT, one.format)]
            fields += [(own_field(key), value) for key, value in one.metadata.items()]
            for field, value in fields:
                gathered.setdefault(field, _Gathered()).add(number, value[:MAX_VALUE])
        self._columns = {field: column.done() for field, column in gathered.items()}
        self._own = dict.fromkeys(sorted(self._columns.keys() - set(BUILT_IN)))

    @property
    def fields(self) -> KeysView[str]:
        """The fields that some document has, in order, without those that all have."""
        return self._own.keys()

    def decide(self, where: Where) -> Mask:
        """Which documents fulfil a condition: bool (len(self.ids),).

        :raises corpus.globs.BadPattern: when a pattern means nothing.
        """
        if isinstance(where, Not):
            return ~self.decide(where.part)
        if isinstance(where, And):
            return reduce(np.logical_and, map(self.decide, where.parts))
        if isinstance(where, Or):
            return reduce(np.logical_or, map(self.decide, where.parts))
        return self._leaf(where)

    def _leaf(self, leaf: Leaf) -> Mask:
        mask = np.zeros(len(self.ids), bool)
        test, column = test_of(leaf), self._columns.get(leaf.field)
        if column is not None:
            hold = np.fromiter(map(test, column.values), bool, len(column.values))
            mask[column.documents[hold[column.codes]]] = True
        return mask


class _Gathered:
    """A column that is being made."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._documents: list[int] = []
        self._codes: list[int] = []

    def add(self, document: int, value: str) -> None:
        self._documents.append(document)
        self._codes.append(self._known.setdefault(value, len(self._known)))

    def done(self) -> _Column:
        return _Column(
            tuple(self._known),
            np.array(self._documents, np.int32),
            np.array(self._codes, np.int32),
        )
