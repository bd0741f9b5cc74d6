"""The best hits in a better order: a cross-encoder reads each with the question.

It may take so long and no longer. Hits are scored in batches, the best first; when the time
is spent, what has no score stands below what has one, in the order in which it was found.
Whatever fails leaves the order in which hits were found, and a note: never an error.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from corpus.settings import RetrievalSettings
from corpus.types import Chunk, Hit

log = logging.getLogger(__name__)

_FIRST, _BATCH = 4, 16  # pairs scored at once: while nothing is known of their pace; at most
_WARM = ("How many days of leave do I get?", "Everyone gets 25 days of leave a year. " * 8)


class Scorer(Protocol):
    """What can say how well texts answer a question."""

    @property
    def name(self) -> str:
        """As the settings name it."""

    def load(self) -> None:
        """Get ready, where it is not: may take seconds, and may fail."""

    def score(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """A number for each text, the higher the better."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """What became of the hits of one question."""

    model: str
    candidates: int  # hits that were to be scored
    scored: int
    ended_by_budget: bool  # the time was spent before all were scored
    ms: float
    note: str = ""  # why the hits stand as they were found; empty where they do not


class Reranker:
    """Puts hits into a better order. One model, which threads use in turns, a batch each.

    :param clock: seconds, for tests.
    """

    def __init__(
        self,
        scorer: Scorer,
        settings: RetrievalSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._scorer, self._clock = scorer, clock
        self._budget_s = settings.rerank_budget_ms / 1000
        self.depth = settings.rerank_depth
        self._turn = threading.Lock()
        self._ready, self._refusal = False, ""
        self._pace = 0.0  # seconds a pair; 0: not known

    def warm_up(self) -> None:
        """Load the model and score something, so that no question waits for it."""
        if self._prepare():
            return
        with self._turn:
            try:
                self._timed(_WARM[0], [_WARM[1]] * _FIRST)
                self._timed(_WARM[0], [_WARM[1]] * _FIRST)  # the first one is slower
            except Exception as error:  # noqa: BLE001 - of the libraries; the service starts
                log.warning("%s", _failed(error))

    def rerank(self, question: str, hits: Sequence[Hit]) -> tuple[tuple[Hit, ...], Reranking]:
        """The hits in the new order, numbered anew.

        :param hits: best first; those beyond the depth stay where they are.
        """
        refusal = self._prepare()
        began = self._clock()
        wanted = hits[: self.depth]
        scores: list[float] = []
        note = refusal
        if not note:
            try:
                scores = self._scores(question, wanted, began + self._budget_s)
            except Exception as error:  # noqa: BLE001 - of the libraries; there is an order anyway
                note = _failed(error)
                log.warning("%s", note)
        told = Reranking(
            self._scorer.name,
            len(wanted),
            len(scores),
            not note and len(scores) < len(wanted),
            round((self._clock() - began) * 1000, 3),
            note,
        )
        return (tuple(hits) if note else _ordered(hits, scores)), told

    def _prepare(self) -> str:
        """Have the model loaded; why that cannot be, where it cannot. Tried once."""
        if not (self._ready or self._refusal):
            with self._turn:
                if not (self._ready or self._refusal):
                    try:
                        self._scorer.load()
                        self._ready = True
                    except Exception as error:  # noqa: BLE001 - as above
                        self._refusal = _failed(error)
                        log.warning("%s", self._refusal)
        return self._refusal

    def _scores(self, question: str, hits: Sequence[Hit], until: float) -> list[float]:
        """Scores of as many hits as there is time for, the best first."""
        scores: list[float] = []
        while len(scores) < len(hits):
            if not self._turn.acquire(timeout=max(0.0, until - self._clock())):
                break
            try:
                size = self._size(until - self._clock(), first=not scores)
                if not size:
                    break
                batch = hits[len(scores) : len(scores) + size]
                scores += self._timed(question, [_as_embedded(one.chunk) for one in batch])
            finally:
                self._turn.release()
        return scores

    def _size(self, left_s: float, *, first: bool) -> int:
        """Pairs that can be scored in the time that is left.

        The first batch has one pair at least, whatever is known of the pace: it may be that
        the machine was busy when that was measured.
        """
        if left_s <= 0:
            return 0
        fitting = int(left_s / self._pace) if self._pace else _FIRST
        return min(_BATCH, max(fitting, 1 if first else 0))

    def _timed(self, question: str, texts: Sequence[str]) -> list[float]:
        began = self._clock()
        scores = [float(score) for score in self._scorer.score(question, texts)]
        self._pace = (self._clock() - began) / len(texts)
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ValueError(
                f"it gave {scores[:3]}… for {len(texts)} texts, expected a number each"
            )
        return scores


def _ordered(hits: Sequence[Hit], scores: Sequence[float]) -> tuple[Hit, ...]:
    """Those with a score by it, equal ones as they were found; then the others."""
    scored = [
        replace(hit, scores=replace(hit.scores, rerank=score))
        for hit, score in zip(hits, scores, strict=False)
    ]
    best = sorted(zip(scores, scored, strict=True), key=lambda pair: -pair[0])
    ordered = [hit for _, hit in best] + list(hits[len(scores) :])
    return tuple(
        replace(hit, rank=rank, fused_rank=hit.rank) for rank, hit in enumerate(ordered, start=1)
    )


def _as_embedded(chunk: Chunk) -> str:
    """A chunk under its title and headings, which often say what it is about."""
    return f"{' > '.join((chunk.title, *chunk.headings))}\n{chunk.text}"


def _failed(error: Exception) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    return f"hits stand in the order in which they were found, the reranker failed: {told}"
