"""Questions, passages and answers: the value types of the answering wing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from corpus.types import Chunk, Hit, Scores


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller asks."""

    text: str
    k: int  # chunks retrieved


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a passage, by its offsets into the document's text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit as it is shown to an engine: numbered, its sentences numbered within it."""

    number: int  # from 1, by rank
    chunk: Chunk
    score: float  # fused score of the hit
    scores: Scores
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Cite:
    """An engine's claim that what it just said rests on one sentence of one passage."""

    passage: int  # Passage.number
    sentence: int  # from 1; index into Passage.sentences plus one


Piece = str | Cite

CANNOT_ANSWER = "The documents do not say."
"""What an engine says, alone, where the passages do not hold the answer."""


class Engine(Protocol):
    """What turns a question and its passages into text."""

    @property
    def name(self) -> str:
        """``extractive``, ``vllm``: what the caller asks for and the answer states."""

    @property
    def model(self) -> str | None:
        """The generative model, where one is used."""

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        """Yield text and citations in reading order, or :data:`CANNOT_ANSWER` alone.

        A citation follows the text that it supports.

        :raises corpus.errors.EngineFailed: when no answer could be produced.
        """


class Verdict(StrEnum):
    """What checking a citation against the cited characters found."""

    VERBATIM = "verbatim"  # the claim is the cited text, word for word
    SUPPORTED = "supported"  # every number, date and name of the claim stands in the span
    PARTIAL = "partial"  # some of them do
    UNSUPPORTED = "unsupported"  # none does
    UNCHECKED = "unchecked"  # the claim holds nothing that could be checked; not a pass


@dataclass(frozen=True, slots=True)
class Citation:
    """A marker in the answer and the characters it opens.

    Invariant: ``quote == document.text[start:end]``.
    """

    marker: str  # "1" for [1]
    document_id: str
    title: str
    start: int
    end: int
    quote: str
    headings: tuple[str, ...]
    page: int | None
    score: float  # of the passage it stands in
    verdict: Verdict
    answer_start: int  # the claim, as a span of Answer.text
    answer_end: int


class Outcome(StrEnum):
    """Both are successes."""

    ANSWERED = "answered"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """Which state of the corpus answered."""

    id: str
    created: str  # ISO 8601, UTC
    age_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and everything needed to trust it or not."""

    id: str
    outcome: Outcome
    text: str
    citations: tuple[Citation, ...]
    engine: str
    model: str | None
    snapshot: SnapshotInfo
    closest: tuple[Hit, ...]  # on abstention: what came nearest
    passages_used: int
    timings_ms: dict[str, float] = field(default_factory=dict)  # embed, search, generate, total
