"""Which passages go into a prompt: counted in the model's own tokens, in whole or not at all.

The context of the model holds the prompt and the answer. What an answer may have is kept
free first; then instructions and question must fit, then the conversation before it, then
passages in the order in which they were found. What does not fit is left out and named,
nothing is ever cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from corpus.errors import PromptTooLong
from rag.answers import Dropped, Passage, Question, Style
from rag.prompt.conversation import conversation, passage_segments
from rag.prompt.instructions import Instructions
from rag.prompt.model import PromptModel
from rag.prompt.types import Prompt

_JOIN = 4  # tokens between two passages at most: an empty line
_CHARACTERS = 6  # of a token, in the texts that have most


@dataclass(frozen=True, slots=True)
class Room:
    """How many tokens there are."""

    context: int  # prompt and answer together
    answer: int  # kept for the answer
    passages: int  # spent on passages at most

    @property
    def prompt(self) -> int:
        """Tokens that a prompt may have."""
        return self.context - self.answer


@dataclass(frozen=True, slots=True)
class Asking:
    """How a question is put to a model."""

    instructions: Instructions
    style: Style
    examples: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits, and what is not in it."""

    prompt: Prompt
    shown: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]
    left_out: tuple[str, ...]  # of examples and history, in words


def fit(
    model: PromptModel,
    asking: Asking,
    question: Question,
    passages: Sequence[Passage],
    room: Room,
) -> Fitted:
    """Write the prompt that holds as many of the passages as fit, best first.

    :raises PromptTooLong: when the question leaves no room for the best of them.
    :raises TemplateRefused: when the template refuses the conversation.
    """
    whole = _Version(asking, question)
    if passages and _may_fit(passages, room):  # as a rule all do, and none has to be counted
        prompt = whole.write(model, passages)
        if len(prompt.ids) <= min(room.prompt, room.passages):
            return Fitted(prompt, tuple(passages), (), ())
    costs = [count + _JOIN for count in _counts(model, passages)]
    needed = min(costs, default=0)
    hoped = _chosen(passages, costs, room.passages)
    prompt = whole.write(model, hoped)
    if hoped and len(prompt.ids) <= room.prompt:
        return Fitted(prompt, tuple(hoped), _dropped(passages, hoped, room), ())
    base = 0
    for version in _versions(asking, question):
        base = len(version.write(model, ()).ids)
        if base + needed <= room.prompt:
            shown = _chosen(passages, costs, min(room.passages, room.prompt - base))
            return _packed(model, version, passages, shown, room)
    raise PromptTooLong(
        f"the question and the instructions have {base} tokens and the shortest passage {needed}; "
        f"the model holds {room.context}, of which {room.answer} are kept for the answer. "
        "Ask a shorter question, or for fewer max_tokens",
        "question",
    )


def _may_fit(passages: Sequence[Passage], room: Room) -> bool:
    """Whether it is worth trying all of them at once."""
    characters = sum(len(sentence.text) for one in passages for sentence in one.sentences)
    return characters <= _CHARACTERS * min(room.prompt, room.passages)


@dataclass(frozen=True, slots=True)
class _Version:
    """The conversation, with all of it or with less."""

    asking: Asking
    question: Question
    left_out: tuple[str, ...] = ()

    def write(self, model: PromptModel, passages: Sequence[Passage]) -> Prompt:
        """The prompt with these passages."""
        turns = conversation(
            self.asking.instructions,
            self.question,
            passages,
            style=self.asking.style,
            examples=self.asking.examples,
        )
        return model.write(turns)


def _versions(asking: Asking, question: Question) -> Iterator[_Version]:
    """The conversation with less and less in it: examples go first, then the oldest turns."""
    yield _Version(asking, question)
    bare = replace(asking, examples=False)
    examples = ("the examples",) if asking.examples and asking.instructions.examples else ()
    if examples:
        yield _Version(bare, question, examples)
    for gone in range(2, len(question.history) + 2, 2):
        kept = replace(question, history=question.history[gone:])
        turns = f"the {min(gone, len(question.history))} oldest turns of the conversation"
        yield _Version(bare, kept, (*examples, turns))


def _chosen(passages: Sequence[Passage], costs: Sequence[int], tokens: int) -> list[Passage]:
    shown = []
    for passage, cost in zip(passages, costs, strict=True):
        if cost <= tokens:
            tokens -= cost
            shown.append(passage)
    return shown


def _packed(
    model: PromptModel,
    version: _Version,
    passages: Sequence[Passage],
    shown: list[Passage],
    room: Room,
) -> Fitted:
    """The whole prompt. Counted in one piece it may be a few tokens longer than its parts."""
    prompt = version.write(model, shown)
    while len(prompt.ids) > room.prompt and shown:
        shown.pop()
        prompt = version.write(model, shown)
    return Fitted(prompt, tuple(shown), _dropped(passages, shown, room), version.left_out)


def _dropped(
    passages: Sequence[Passage], shown: Sequence[Passage], room: Room
) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(
            passage.chunk.document_id,
            passage.chunk.start,
            passage.chunk.end,
            f"no room for it: passages have {room.passages} tokens at most "
            f"(generation.passage_tokens), the prompt {room.prompt}",
        )
        for passage in passages
        if passage not in shown
    )


def _counts(model: PromptModel, passages: Sequence[Passage]) -> list[int]:
    texts = ["".join(one.text for one in passage_segments(passage)) for passage in passages]
    return [len(ids) for ids in model.tokenizer.encode_texts(texts)]
