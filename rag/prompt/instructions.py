"""What a model is told: a file with a name and a version, which a user can replace.

The file is TOML; ``rag/prompt/texts/grounded.toml`` is the packaged one and shows the form.
What it says is data like any other text of a prompt: it cannot write control tokens.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.errors import SettingsError
from rag.answers import CANNOT_ANSWER, Style
from rag.prompt.types import Segment

_SLOT = re.compile(r"\{(\w+)\}")
_MAX_BYTES = 256 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Condense(_Part):
    """How a follow-up question is rewritten."""

    system: str
    user: str


class Example(_Part):
    """A question with its passages and a good answer to it."""

    question: str
    passages: list[Annotated[list[str], Field(min_length=2)]]  # heading, then sentences
    answer: str


class Instructions(_Part):
    """What a model is told, in the words of one file."""

    name: str
    version: int
    system: str
    user: str
    styles: dict[str, str]
    condense: Condense
    examples: list[Example] = []
    digest: str = ""  # of the file's bytes, its first 12 hex digits

    @property
    def title(self) -> str:
        """Name, version and digest: which text this is."""
        return f"{self.name} v{self.version} ({self.digest})"

    def system_text(self, style: Style) -> str:
        """The first turn."""
        slots = {"style": self.styles[style.value], "abstention": CANNOT_ANSWER}
        return _filled(self.system, slots)

    def answer_of(self, example: Example) -> str:
        """The answer of an example as the model would write it."""
        return _filled(example.answer, {"abstention": CANNOT_ANSWER})


def load(path: Path | None = None) -> Instructions:
    """Read the instructions.

    :param path: a file of the user's; None: the packaged one.
    :raises SettingsError: when the file cannot be read or lacks what it must have.
    """
    try:
        data = _packaged() if path is None else path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the instructions {path} cannot be read: {error.strerror}; "
            "generation.instructions names the file"
        ) from None
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has {len(data)} bytes; {_MAX_BYTES} are taken")
        values = tomllib.loads(data.decode())
        found = Instructions.model_validate(
            {**_stripped(values), "digest": hashlib.sha256(data).hexdigest()[:12]}
        )
        _check(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"the instructions {path}: {where}: {first['msg'].lower()}") from None
    except ValueError as error:
        raise SettingsError(f"the instructions {path} are not usable: {error}") from None
    return found


def segments(text: str, parts: Mapping[str, Iterable[Segment]], own: str) -> tuple[Segment, ...]:
    """A text with its slots filled, each piece under the name of where it comes from.

    :param own: the part that the text itself belongs to.
    """
    pieces: list[Segment] = []
    at = 0
    for slot in _SLOT.finditer(text):
        if slot[1] in parts:
            pieces += (Segment(own, text[at : slot.start()]), *parts[slot[1]])
            at = slot.end()
    pieces.append(Segment(own, text[at:]))
    return tuple(piece for piece in pieces if piece.text)


def _packaged() -> bytes:
    return (resources.files("rag.prompt") / "texts" / "grounded.toml").read_bytes()


def _stripped(value: Any) -> Any:
    """Every text without the line ends that TOML's long strings begin and end with."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {key: _stripped(one) for key, one in value.items()}
    return [_stripped(one) for one in value] if isinstance(value, list) else value


def _filled(text: str, slots: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), text)


def _check(found: Instructions) -> None:
    """Refuse a file that would leave out what every prompt needs."""
    wanted = {
        "system": (found.system, ("abstention",)),
        "user": (found.user, ("passages", "question")),
        "condense.user": (found.condense.user, ("history", "question")),
    }
    for name, (text, slots) in wanted.items():
        for slot in slots:
            if f"{{{slot}}}" not in text:
                raise ValueError(f"{name} lacks {{{slot}}}")
    missing = [style.value for style in Style if style.value not in found.styles]
    if missing:
        raise ValueError(f"styles lacks {', '.join(missing)}")
