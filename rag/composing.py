"""One answer while it comes: from the pieces of an engine to events, and to the whole at last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from corpus.types import Hit
from rag.answers import (
    CANNOT_ANSWER,
    Answer,
    Dropped,
    Finish,
    FinishReason,
    Outcome,
    Passage,
    Piece,
    Prepared,
    Question,
    Thought,
    is_abstention,
)
from rag.checking.citations import AnswerWriter
from rag.events import Event, Meta, Said, Thinking
from rag.scope import Scope

_CLOSEST = 3  # hits that an abstention names


class Composer:
    """Puts one answer together. For one thread.

    :param repeated: hits that are no passages of their own.
    """

    def __init__(
        self,
        meta: Meta,
        question: Question,
        query: str,
        hits: Sequence[Hit],
        repeated: tuple[Dropped, ...],
    ) -> None:
        self._meta, self._question, self._query = meta, question, query
        self._hits, self._repeated = tuple(hits), repeated
        self._engine, self._model, self._degraded = meta.engine, meta.model, ""
        self._dropped: tuple[Dropped, ...] = ()
        self._finish = Finish(FinishReason.STOP, 0, 0)
        self._thoughts: list[str] = []
        self._writer = AnswerWriter(())
        self.shown: tuple[Passage, ...] = ()

    @property
    def has_said(self) -> bool:
        """Whether any of the answer has been given away."""
        return bool(self._writer.text)

    def stand_in(self, engine: str, reason: str) -> None:
        """Another engine makes the answer from here on; nothing may have been said."""
        self._engine, self._model, self._degraded = engine, None, reason

    def compose(self, prepared: Prepared, scope: Scope) -> Iterator[Event]:
        """Have the answer generated, and yield what it says.

        :raises EngineFailed, GivenUp: what the engine raised.
        """
        self.shown = prepared.shown
        self._dropped = self._repeated + prepared.dropped
        self._finish = Finish(FinishReason.STOP, 0, 0)
        self._thoughts.clear()
        self._writer = AnswerWriter(prepared.shown, strict=self._question.strict)
        for piece in prepared.generate(scope):
            yield from self._take(piece)
        yield from self._writer.finish()
        if not self._writer.text.strip():
            yield Said(CANNOT_ANSWER)

    def answer(self, timings_ms: Mapping[str, float]) -> Answer:
        """The whole answer, once all of it has been composed."""
        writer = self._writer
        text = writer.text if writer.text.strip() else CANNOT_ANSWER
        abstained = is_abstention(text)
        return Answer(
            id=self._meta.id,
            outcome=Outcome.ABSTAINED if abstained else Outcome.ANSWERED,
            text=text,
            citations=tuple(writer.citations),
            engine=self._engine,
            model=self._model,
            snapshot=self._meta.snapshot,
            closest=self._hits[:_CLOSEST] if abstained else (),
            passages_used=len(self.shown),
            timings_ms=dict(timings_ms),
            passages_dropped=self._dropped,
            finish=self._finish,
            degraded=self._degraded,
            query=self._query if self._query != self._question.text else "",
            thoughts="".join(self._thoughts),
            uncited=() if abstained else writer.uncited(),
            unknown_citations=writer.unknown_citations,
            withheld=writer.withheld,
            note=self._meta.note,
        )

    def _take(self, piece: Piece) -> Iterator[Event]:
        if isinstance(piece, Finish):
            self._finish = piece
        elif isinstance(piece, Thought):
            self._thoughts.append(piece.text)
            yield Thinking(piece.text)
        else:
            yield from self._writer.add(piece)
