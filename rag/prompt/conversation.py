"""From a question and its passages to the turns of a conversation.

    system     the instructions
    user       an example's passages and question      (as often as there are examples)
    assistant  its answer
    user       what was asked before                   (the history, as often as there are turns)
    assistant  what was answered
    user       the passages, the question

A passage is shown with its number, title and headings, each of its sentences on a line that
begins with the sentence's id. Where a template has no system role, the instructions stand
before the first turn of the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rag.answers import Passage, Question, Speaker, Style, Turn
from rag.prompt.instructions import Example, Instructions, segments
from rag.prompt.types import Message, Role, Segment, message

INSTRUCTIONS, EXAMPLE, HISTORY, QUESTION = "instructions", "example", "history", "question"

_MARKER = re.compile(r"\s?[\[【]\d{1,3}(?:\.\d{1,3})?[\]】]")
_THOUGHT = re.compile(r"\s*<think>.*?(?:</think>|\Z)\s*", re.DOTALL)
_ROLES = {Speaker.USER: Role.USER, Speaker.ASSISTANT: Role.ASSISTANT}


def conversation(
    instructions: Instructions,
    question: Question,
    passages: Sequence[Passage],
    *,
    style: Style,
    examples: bool = True,
) -> list[Message]:
    """The turns that ask a question from passages."""
    return [
        message(Role.SYSTEM, instructions.system_text(style), INSTRUCTIONS),
        *(_examples(instructions) if examples else ()),
        *history_messages(question.history),
        _last_turn(instructions, passages, question.text),
    ]


def condensing(instructions: Instructions, question: Question) -> list[Message]:
    """The turns that ask for a question that can be understood without its history."""
    said = "\n".join(
        f"{turn.speaker.value.capitalize()}: {_bare(turn)}" for turn in question.history
    )
    parts = {
        "history": [Segment(HISTORY, said)],
        "question": [Segment(QUESTION, question.text)],
    }
    return [
        message(Role.SYSTEM, instructions.condense.system, INSTRUCTIONS),
        Message(Role.USER, segments(instructions.condense.user, parts, INSTRUCTIONS)),
    ]


def folded(messages: Sequence[Message]) -> list[Message]:
    """The same conversation for a template that has no system role."""
    system, first, *rest = messages
    gap = Segment(system.segments[-1].part, "\n\n")
    joined = Message(first.role, (*system.segments, gap, *first.segments), system.switch)
    return [joined, *rest]


def history_messages(history: Iterable[Turn]) -> list[Message]:
    """What was said before, as turns that alternate and begin with the user's.

    Markers of citations and thoughts are left out: ids mean something else in every prompt,
    and what a model thought is not given back to it.
    """
    turns: list[Message] = []
    for speaker, said in groupby(history, lambda turn: turn.speaker):
        text = "\n\n".join(filter(None, map(_bare, said)))
        if text and (turns or speaker is Speaker.USER):
            turns.append(message(_ROLES[speaker], text, HISTORY))
    if turns and turns[-1].role is Role.USER:
        turns.pop()  # a question that was never answered
    return turns


def passage_segments(passage: Passage) -> tuple[Segment, ...]:
    """How one passage is shown."""
    above = " > ".join((passage.chunk.title, *passage.chunk.headings))
    lines = _passage_lines(passage.number, above, (one.text for one in passage.sentences))
    return (Segment(f"passage {passage.number}", "\n".join(lines)),)


def _passage_lines(number: int, above: str, sentences: Iterable[str]) -> Iterator[str]:
    yield f"[{number}] {' '.join(above.split())}"
    for at, sentence in enumerate(sentences, start=1):
        yield f"[{number}.{at}] {sentence}"


def _last_turn(instructions: Instructions, passages: Sequence[Passage], asked: str) -> Message:
    shown: list[Segment] = []
    for passage in passages:
        shown += (Segment(INSTRUCTIONS, "\n\n"),) if shown else ()
        shown += passage_segments(passage)
    parts = {"passages": shown, "question": [Segment(QUESTION, asked)]}
    return Message(Role.USER, segments(instructions.user, parts, INSTRUCTIONS))


def _examples(instructions: Instructions) -> Iterator[Message]:
    for example in instructions.examples:
        parts = {
            "passages": [Segment(EXAMPLE, _example_passages(example))],
            "question": [Segment(EXAMPLE, example.question)],
        }
        yield Message(Role.USER, segments(instructions.user, parts, EXAMPLE))
        yield message(Role.ASSISTANT, instructions.answer_of(example), EXAMPLE)


def _example_passages(example: Example) -> str:
    return "\n\n".join(
        "\n".join(_passage_lines(number, above, sentences))
        for number, (above, *sentences) in enumerate(example.passages, start=1)
    )


def _bare(turn: Turn) -> str:
    if turn.speaker is Speaker.USER:
        return turn.text.strip()
    return _MARKER.sub("", _THOUGHT.sub("", turn.text)).strip()
