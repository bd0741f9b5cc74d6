"""Asks questions, several at once where that helps, and takes what comes as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from corpus.errors import AnswerError
from rag.answerer import Answerer
from rag.answers import Answer, Passage, Question
from rag.events import Done, Found
from rag.scope import Scope


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a question."""

    answer: Answer | None  # None where it failed
    passages: tuple[Passage, ...] = ()  # that the engine was shown
    error: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are asked."""

    snapshot: str  # id
    engine: str | None  # None: the first
    k: int
    deadline_s: float
    parallel: int  # questions at once: worth it for an engine that waits for a server

    def replies(self, questions: Iterable[tuple[Answerer, str]]) -> Iterator[Reply]:
        """What comes of each question, in order; an error is a reply too."""
        with ThreadPoolExecutor(self.parallel) as pool:
            yield from pool.map(lambda one: self._reply(*one), questions)

    def _reply(self, answerer: Answerer, text: str) -> Reply:
        question = Question(text, self.k, snapshot=self.snapshot)
        passages: tuple[Passage, ...] = ()
        try:
            scope = Scope(self.deadline_s)
            for event in answerer.stream(question, self.engine, scope, shows=False):
                if isinstance(event, Found):
                    passages = event.passages
                elif isinstance(event, Done):
                    return Reply(event.answer, passages)
        except AnswerError as error:
            return Reply(None, error=str(error))
        raise RuntimeError("an answer ended without its last event")
