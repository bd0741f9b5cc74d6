"""How far a refresh is, told by the process that refreshes to the service that started it.

Each update is a JSON object on a line of standard error, behind the character RS, as in
JSON text sequences (RFC 7464). No name from outside can begin one: what is not printable in
a name is escaped (:func:`rag.console.printable`). A line that only looks like one is text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

_MARK = "\x1e"
_MAX_CHARS = 500  # of an update; real ones have some 150

Count = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What is done of the stage that a refresh is in."""

    stage: Annotated[str, Meta(max_length=40)]
    done: Count  # steps: files, while they are taken in
    total: Count | None  # steps; None where that is not known
    chunks: Count  # embedded in this stage
    tokens: Count  # of these
    chunks_per_s: Number | None  # None until something is embedded
    tokens_per_s: Number | None
    left_s: Number | None  # seconds to the end of the stage, if it goes on as it went


def line_of(progress: JobProgress) -> str:
    """The line that tells it, without its end."""
    return _MARK + msgspec.json.encode(progress).decode()


def parted(line: str) -> tuple[str, JobProgress | None]:
    """What a line says to people, and what it says of progress, if it does."""
    said, mark, update = line.partition(_MARK)
    if not mark or len(update) > _MAX_CHARS:
        return line, None
    try:
        return said, msgspec.json.decode(update, type=JobProgress)
    except ValueError:
        return line, None
