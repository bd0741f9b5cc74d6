"""JSON lines: one document per line, as in BEIR's ``corpus.jsonl``.

A record is an object with its text under ``text`` (or ``contents``, ``content``, ``body``), its
id under ``_id`` (or ``id``, ``docid``; a string or an integer), and optionally ``title`` and
``metadata``. Other fields that hold a single value, or a list of them, are metadata too.
The text is plain text: Markdown or HTML inside a record is not taken apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from corpus.errors import UnreadableSource
from ingest import decoding
from ingest.parsed import Parsed, Reading
from ingest.readers.spans import is_text
from ingest.readers.text import paragraphs

_TEXT = ("text", "contents", "content", "body")
_ID = ("_id", "id", "docid")
_NAMED = 10  # lines named in the remarks; the others are counted


class _BadLine(Exception):
    """Why a line is no record."""


def read(data: bytes) -> Reading:
    """Read every record; lines that are none are left out and named in the remarks.

    :raises UnreadableSource: when the bytes are no text, or no line is a record.
    """
    text, encoding = decoding.decode(data)
    documents: dict[str, Parsed] = {}
    lines: dict[str, int] = {}  # id -> line it stands on
    bad: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = _record(line, number)
            identity = record.record_id or ""
            if (other := lines.setdefault(identity, number)) != number:
                raise _BadLine(f"its id {identity!r} is that of line {other}")
            documents[identity] = record
        except _BadLine as reason:
            bad.append(f"line {number}: {reason}")
    if bad and not documents:
        raise UnreadableSource(f"no line is a record; {bad[0]}")
    return Reading(
        tuple(documents.values()), encoding, (*decoding.remarks(encoding), *_summary(bad))
    )


def _summary(bad: list[str]) -> list[str]:
    if len(bad) <= _NAMED:
        return bad
    return [*bad[:_NAMED], f"{len(bad) - _NAMED} more lines are no records"]


def _record(line: str, number: int) -> Parsed:
    fields = _object(line)
    key = next((key for key in _TEXT if key in fields), None)
    if key is None:
        raise _BadLine(f"no text (looked for {', '.join(_TEXT)})")
    text = fields[key]
    if not isinstance(text, str):
        raise _BadLine(f"{key!r} is not a string")
    if not text.strip():
        raise _BadLine("its text is empty")
    title = fields.get("title")
    title = " ".join(title.split()) if isinstance(title, str) else None
    id_key, identity = _identity(fields, number)
    metadata = _metadata(fields, {key, id_key, "title", "metadata"})
    if not all(map(is_text, (text, title or "", identity, *metadata, *metadata.values()))):
        raise _BadLine("it holds NUL or half a surrogate pair, which are no text")
    return Parsed(text, paragraphs(text), title or None, metadata, identity)


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise _BadLine(f"not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, nesting of 10,000
        raise _BadLine(f"not JSON that can be read ({error})") from None
    if not isinstance(value, dict):
        raise _BadLine("not an object")
    return value


def _identity(fields: Mapping[str, Any], number: int) -> tuple[str, str]:
    """The field that holds the id, and the id."""
    for key in _ID:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return key, value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return key, str(value)
    return _ID[0], f"line-{number}"


def _metadata(fields: Mapping[str, Any], own: set[str]) -> dict[str, str]:
    nested = fields.get("metadata")
    found = {key: value for key, value in fields.items() if key not in own}
    if isinstance(nested, dict):
        found = {**nested, **found}
    return {key: flat for key, value in found.items() if (flat := _flat(value))}


def _flat(value: object) -> str:
    """A value as metadata holds it; empty for what has no flat form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list):
        return ", ".join(filter(None, map(_flat, (v for v in value if not isinstance(v, list)))))
    return ""
