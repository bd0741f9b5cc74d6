"""A set of questions with gold: one JSON object a line.

::

    {"id": "leave-1", "question": "How many days of leave?", "answers": ["27"],
     "evidence": [{"doc": "leave.md", "quote": "gets 27 days of annual leave", "start": 40}],
     "answerable": true}

``answerable`` is true, false, or null for a question that measures retrieval only. ``start``
tells which of several equal quotes is meant; evidence without a quote says that the document
is relevant, and no more. Two fields are for special sets: ``paragraph`` (``{"doc", "start",
"end"}``) counts as found in place of the quotes in it, and ``masked`` names a document that is
left out of the search of this question. Further fields are ignored. Whatever is wrong is told
with its line; nothing is guessed and no line left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.errors import BadEvaluationFile, BadRequest
from rag.questions import checked

_TOLD = 10  # wrong lines that a message names
_SHOWN = 60  # characters of a wrong value that a message shows

Offset = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Evidence(_Part):
    """What the answer rests on, word for word; without a quote, the document as a whole."""

    doc: Name  # id of the document
    quote: Name | None = None
    start: Offset | None = None  # about where; code points
    page: Annotated[int, Field(ge=1)] | None = None  # of a paged document: the page counts


class Paragraph(_Part):
    """A passage of a document; its offsets are right where those of the quotes in it are."""

    doc: Name
    start: Offset
    end: Offset


class Item(_Part):
    """One question."""

    id: Name
    question: str
    answers: tuple[Name, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    answerable: bool | None
    paragraph: Paragraph | None = None
    masked: Name | None = None


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a file, in its order."""

    name: str  # of the file
    sha256: str  # of its bytes
    items: tuple[Item, ...]


def read_questions(path: Path, max_chars: int) -> QuestionSet:
    """Read a set of questions.

    :param max_chars: characters that a question may have.
    :raises BadEvaluationFile: naming the file, the lines and what is wrong with them.
    """
    data = read_bytes(path)
    items: list[Item] = []
    lines: dict[str, int] = {}  # of each id
    wrong: list[str] = []
    for number, line in numbered(data):
        try:
            item = _item(line, max_chars)
            if (first := lines.setdefault(item.id, number)) != number:
                raise ValueError(f"the id {shown(item.id)} stands on line {first} already")
            items.append(item)
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    refuse_wrong(path, wrong)
    if not items:
        raise BadEvaluationFile(f"{path} holds no question; expected one JSON object a line")
    return QuestionSet(path.name, hashlib.sha256(data).hexdigest(), tuple(items))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that the user named.

    :raises BadEvaluationFile: when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadEvaluationFile(f"{path} cannot be read: {error.strerror}") from error


def numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers, from 1; without a byte order mark."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return ((n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip())


def refuse_wrong(path: Path, wrong: list[str]) -> None:
    """Refuse a file with wrong lines, naming the first of them.

    :raises BadEvaluationFile: when there is one.
    """
    if not wrong:
        return
    told = wrong[:_TOLD]
    if more := len(wrong) - len(told):
        told.append(f"and {more} more lines")
    raise BadEvaluationFile("\n  ".join([f"{path} has lines that are not as expected:", *told]))


def shown(value: object) -> str:
    """A value from a file as a message shows it: on one line, and short."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _item(line: bytes, max_chars: int) -> Item:
    """One question.

    :raises ValueError: what was found, and what was expected.
    """
    try:
        item = Item.model_validate_json(line)
        checked(item.question, max_chars)
    except ValidationError as error:
        raise ValueError("; ".join(_told(error))) from None
    except BadRequest as error:
        raise ValueError(str(error)) from None
    return item


def _told(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        field = ".".join(map(str, one["loc"])) or "the line"
        if one["type"] == "missing":
            yield f"'{field}' is missing; expected {_EXPECTED.get(field, 'a value')}"
        elif one["type"] == "json_invalid":
            yield f"no JSON: {one['ctx']['error']}; expected one object a line"
        else:
            yield f"'{field}' is {shown(one['input'])}; {one['msg'].lower()}"


_EXPECTED = {
    "id": "a text that no other line has",
    "question": "a text",
    "answerable": "true, false, or null where only retrieval is measured",
}
