"""A corpus without one document: what is asked of it cannot be answered from there.

The document is filtered out before anything is searched, so that the others have the places and
the scores that they would have without it.
"""

from __future__ import annotations

from dataclasses import replace

from corpus.snapshot import Snapshot
from corpus.types import Hit, Query
from corpus.where import ID, And, Compare, Not, Op
from rag.answerer import Corpus
from rag.answers import SnapshotInfo


class MaskedCorpus:
    """Another corpus, less a document."""

    def __init__(self, whole: Corpus, document_id: str) -> None:
        self._whole, self._document = whole, document_id

    def get(self, wanted: str | None = None) -> Snapshot:
        """The snapshot that answers, less the document.

        :raises UnknownDocument: when it has no such document.
        :raises CorpusError: as :meth:`rag.live.LiveCorpus.get`.
        """
        return MaskedSnapshot(self._whole.get(wanted), self._document)

    def info(self, snapshot: Snapshot) -> SnapshotInfo:
        """How an answer names the snapshot it rests on."""
        return self._whole.info(snapshot)


class MaskedSnapshot(Snapshot):
    """A snapshot whose search leaves a document out. Shares what the whole one has opened."""

    def __init__(self, whole: Snapshot, document_id: str) -> None:
        self.__dict__.update(vars(whole))
        self._document = document_id

    def search(self, query: Query) -> tuple[Hit, ...]:
        """Find the chunks of other documents that match a query, best first."""
        others = Not(Compare(ID, Op.EQUAL, self._document))
        where = others if query.where is None else And((query.where, others))
        return super().search(replace(query, where=where))
