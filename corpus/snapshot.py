"""A snapshot that is open: one complete, immutable state of the corpus.

Opening verifies every file against the manifest; what is searched afterwards is what was
verified. A snapshot stays valid for as long as it is held, whatever is published
meanwhile, and may be searched by any number of threads without a lock.

::

    snapshots/<id>/
        manifest.json   corpus.manifest
        ledger.jsonl    corpus.ledger
        words/          corpus.words, files shared with other snapshots by hard links
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np

from corpus.columns import Columns
from corpus.dense import Dense, Part, Selection
from corpus.errors import SnapshotDamaged, UnknownDocument, UnknownFormat
from corpus.files import record_of
from corpus.filtering import Allowed, Filters, Owners
from corpus.fusion import Ranked, fuse
from corpus.identity import ANALYSIS
from corpus.ledger import read_ledger
from corpus.manifest import SEGMENTS, SNAPSHOTS, WORDS, below, read_manifest
from corpus.recent import RecentChunks
from corpus.segment import Segment
from corpus.texts import Facts
from corpus.types import (
    Chunk,
    ChunkIds,
    Document,
    Hit,
    Mode,
    Query,
    Scores,
    Vectors,
)
from corpus.vectors import Choice, VectorIndex
from corpus.where import Where
from corpus.windows import Windows
from corpus.words import WordIndex, version_of

MAPPED_UP_TO = 8_000
"""Chunks of a snapshot whose vectors and windows may stay in memory: 22 MB at 384 dimensions. To
read them one by one costs a search .2 ms; codes save that from some 20,000 chunks on."""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """A document of a snapshot, without its text."""

    id: str
    source: str
    title: str
    digest: str
    segment: int  # index into Manifest.segments


class Snapshot:
    """See the module. Opened by :meth:`corpus.store.Store.open`.

    :raises SnapshotDamaged: when a file is missing or is not what the manifest says.
    """

    def __init__(self, store: Path, snapshot_id: str) -> None:
        self.manifest = read_manifest(store, snapshot_id)
        self.ledger = read_ledger(store, self.manifest)  # one row per source, by root and path
        self._segments = [
            Segment(store / SEGMENTS / ref.id, below(self.manifest, f"{SEGMENTS}/{ref.id}/"))
            for ref in self.manifest.segments
        ]
        self._removed = [frozenset(ref.removed) for ref in self.manifest.segments]
        self._words = self._open_words(store / SNAPSHOTS / snapshot_id / WORDS)
        self._dense, self._windows = self._open_vectors()
        gather = partial(_gather_owners, self._segments, self._removed, self._dense)
        self._filters = Filters(gather, self._dense.select)  # without a circle through this
        self._recent = RecentChunks()

    @property
    def id(self) -> str:
        """The id of what it says."""
        return self.manifest.id

    @property
    def created(self) -> str:
        """When it was published: ISO 8601, UTC."""
        return self.manifest.created

    @property
    def counts(self) -> Mapping[str, int]:
        """Documents, chunks, sources, and sources by status."""
        return self.manifest.counts

    @cached_property
    def documents(self) -> dict[str, DocumentRef]:
        """Every document by id, without texts."""
        return {
            row[0]: DocumentRef(*row, number)
            for number, segment in enumerate(self._segments)
            for row in segment.texts.digests()
            if row[0] not in self._removed[number]
        }

    @property
    def fields(self) -> KeysView[str]:
        """The fields of its documents' metadata, as conditions name them."""
        return self._filters.fields

    def allowed(self, where: Where) -> Allowed:
        """Which documents, and how many chunks, a condition allows.

        :raises corpus.globs.BadPattern: when a pattern of it means nothing.
        """
        return self._filters.allowed(where)

    def search(self, query: Query) -> tuple[Hit, ...]:
        """Find the chunks that match a query, best first.

        :raises ValueError: when the mode needs a vector and the query has none; when a pattern
            of its condition means nothing.
        """
        ranked = self._rank(query)
        chunks = self._chunks(chunk for chunk, _ in ranked)
        return tuple(
            Hit(rank, _score(scores), chunks[chunk], scores)
            for rank, (chunk, scores) in enumerate(ranked, start=1)
        )

    def document(self, document_id: str) -> Document:
        """A document with its text.

        :raises UnknownDocument: when this snapshot has none of that id.
        """
        for removed, segment in zip(self._removed, self._segments, strict=True):
            if document_id not in removed:
                document = segment.texts.document(document_id)
                if document is not None:
                    return document
        raise UnknownDocument(document_id)

    def span(self, document_id: str, start: int, end: int) -> str:
        """``document(document_id).text[start:end]``, without the rest being read.

        :raises UnknownDocument: when this snapshot has none of that id.
        """
        for removed, segment in zip(self._removed, self._segments, strict=True):
            if document_id not in removed:
                text = segment.texts.span(document_id, start, end)
                if text is not None:
                    return text
        raise UnknownDocument(document_id)

    def chunks_of(self, document_id: str) -> list[Chunk]:
        """The chunks of a document in reading order.

        :raises UnknownDocument: when this snapshot has none of that id.
        """
        return self._segments[self._ref(document_id).segment].texts.chunks_of(document_id)

    def _rank(self, query: Query) -> list[tuple[int, Scores]]:
        allowed = None if query.where is None else self.allowed(query.where)
        if allowed is not None and not allowed.chunks:
            return []
        rows, among = (allowed.rows, allowed.words) if allowed is not None else (None, None)
        if query.mode is Mode.WORDS:
            words = _by_chunk(self._words.search(query.text, query.k, among))
            return [(chunk, Scores(None, score, None)) for chunk, score in words.items()]
        if query.vector is None:
            raise ValueError(f"mode {query.mode} needs the vector of the query")
        depth = max(query.k, query.candidates)
        dense, whole = self._nearest(query, query.vector, depth, rows)
        cosines = _by_chunk(dense)
        if query.mode is Mode.DENSE:
            return [
                (chunk, Scores(cosine, None, None, whole[chunk]))
                for chunk, cosine in islice(cosines.items(), query.k)
            ]
        found = self._words.search(query.text, depth, among)
        words = _by_chunk(found)
        return [
            (chunk, Scores(cosines.get(chunk), words.get(chunk), fused, whole.get(chunk)))
            for chunk, fused in fuse(dense, found, query.dense_weight, query.k)
        ]

    def _nearest(
        self, query: Query, vector: Vectors, depth: int, among: Selection | None
    ) -> tuple[Ranked, dict[int, float]]:
        """The chunks nearest to a question, each as near as it or a part of it is; and how near
        each is as a whole.
        """
        places, cosines = self._dense.search(vector, depth, among, exact=query.exact)
        ids = self._dense.ids_of(places)
        whole = _by_chunk((ids, cosines))
        cosines = np.maximum(cosines, self._windows.best(places, vector))
        order = np.lexsort((ids, -cosines))
        return (ids[order], cosines[order]), whole

    def _chunks(self, ids: Iterable[int]) -> dict[int, Chunk]:
        wanted = {one: self._recent.get(one) for one in ids}
        found = {one: chunk for one, chunk in wanted.items() if chunk is not None}
        for segment in self._segments:
            missing = wanted.keys() - found.keys()
            if not missing:
                break
            read = segment.texts.chunks(missing)
            for chunk in read.values():
                self._recent.add(chunk)
            found |= read
        return found

    def _ref(self, document_id: str) -> DocumentRef:
        ref = self.documents.get(document_id)
        if ref is None:
            raise UnknownDocument(document_id)
        return ref

    def _open_words(self, folder: Path) -> WordIndex:
        if version_of(self.manifest.settings) != ANALYSIS:
            raise UnknownFormat(
                f"snapshot {self.id}: its words are those of another version; run `rag refresh`"
            )
        listed = below(self.manifest, f"{SNAPSHOTS}/{self.id}/{WORDS}/")
        try:
            for name, expected in listed.items():
                if record_of(folder / name) != expected:
                    raise ValueError(f"{WORDS}/{name} fails its checksum")
            return WordIndex(folder)
        except (OSError, ValueError) as error:
            raise SnapshotDamaged(f"snapshot {self.id} is damaged: {error}") from error

    def _open_vectors(self) -> tuple[Dense, Windows]:
        """The vectors of all segments, where they lie, and those of the parts of their chunks."""
        dim, parts, windows = self.manifest.fingerprint.dim, [], []
        stays = self.manifest.counts["chunks"] <= MAPPED_UP_TO
        for removed, segment in zip(self._removed, self._segments, strict=True):
            index = segment.read_vectors(stays=stays)
            live = _live(index, segment.texts.chunk_ids(removed)) if removed else None
            parts.append(Part(index, segment.read_codes(index), live))
            windows.append(segment.windows(dim, stays=stays))
        dense = Dense(parts)
        return dense, Windows(dense.layout, windows)


