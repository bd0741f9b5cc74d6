"""A question's way to its answer: understand, embed, search, show, generate, check.

One snapshot, taken at the start, serves all of it, whatever is published meanwhile. An
engine that is not there, or breaks before it has said anything, is stood in for by the
first engine that needs nothing but the passages; the answer says so.
"""

from __future__ import annotations

import copy
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from corpus.embedding import Encoder
from corpus.errors import BadRequest, EngineFailed
from corpus.legibility import legibility
from corpus.settings import RetrievalSettings
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query
from corpus.where import Where
from rag import followups
from rag import passages as passaging
from rag.answers import (
    Answer,
    Dropped,
    Engine,
    Passage,
    Prepared,
    Question,
    SnapshotInfo,
)
from rag.composing import Composer
from rag.events import Asked, Degraded, Done, Event, Found, Meta
from rag.filters.effect import Effect, effect_of
from rag.filters.filter import Filter
from rag.reranking import Reranker, Reranking
from rag.scope import Scope

log = logging.getLogger(__name__)

_DEEPEST = 400  # hits that are looked through for passages
_CONDENSE_S = 5.0  # for rewriting a question; it is searched for with more words otherwise


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits and the snapshot they come from."""

    snapshot: SnapshotInfo
    hits: tuple[Hit, ...]
    # Embed, search, total; filter and rerank where there is a filter, a reranker.
    timings_ms: dict[str, float]
    where: Effect | None = None  # of the filter, if there was one
    rerank: Reranking | None = None  # None: there is no reranker, or the mode is not hybrid


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything up to generation: what was found, and what would be sent."""

    engine: str
    model: str | None
    snapshot: SnapshotInfo
    query: str  # what was searched for
    hits: tuple[Hit, ...]
    shown: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]
    prepared: Prepared
    timings_ms: dict[str, float]
    where: Effect | None = None  # of the filter, if there was one
    rerank: Reranking | None = None  # None: there is no reranker


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a question found."""

    hits: tuple[Hit, ...]  # all that were looked at
    passages: tuple[Passage, ...]
    left: tuple[Dropped, ...]  # hits that are in no passage
    rerank: Reranking | None


class Corpus(Protocol):
    """Where the snapshot that answers comes from; :class:`rag.live.LiveCorpus` keeps it."""

    def get(self, wanted: str | None = None) -> Snapshot:
        """The snapshot that answers, or the one that is asked for."""

    def info(self, snapshot: Snapshot) -> SnapshotInfo:
        """How an answer names the snapshot it rests on."""


class Answerer:
    """Answers questions from a live corpus. Safe to share between threads.

    :param engines: by name; the first is the default.
    :param fallback: the name of the engine that stands in for others; it prompts no model.
    :param reranker: puts the best hits into a better order; None leaves them as found.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is put together from
        self,
        live: Corpus,
        encoder: Encoder,
        engines: Sequence[Engine],
        retrieval: RetrievalSettings,
        fallback: str = "extractive",
        reranker: Reranker | None = None,
    ) -> None:
        self._live, self._encoder = live, encoder
        self._engines: Mapping[str, Engine] = {engine.name: engine for engine in engines}
        self._retrieval = retrieval
        self._fallback = self._engines.get(fallback)
        self._reranker = reranker

    def warm_up(self) -> None:
        """Load what the first question would have to wait for."""
        if self._reranker is not None:
            self._reranker.warm_up()

    @property
    def engines(self) -> Sequence[str]:
        """Names of the engines that can be asked for; the first is the default."""
        return list(self._engines)

    def over(self, corpus: Corpus) -> Answerer:
        """The same way of answering, over another corpus."""
        other = copy.copy(self)
        other._live = corpus
        return other

    def search(
        self,
        text: str,
        k: int,
        mode: Mode = Mode.HYBRID,
        snapshot_name: str | None = None,
        where: Filter | None = None,
    ) -> SearchResult:
        """Find the chunks that match a text, best first.

        :param snapshot_name: id or tag of the snapshot to search; None: the current one.
        :param where: which documents are searched; None: all.
        :raises BadRequest: when the filter names a field that no document has.
        :raises CorpusError: when there is no such snapshot, or it cannot be searched.
        """
        snapshot = self._live.get(snapshot_name)
        watch = _Watch()
        effect = _effect(where, snapshot, watch)
        wanted = Query(text, None, k, mode, where=_tree(where))
        hits, rerank = self._ranked(snapshot, wanted, watch)
        return SearchResult(self._live.info(snapshot), hits[:k], watch.laps(), effect, rerank)

    def answer(
        self, question: Question, engine: str | None = None, scope: Scope | None = None
    ) -> Answer:
        """Answer a question at once; see :meth:`stream`."""
        *_, last = self.stream(question, engine, scope, shows=False)
        if not isinstance(last, Done):
            raise RuntimeError("an answer ended without its last event")
        return last.answer

    def explain(
        self, question: Question, engine: str | None = None, scope: Scope | None = None
    ) -> Explanation:
        """Do everything that comes before generating, and show it.

        :raises BadRequest, CorpusError: as :meth:`stream`.
        :raises EngineFailed: when the engine does not know its model's prompt format yet.
        """
        chosen, watch = self._engine(engine), _Watch()
        snapshot = self._live.get(question.snapshot)
        effect = _effect(question.where, snapshot, watch)
        query = self._query(question, chosen, scope or Scope(), watch)
        found = self._find(snapshot, _wanted(question, query), watch)
        prepared = chosen.prepare(_as_asked(question, query, chosen), found.passages)
        watch.lap("prompt")
        return Explanation(
            chosen.name,
            chosen.model,
            self._live.info(snapshot),
            query,
            found.hits,
            prepared.shown,
            (*found.left, *prepared.dropped),
            prepared,
            watch.laps(),
            effect,
            rerank=found.rerank,
        )

    def stream(
        self,
        question: Question,
        engine: str | None = None,
        scope: Scope | None = None,
        *,
        shows: bool = True,
    ) -> Iterator[Event]:
        """Answer a question step by step: see :mod:`rag.events`. Meta first, Done last.

        :param shows: whether the caller shows what is said as it comes. What was shown cannot
            be unsaid; without, another engine can stand in to the end.
        :raises BadRequest: when there is no engine of that name, the question leaves the
            model no room, or the filter names a field that no document has.
        :raises CorpusError: when there is no such snapshot, or it cannot be searched.
        :raises EngineFailed: when the engine broke and no other can stand in for it.
        :raises GivenUp: when the scope was cancelled.
        """
        chosen, snapshot = self._engine(engine), self._live.get(question.snapshot)
        scope, watch = scope or Scope(), _Watch()
        effect = _effect(question.where, snapshot, watch)
        info = self._live.info(snapshot)
        note = effect.note if effect else ""
        meta = Meta(f"ans-{uuid.uuid4().hex}", chosen.name, chosen.model, info, note)
        yield meta
        query = self._query(question, chosen, scope, watch)
        if query != question.text:
            yield Asked(query)
        found = self._find(snapshot, _wanted(question, query), watch)
        composer = Composer(meta, question, query, found.hits, found.left)
        try:
            prepared = chosen.prepare(_as_asked(question, query, chosen), found.passages)
            yield Found(prepared.shown)
            yield from composer.compose(prepared, scope)
        except EngineFailed as error:
            stand_in = self._stand_in(chosen, error, said=shows and composer.has_said)
            if not composer.shown:
                yield Found(found.passages)
            yield Degraded(stand_in.name, str(error))
            composer.stand_in(stand_in.name, str(error))
            asked = _as_asked(question, query, stand_in)
            again = stand_in.prepare(asked, composer.shown or found.passages)
            yield from composer.compose(again, Scope())
        watch.lap("generate")
        yield Done(replace(composer.answer(watch.laps()), rerank=found.rerank))

    def _stand_in(self, chosen: Engine, error: EngineFailed, *, said: bool) -> Engine:
        """The engine that answers in place of a broken one, as long as nothing was said.

        :raises EngineFailed: the error itself, where none can.
        """
        if self._fallback is None or chosen is self._fallback or said:
            raise error
        log.info("%s stands in for %s: %s", self._fallback.name, chosen.name, error)
        return self._fallback

    def _query(self, question: Question, engine: Engine, scope: Scope, watch: _Watch) -> str:
        """What to search for: the question, or the one that it means after what was said."""
        if not followups.needs_history(question.text, question.history):
            return question.text
        condensed = None
        with suppress(EngineFailed), scope.within(_CONDENSE_S) as shorter:
            condensed = followups.usable(engine.condense(question, shorter))
        watch.lap("condense")
        return condensed or followups.joined(question)

    def _engine(self, name: str | None) -> Engine:
        if name is None:
            return next(iter(self._engines.values()))
        if name not in self._engines:
            raise BadRequest(
                f"there is no engine {name!r}; this service has {', '.join(self._engines)}",
                "engine",
            )
        return self._engines[name]

    def _find(self, snapshot: Snapshot, wanted: Query, watch: _Watch) -> _Finding:
        """Search, and choose passages; deeper where too many hits say the same."""
        k, asked = wanted.k, wanted.text
        more = replace(wanted, k=k + k // 2 + 2)
        hits, rerank = self._ranked(snapshot, more, watch)
        passages, left = passaging.build(hits, k, asked=asked, between=snapshot.span)
        while len(passages) < k and more.k <= len(hits) < _DEEPEST:
            more = replace(wanted, k=min(4 * len(hits), _DEEPEST))
            hits = _followed(hits, self._search(snapshot, more, watch))
            passages, left = passaging.build(hits, k, asked=asked, between=snapshot.span)
        looked_at = sum(len(one.hits) for one in passages) + len(left)
        most = max(looked_at, rerank.candidates if rerank else 0)
        return _Finding(hits[:most], passages, left, rerank)

    def _ranked(
        self, snapshot: Snapshot, wanted: Query, watch: _Watch
    ) -> tuple[tuple[Hit, ...], Reranking | None]:
        """Search, and rerank where there is a reranker: as many hits as wanted, or more."""
        if self._reranker is None or wanted.mode is not Mode.HYBRID:
            return self._search(snapshot, wanted, watch), None
        deep = replace(wanted, k=max(wanted.k, self._reranker.depth))
        found = self._search(snapshot, deep, watch)
        hits, told = self._reranker.rerank(wanted.text, found)
        watch.lap("rerank")
        return hits, told

    def _search(self, snapshot: Snapshot, wanted: Query, watch: _Watch) -> tuple[Hit, ...]:
        query = wanted if wanted.mode is Mode.WORDS else self._embedded(wanted)
        watch.lap("embed")
        hits = snapshot.search(query)
        watch.lap("search")
        return hits

    def _embedded(self, wanted: Query) -> Query:
        """A query with the vector of its text, and what the settings say of vectors."""
        settings, text = self._retrieval, wanted.text
        legible = legibility(text, self._encoder.tokens)
        return replace(
            wanted,
            vector=self._encoder.encode_query(text),
            candidates=settings.candidates,
            exact=settings.index == "exact",
            dense_weight=settings.dense_weight * legible,
        )


def _effect(where: Filter | None, snapshot: Snapshot, watch: _Watch) -> Effect | None:
    """What a filter comes to; decided here, so that searching finds it decided."""
    effect = effect_of(where, snapshot)
    if effect is not None:
        watch.lap("filter")
    return effect


def _tree(where: Filter | None) -> Where | None:
    """A filter as a snapshot takes it."""
    return None if where is None else where.where


def _wanted(question: Question, query: str) -> Query:
    """What a question asks of a snapshot."""
    return Query(query, None, question.k, where=_tree(question.where))


def _followed(hits: tuple[Hit, ...], deeper: Iterable[Hit]) -> tuple[Hit, ...]:
    """Hits, and after them those that only a deeper search has."""
    known = {hit.chunk.id for hit in hits}
    more = [hit for hit in deeper if hit.chunk.id not in known]
    return hits + tuple(replace(hit, rank=len(hits) + at) for at, hit in enumerate(more, start=1))


def _as_asked(question: Question, query: str, engine: Engine) -> Question:
    """The question for an engine: one without a model does not read what was said before."""
    return question if engine.model is not None else replace(question, text=query)


class _Watch:
    """Times the parts of one request."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        before = self._laps.get(name, 0.0)
        self._laps[name] = round(before + (now - self._last) * 1000, 3)
        self._last = now

    def laps(self) -> dict[str, float]:
        """Milliseconds by part, and in total."""
        return {**self._laps, "total": round((time.perf_counter() - self._began) * 1000, 3)}
