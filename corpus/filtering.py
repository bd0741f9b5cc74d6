"""Which chunks a search may find: decided before it, once for each snapshot and condition.

The decision is a set of rows for FAISS and a set of documents for tantivy, each in the form that
searches by it fastest. The last decisions of a snapshot are remembered. A lock is held while one is
looked up, never while it is made or searched with: two requests that ask the same at the
same time may both decide it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, KeysView
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from corpus.columns import Columns, Mask
from corpus.dense import Selection
from corpus.types import ChunkIds
from corpus.where import Where
from corpus.words import WordFilter

REMEMBERED = 64
"""Decisions of a snapshot that are kept, at most."""

REMEMBERED_BYTES = 64_000_000
"""Bytes that they may take together; the newest is kept whatever it takes."""

_BYTES_OF_A_DOCUMENT = 160  # in the set that tantivy is given, rounded up


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a condition allows of a snapshot."""

    documents: int
    chunks: int
    rows: Selection  # for the vectors
    words: WordFilter  # for the words
    ids: Callable[[], frozenset[str]]  # of the documents


class Owners:
    """The documents of a snapshot, and whose each chunk is.

    :param columns: of the documents.
    :param chunks: ids of chunks by place, those of removed documents as well, shape (n,).
    :param documents: the number of each one's document in ``columns.ids``, of the same shape;
        -1: it was removed.
    """

    def __init__(
        self, columns: Columns, chunks: ChunkIds, documents: npt.NDArray[np.int32]
    ) -> None:
        self.columns, self._by_place = columns, documents
        there = np.flatnonzero(documents >= 0)
        order = there[np.argsort(chunks[there])]
        self._chunks, self._documents = chunks[order], documents[order]

    def places_of(self, mask: Mask) -> Mask:
        """Which places are those of chunks of the documents of a mask."""
        return np.append(mask, False)[self._by_place]  # where -1 is the last

    def hold(self, mask: Mask, chunks: ChunkIds) -> Mask:
        """Which of these chunks, all there, belong to the documents of a mask."""
        return mask[self._documents[np.searchsorted(self._chunks, chunks)]]

    def names(self, mask: Mask) -> list[str]:
        """The ids of the documents of a mask."""
        ids = self.columns.ids
        return [ids[number] for number in np.flatnonzero(mask)]


class Filters:
    """Decides for one snapshot. Safe to share between threads.

    :param gather: reads what is known of its documents; called for the first decision.
    :param select: makes places ready to be searched.
    """

    def __init__(self, gather: Callable[[], Owners], select: Callable[[Mask], Selection]) -> None:
        self._gather, self._select = gather, select
        self._gathered: Owners | None = None
        self._known: OrderedDict[Where, tuple[Allowed, int]] = OrderedDict()
        self._turn, self._gathering = threading.Lock(), threading.Lock()

    @property
    def fields(self) -> KeysView[str]:
        """The fields of the documents' own metadata."""
        return self._owners().columns.fields

    def allowed(self, where: Where) -> Allowed:
        """What a condition allows.

        :raises corpus.globs.BadPattern: when a pattern of it means nothing.
        """
        with self._turn:
            if where in self._known:
                self._known.move_to_end(where)
                return self._known[where][0]
        allowed, size = self._decided(where)
        with self._turn:
            self._known[where] = allowed, size
            while len(self._known) > 1 and self._is_full():
                self._known.popitem(last=False)
        return allowed

    def _is_full(self) -> bool:
        size = sum(size for _, size in self._known.values())
        return len(self._known) > REMEMBERED or size > REMEMBERED_BYTES

    def _decided(self, where: Where) -> tuple[Allowed, int]:
        """The decision, and about how many bytes it takes."""
        owners = self._owners()
        mask = owners.columns.decide(where)
        rows = self._select(owners.places_of(mask))
        documents, chunks = int(mask.sum()), rows.count
        allows_few = documents * 2 <= len(mask)
        named = documents if allows_few else len(mask) - documents
        words = WordFilter(
            chunks,
            partial(owners.hold, mask),
            partial(owners.names, mask if allows_few else ~mask),
            named=named,
            allows=allows_few,
        )
        ids = partial(_ids, owners, mask)
        allowed = Allowed(documents, chunks, rows, words, ids)
        return allowed, rows.size // 8 + len(mask) + named * _BYTES_OF_A_DOCUMENT

    def _owners(self) -> Owners:
        with self._gathering:  # once, and those who come meanwhile need it too
            if self._gathered is None:
                self._gathered = self._gather()
            return self._gathered


def _ids(owners: Owners, mask: Mask) -> frozenset[str]:
    return frozenset(owners.names(mask))
