"""The engine that needs no model: it answers with sentences of the documents, word for word.

It quotes the few sentences that best answer the question, or says that the documents do
not. It cannot put two facts together, count, or compare; its answers are as exact as the
documents are, and it cannot make anything up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from rag.answers import CANNOT_ANSWER, Cite, Passage, Piece, Prepared, Question
from rag.evidence import Candidate, candidates, confidence
from rag.scope import Scope


@dataclass(frozen=True, slots=True)
class Quoting:
    """How much is quoted, and how sure it must be. Measured: docs/log.md."""

    max_quotes: int = 3
    margin: float = 3.0  # a sentence is quoted when it scores at most this below the best
    min_confidence: float = 0.5  # below it the answer is that the documents do not say


class ExtractiveEngine:
    """Quotes. The same question and passages always give the same answer."""

    def __init__(self, quoting: Quoting | None = None) -> None:
        self._quoting = quoting or Quoting()

    @property
    def name(self) -> str:
        """What the caller asks for and the answer states."""
        return "extractive"

    @property
    def model(self) -> str | None:
        """None is used."""
        return None

    def condense(self, question: Question, scope: Scope) -> str | None:
        """It rewrites nothing."""
        return None

    def prepare(self, question: Question, passages: Sequence[Passage]) -> Prepared:
        """Show all passages; there is no prompt."""
        shown = tuple(passages)
        return Prepared(shown, partial(self._quote, question, shown))

    def _quote(self, question: Question, passages: Sequence[Passage], _: Scope) -> Iterator[Piece]:
        """Yield each chosen sentence and its citation, or :data:`CANNOT_ANSWER` alone.

        The passage with the best sentence comes first; sentences of one passage follow
        each other as they do in the document, because that is how they were written to be
        read.
        """
        ranked = candidates(question.text, passages)
        if not ranked or self._doubts(question, passages, ranked[0]):
            yield CANNOT_ANSWER
            return
        for number, chosen in enumerate(_as_read(self._choose(ranked))):
            passage = passages[chosen.passage]
            if number:
                yield "\n"
            yield passage.sentences[chosen.sentence].text
            yield Cite(passage.number, chosen.sentence + 1)

    def _doubts(self, question: Question, passages: Sequence[Passage], best: Candidate) -> bool:
        return confidence(question.text, passages, best) < self._quoting.min_confidence

    def _choose(self, ranked: Sequence[Candidate]) -> list[Candidate]:
        """The best few that say different things and are not far behind the first."""
        floor = ranked[0].score - self._quoting.margin
        distinct: dict[tuple[str, ...], Candidate] = {}
        for candidate in takewhile(lambda one: one.score >= floor, ranked):
            distinct.setdefault(candidate.terms, candidate)
        return list(distinct.values())[: self._quoting.max_quotes]


def _as_read(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Passages in the order of their best sentence, sentences in the order of the text."""
    order = list(dict.fromkeys(candidate.passage for candidate in chosen))
    return sorted(chosen, key=lambda one: (order.index(one.passage), one.sentence))
