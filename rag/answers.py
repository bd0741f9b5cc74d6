"""Questions, passages and answers: the value types of the answering wing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from corpus.types import Chunk, Hit, Scores
from rag.filters.filter import Filter
from rag.prompt.types import Prompt, Stops
from rag.reranking import Reranking
from rag.scope import Scope


class Speaker(StrEnum):
    """Who said something earlier in the conversation."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said before the question."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. ``None``: as the settings or the model's own defaults say."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


class Style(StrEnum):
    """How a generated answer reads."""

    CONCISE = "concise"
    DETAILED = "detailed"
    QUOTES_FIRST = "quotes_first"  # quotes, then the answer
    QUOTES = "quotes"  # sentences of the passages and nothing else, held to it by the decoder


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller asks, and how it shall be answered."""

    text: str
    k: int  # passages shown at most
    history: tuple[Turn, ...] = ()  # oldest first
    sampling: Sampling = Sampling()
    style: Style | None = None  # None: the setting's
    strict: bool = False  # say only what its citations hold up
    adapter: str | None = None  # name of a LoRA adapter; None: the model as it is
    snapshot: str | None = None  # id or tag of what answers; None: the current one
    where: Filter | None = None  # which documents are searched; None: all


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a passage, by its offsets into the document's text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit, or neighbours as one, as an engine is shown them: numbered, with its sentences."""

    number: int  # from 1, by rank
    chunk: Chunk
    score: float  # fused score of the hit
    scores: Scores
    sentences: tuple[Sentence, ...]
    hits: tuple[Hit, ...] = ()  # it shows, best first; several where neighbours were put together


@dataclass(frozen=True, slots=True)
class Cite:
    """An engine's claim that what it just said rests on one sentence of one passage."""

    passage: int  # Passage.number
    sentence: int | None  # from 1; index into Passage.sentences plus one. None: the whole passage


@dataclass(frozen=True, slots=True)
class Thought:
    """What a model said to itself before it answered. Never part of the answer."""

    text: str


class FinishReason(StrEnum):
    """Why an engine stopped."""

    STOP = "stop"  # it had said what it had to say
    LENGTH = "length"  # it had used up the tokens it was given
    DEADLINE = "deadline"  # the time was over; what was said so far stands


@dataclass(frozen=True, slots=True)
class Finish:
    """Last piece of a generated answer: why it ended, and what it cost."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


Piece = str | Cite | Thought | Finish

CANNOT_ANSWER = "The documents do not say."
"""What an engine says, alone, where the passages do not hold the answer."""

_AROUND = " \t\r\n.!\"'“”‘’*`"


def is_abstention(text: str) -> bool:
    """Whether an answer says nothing but that the documents do not say."""
    return text.strip(_AROUND).casefold() in ("", CANNOT_ANSWER.strip(_AROUND).casefold())


@dataclass(frozen=True, slots=True)
class Dropped:
    """A passage that was found and not shown."""

    document_id: str
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class SamplingValue:
    """One value that the engine is sent, and who set it."""

    value: object
    origin: str  # "request", "settings", "model" (its generation config), "default"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a model is sent: the whole of it."""

    prompt: Prompt
    pieces: Callable[[], tuple[str, ...]]  # each token of the prompt as the tokenizer writes it
    stops: Stops
    sampling: dict[str, SamplingValue]
    context: int  # tokens that the model can hold, prompt and answer together
    reserved: int  # of these, kept for the answer
    instructions: str  # name and version of the instructions file
    left_out: tuple[str, ...] = ()  # of examples and history, in words, for want of room
    constraint: str | None = None  # a regular expression that the answer is held to


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question that an engine is ready to answer: what it is shown, and what it will send."""

    shown: tuple[Passage, ...]
    generate: Callable[[Scope], Iterator[Piece]]
    dropped: tuple[Dropped, ...] = ()
    sent: Sent | None = None  # None: no model is prompted


class Engine(Protocol):
    """What turns a question and its passages into text."""

    @property
    def name(self) -> str:
        """``extractive``, ``vllm``: what the caller asks for and the answer states."""

    @property
    def model(self) -> str | None:
        """The generative model, where one is used."""

    def prepare(self, question: Question, passages: Sequence[Passage]) -> Prepared:
        """Choose what is shown and write what will be sent; nothing is generated yet.

        ``generate`` of the result yields text and citations in reading order, or
        :data:`CANNOT_ANSWER` alone. A citation follows the text that it supports. It raises
        :class:`corpus.errors.EngineFailed` when no answer could be produced.

        :raises corpus.errors.PromptTooLong: when the question leaves no room for an answer.
        :raises corpus.errors.EngineFailed: when the engine is not there.
        """

    def condense(self, question: Question, scope: Scope) -> str | None:
        """The question as one that can be understood without its history.

        :return: None where this engine cannot rewrite questions.
        :raises corpus.errors.EngineFailed: when it should have and could not.
        """


class Verdict(StrEnum):
    """What checking a citation against the cited characters found."""

    VERBATIM = "verbatim"  # the claim is the cited text, word for word
    SUPPORTED = "supported"  # every number, date and name of the claim stands in the span, or
    # in the sentences of the same passage that are cited with it
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
    level: str = "sentence"  # "passage" where the model named no sentence of it
    missing: tuple[str, ...] = ()  # numbers, dates and names of the claim that the span lacks


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
    problem: str = ""  # why it is not the one that should answer; empty: it is


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
    passages_dropped: tuple[Dropped, ...] = ()
    finish: Finish = Finish(FinishReason.STOP, 0, 0)
    degraded: str = ""  # why another engine than the one asked for answered; empty: it did not
    query: str = ""  # what was searched for, where that is not the question
    thoughts: str = ""  # what the model said to itself, where it is to be shown
    uncited: tuple[tuple[int, int], ...] = ()  # sentences without citation, spans of ``text``
    unknown_citations: int = 0  # markers that named nothing that was shown
    withheld: int = 0  # sentences that ``strict`` kept back
    note: str = ""  # what a user should know of how it was asked
    rerank: Reranking | None = None  # what became of the hits; None: there is no reranker
