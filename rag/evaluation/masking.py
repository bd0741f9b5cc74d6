"""A corpus without one document: what is asked of it cannot be answered from there.

The search looks for as many more hits as the document has chunks, and drops those. The
hits that stay keep their order and, in the fused search, scores that were made beside the
dropped ones.
"""

from __future__ import annotations

from dataclasses import replace

from corpus.snapshot import Snapshot
from corpus.types import Hit, Query
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
        self._more = len(whole.chunks_of(document_id))

    def search(self, query: Query) -> tuple[Hit, ...]:
        """Find the chunks of other documents that match a query, best first."""
        wider = replace(query, k=query.k + self._more, candidates=query.candidates + self._more)
        kept = [hit for hit in super().search(wider) if hit.chunk.document_id != self._document]
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(kept[: query.k], start=1))
