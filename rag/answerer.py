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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from corpus.embedding import Encoder
from corpus.errors import BadRequest, EngineFailed
from corpus.legibility import legibility
from corpus.settings import RetrievalSettings
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query
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
from rag.scope import Scope

log = logging.getLogger(__name__)

_CONDENSE_S = 5.0  # for rewriting a question; it is searched for with more words otherwise


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits and the snapshot they come from."""

    snapshot: SnapshotInfo
    hits: tuple[Hit, ...]
    timings_ms: dict[str, float]  # embed, search, total


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
    """

    def __init__(
        self,
        live: Corpus,
        encoder: Encoder,
        engines: Sequence[Engine],
        retrieval: RetrievalSettings,
        fallback: str = "extractive",
    ) -> None:
        self._live, self._encoder = live, encoder
        self._engines: Mapping[str, Engine] = {engine.name: engine for engine in engines}
        self._retrieval = retrieval
        self._fallback = self._engines.get(fallback)

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
        self, text: str, k: int, mode: Mode = Mode.HYBRID, snapshot_name: str | None = None
    ) -> SearchResult:
        """Find the chunks that match a text, best first.

        :param snapshot_name: id or tag of the snapshot to search; None: the current one.
        :raises CorpusError: when there is no such snapshot, or it cannot be searched.
        """
        snapshot = self._live.get(snapshot_name)
        watch = _Watch()
        hits = self._search(snapshot, text, k, mode, watch)
        return SearchResult(self._live.info(snapshot), hits, watch.laps())

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
        query = self._query(question, chosen, scope or Scope(), watch)
        hits = self._search(snapshot, query, question.k, Mode.HYBRID, watch)
        shown, dropped = passaging.build(hits)
        prepared = chosen.prepare(_as_asked(question, query, chosen), shown)
        watch.lap("prompt")
        return Explanation(
            chosen.name,
            chosen.model,
            self._live.info(snapshot),
            query,
            hits,
            prepared.shown,
            (*dropped, *prepared.dropped),
            prepared,
            watch.laps(),
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
        :raises BadRequest: when there is no engine of that name, or the question leaves the
            model no room.
        :raises CorpusError: when there is no such snapshot, or it cannot be searched.
        :raises EngineFailed: when the engine broke and no other can stand in for it.
        :raises GivenUp: when the scope was cancelled.
        """
        chosen, snapshot = self._engine(engine), self._live.get(question.snapshot)
        scope, watch = scope or Scope(), _Watch()
        info = self._live.info(snapshot)
        meta = Meta(f"ans-{uuid.uuid4().hex}", chosen.name, chosen.model, info)
        yield meta
        query = self._query(question, chosen, scope, watch)
        if query != question.text:
            yield Asked(query)
        hits = self._search(snapshot, query, question.k, Mode.HYBRID, watch)
        found, repeated = passaging.build(hits)
        composer = Composer(meta, question, query, hits, repeated)
        try:
            prepared = chosen.prepare(_as_asked(question, query, chosen), found)
            yield Found(prepared.shown)
            yield from composer.compose(prepared, scope)
        except EngineFailed as error:
            stand_in = self._stand_in(chosen, error, said=shows and composer.has_said)
            if not composer.shown:
                yield Found(found)
            yield Degraded(stand_in.name, str(error))
            composer.stand_in(stand_in.name, str(error))
            asked = _as_asked(question, query, stand_in)
            again = stand_in.prepare(asked, composer.shown or found)
            yield from composer.compose(again, Scope())
        watch.lap("generate")
        yield Done(composer.answer(watch.laps()))

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

    def _search(
        self, snapshot: Snapshot, text: str, k: int, mode: Mode, watch: _Watch
    ) -> tuple[Hit, ...]:
        vector = None if mode is Mode.WORDS else self._encoder.encode_query(text)
        watch.lap("embed")
        settings = self._retrieval
        weight = settings.dense_weight * legibility(text, self._encoder.tokens)
        query = Query(text, vector, k, mode, settings.candidates, weight)
        hits = snapshot.search(query)
        watch.lap("search")
        return hits


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
        self._laps[name] = round((now - self._last) * 1000, 3)
        self._last = now

    def laps(self) -> dict[str, float]:
        """Milliseconds by part, and in total."""
        return {**self._laps, "total": round((time.perf_counter() - self._began) * 1000, 3)}