def _gather_owners(
    segments: Sequence[Segment], removed: Sequence[Collection[str]], dense: Dense
) -> Owners:
    """What is known of every document, and whose each chunk is; of removed ones nothing."""
    facts: list[Facts] = []
    documents = [np.empty(0, np.int32)]
    ids = [part.vectors.ids for part in dense.parts]
    for gone, segment, own in zip(removed, segments, ids, strict=True):
        known, ordinals = segment.texts.owners()
        numbers = np.full(int(ordinals.max(initial=0)) + 1, -1, np.int32)
        for one in segment.texts.facts():
            if one.id not in gone:
                if one.ordinal < len(numbers):  # it has chunks
                    numbers[one.ordinal] = len(facts)
                facts.append(one)
        documents.append(numbers[ordinals[np.searchsorted(known, own)]])
    chunks = np.concatenate([np.empty(0, np.int64), *ids])
    return Owners(Columns(facts), chunks, np.concatenate(documents))


def _live(index: VectorIndex, gone: ChunkIds) -> Choice:
    """The rows of an index whose chunks are still there."""
    return Choice(~np.isin(index.ids, gone))


def _by_chunk(found: Ranked) -> dict[int, float]:
    """Scores by chunk, best first."""
    ids, scores = found
    return dict(zip(ids.tolist(), scores.tolist(), strict=True))


def _score(scores: Scores) -> float:
    """The score of the search that was asked for."""
    return next(s for s in (scores.fused, scores.dense, scores.words) if s is not None)
