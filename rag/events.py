"""What happens while a question is answered, in the order in which it happens."""

from __future__ import annotations

from dataclasses import dataclass

from rag.answers import Answer, Citation, Passage, SnapshotInfo


@dataclass(frozen=True, slots=True)
class Meta:
    """First event of an answer: what will produce it."""

    id: str
    engine: str
    model: str | None
    snapshot: SnapshotInfo
    note: str = ""  # what a user should know of how it was asked


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched for, where that is not the question: it leaned on what was said before."""

    query: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the engine is shown."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Degraded:
    """Another engine than the one that was asked for makes the answer."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """More of what a model says to itself; no part of the answer."""

    text: str


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


Event = Meta | Asked | Found | Degraded | Thinking | Said | Cited | Done
