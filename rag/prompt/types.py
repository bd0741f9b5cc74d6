"""What a prompt is made of, and what it became: the value types of this room.

A message is a list of segments, each with the name of the part that it belongs to. What
the segments say is data, our own instructions included: only the chat template of the
model writes control tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TEMPLATE = "template"
"""The part of a prompt that the chat template wrote."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Text of one origin."""

    part: str  # "instructions", "example", "history", "passage 3", "question"
    text: str


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that a chat template renders."""

    role: Role
    segments: tuple[Segment, ...]
    switch: str = ""  # of ours, appended where the template can see it, e.g. "/no_think"

    @property
    def content(self) -> str:
        """All that is said in this turn."""
        return "".join(segment.text for segment in self.segments)


def message(role: Role, text: str, part: str) -> Message:
    """A turn of one segment."""
    return Message(role, (Segment(part, text),))


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a rendered prompt and where it comes from."""

    name: str  # of the segment, or TEMPLATE
    start: int  # characters into Rendered.text, inclusive
    end: int  # exclusive


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a chat template made of a conversation.

    Invariant: the parts follow each other without a gap, from 0 to ``len(text)``.
    """

    text: str
    parts: tuple[Part, ...]
    left_out: tuple[int, ...] = ()  # messages, by index, whose text the template did not write


@dataclass(frozen=True, slots=True)
class Stops:
    """What ends an answer, and who says so."""

    ids: Mapping[int, str]  # token id -> who names it, e.g. "tokenizer eos, template"
    strings: Mapping[str, str] = field(default_factory=dict)  # where the template has no token


@dataclass(frozen=True, slots=True)
class Prompt:
    """The exact tokens that a model is sent, and which part each of them belongs to."""

    messages: tuple[Message, ...]
    rendered: Rendered
    ids: tuple[int, ...]
    control: tuple[int, ...]  # positions in ``ids`` of control tokens; all of them the template's
    locate: Callable[[], tuple[tuple[int, int], ...]] = field(repr=False, compare=False)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Of each token, characters into ``rendered.text``; found anew at each call."""
        return self.locate()

    def part_of(self) -> list[str]:
        """The part of each token: that in which its first character lies."""
        names, at = [], 0
        parts = self.rendered.parts
        for start, _ in self.spans:
            while at + 1 < len(parts) and start >= parts[at].end:
                at += 1
            names.append(parts[at].name if parts else TEMPLATE)
        return names

    def ledger(self) -> dict[str, int]:
        """Tokens by part, in order of appearance; they sum to ``len(ids)``."""
        return dict(Counter(self.part_of()))

    def joins(self) -> list[int]:
        """Positions of tokens that reach over the end of their part."""
        ends = {part.end for part in self.rendered.parts}
        return [
            position
            for position, (start, end) in enumerate(self.spans)
            if any(at in ends for at in range(start + 1, end))
        ]
