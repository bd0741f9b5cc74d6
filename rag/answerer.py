"""A question's way to its answer: embed, search, show, generate, check.

One snapshot, taken at the start, serves all of it, whatever is published meanwhile.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from corpus.embedding import Encoder
from corpus.errors import BadRequest
from corpus.settings import RetrievalSettings
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query
from rag import passages as passaging
from rag.answers import (
    CANNOT_ANSWER,
    Answer,
    Citation,
    Engine,
    Outcome,
    Passage,
    Question,
    SnapshotInfo,
)
from rag.citations import AnswerWriter
from rag.live import LiveCorpus, info_of

_CLOSEST = 3  # hits that an abstention names


@dataclass(frozen=True, slots=True)
class Meta:
    """First event of an answer: what will produce it."""

    id: str
    engine: str
    model: str | None
    snapshot: SnapshotInfo


@dataclass(frozen=True, slots=True)
class Found:
    """What the engine is shown."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """More text of the answer, markers included."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation whose marker was just said."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Done:
    """Last event: the whole answer."""

    answer: Answer


Event = Meta | Found | Said | Cited | Done


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits and the snapshot they come from."""

    snapshot: SnapshotInfo
    hits: tuple[Hit, ...]
    timings_ms: dict[str, float]  # embed, search, total


class Answerer:
    """Answers questions from a live corpus. Safe to share between threads.

    :param engines: by name; the first is the default.
    """

    def __init__(
        self,
        live: LiveCorpus,
        encoder: Encoder,
        engines: Sequence[Engine],
        retrieval: RetrievalSettings,
    ) -> None:
        self._live, self._encoder = live, encoder
        self._engines: Mapping[str, Engine] = {engine.name: engine for engine in engines}
        self._retrieval = retrieval

    @property
    def engines(self) -> Sequence[str]:
        """Names of the engines that can be asked for; the first is the default."""
        return list(self._engines)

    def search(self, text: str, k: int, mode: Mode = Mode.HYBRID) -> SearchResult:
        """Find the chunks that match a text, best first.

        :raises CorpusError: when there is no snapshot that can be searched.
        """
        snapshot = self._live.get()
        watch = _Watch()
        hits = self._search(snapshot, text, k, mode, watch)
        return SearchResult(info_of(snapshot), hits, watch.laps())

    def answer(self, question: Question, engine: str | None = None) -> Answer:
        """Answer a question at once; see :meth:`stream`."""
        *_, last = self.stream(question, engine)
        if not isinstance(last, Done):
            raise RuntimeError("an answer ended without its last event")
        return last.answer

    def stream(self, question: Question, engine: str | None = None) -> Iterator[Event]:
        """Answer a question step by step: Meta, Found, Said and Cited in turn, Done.

        :raises BadRequest: when there is no engine of that name.
        :raises CorpusError: when there is no snapshot that can be searched.
        :raises EngineFailed: when the engine broke.
        """
        chosen = self._engine(engine)
        snapshot = self._live.get()
        watch = _Watch()
        meta = Meta(f"ans-{uuid.uuid4().hex}", chosen.name, chosen.model, info_of(snapshot))
        yield meta
        hits = self._search(snapshot, question.text, question.k, Mode.HYBRID, watch)
        shown = passaging.build(hits)
        yield Found(shown)
        writer = AnswerWriter(shown)
        for piece in chosen.generate(question, shown):
            added, citation = writer.add(piece)
            if added:
                yield Said(added)
            if citation is not None:
                yield Cited(citation)
        watch.lap("generate")
        abstained = writer.text.strip() in ("", CANNOT_ANSWER)
        yield Done(
            Answer(
                id=meta.id,
                outcome=Outcome.ABSTAINED if abstained else Outcome.ANSWERED,
                text=writer.text,
                citations=tuple(writer.citations),
                engine=meta.engine,
                model=meta.model,
                snapshot=meta.snapshot,
                closest=hits[:_CLOSEST] if abstained else (),
                passages_used=len(shown),
                timings_ms=watch.laps(),
            )
        )

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
        query = Query(text, vector, k, mode, settings.candidates, settings.dense_weight)
        hits = snapshot.search(query)
        watch.lap("search")
        return hits


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
