"""Metadata beside a file: ``leave.md.meta.json`` says more of ``leave.md``.

A JSON object: a field to a string, a number, true or false, or a list of these. It counts as
part of its file, so a sidecar that comes, changes or goes makes the file a changed one. One that
cannot be read, or is something else, says nothing; the file is taken in all the same, with the
reason as a remark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from corpus.errors import UnreadableSource
from ingest import reading
from ingest.readers.spans import is_text
from ingest.reading import Content
from ingest.sources import Source

MAX_BYTES = 1 << 16
MAX_FIELDS = 100
MAX_NAME = 100  # characters
MAX_VALUE = 1000  # characters, of a list together

_PLAIN = "a string, a number, true or false"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar says, or why it says nothing."""

    state: str  # what tells it from another: its hash, or why it could not be read
    metadata: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    content: Content | None = None  # where it was read


class _Bad(Exception):
    """Why a sidecar says nothing."""


def read(source: Source) -> Sidecar:
    """Read a sidecar. Whatever is wrong with it becomes a remark."""
    name = source.path.rpartition("/")[2]
    if why := too_large(source):
        return Sidecar(why, remark=f"{name} was left out: {why}")
    try:
        content = reading.read(source)
    except UnreadableSource as error:
        return Sidecar(str(error), remark=f"{name} was left out: {error}")
    try:
        return Sidecar(content.sha256, _metadata(content.data), content=content)
    except _Bad as why:
        return Sidecar(content.sha256, remark=f"{name} was left out: {why}", content=content)


def too_large(source: Source) -> str:
    """Why a sidecar is not even opened; empty where it is."""
    size = source.stamp.size
    return f"it has {size} bytes, {MAX_BYTES} are taken" if size > MAX_BYTES else ""


def together(sha256: str, state: str) -> str:
    """What tells a file and its sidecar from others."""
    return hashlib.sha256(f"{sha256} {state}".encode("utf-8", "backslashreplace")).hexdigest()


def _metadata(data: bytes) -> dict[str, str]:
    try:
        found = json.loads(
            data.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_without_doubles
        )
    except UnicodeDecodeError:
        raise _Bad("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _Bad(f"not JSON ({error.msg}, line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError):  # numbers of 5,000 digits, nesting of 10,000
        raise _Bad("not JSON that can be read: nested or long too far") from None
    if not isinstance(found, dict):
        raise _Bad("not a JSON object")
    if len(found) > MAX_FIELDS:
        raise _Bad(f"it has {len(found)} fields, {MAX_FIELDS} are taken")
    fields = {_name(name): _value(name, value) for name, value in found.items()}
    return {name: value for name, value in fields.items() if value}


def _name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or not is_text(name):
        raise _Bad(f"the field {name[:MAX_NAME]!r} has no name of 1 to {MAX_NAME} characters")
    return name.strip()


def _value(name: str, value: object) -> str:
    several = value if isinstance(value, list) else [value]
    text = ", ".join(filter(None, (_plain(name, one) for one in several)))
    if len(text) > MAX_VALUE:
        raise _Bad(f"the field {name!r} has {len(text)} characters, {MAX_VALUE} are taken")
    return text


def _plain(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise _Bad(f"the field {name!r} is neither {_PLAIN}, nor a list of these")
    text = " ".join(str(value).split())
    if not is_text(text):
        raise _Bad(f"the field {name!r} holds NUL or half a surrogate pair, which are no text")
    return text


def _no_number(name: str) -> NoReturn:
    raise _Bad(f"it holds {name}, which is no number of JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Bad(f"the field {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return values
