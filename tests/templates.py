"""The chat templates and tokenizers of the evaluation data, and what they are known to make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from rag.prompt.template import ChatTemplate
from rag.prompt.tokens import ModelTokenizer
from rag.prompt.types import Message, Role, message
from tests.conftest import DATA

FOLDER = DATA / "chat_templates"
NAMES = sorted(path.name for path in (FOLDER / "tokenizers").iterdir()) if FOLDER.is_dir() else []


@dataclass(frozen=True)
class Case:
    """A conversation, and the text or the error that a template makes of it."""

    name: str
    case: str
    messages: list[Message]
    variables: dict[str, Any]
    generation_prompt: bool
    text: str | None  # None: the template refuses


def rows(name: str) -> list[dict[str, Any]]:
    with (FOLDER / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def described() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows("templates.jsonl")}


def cases(file: str) -> list[Case]:
    """The rows of a file whose messages are plain text."""
    return [
        Case(
            row["name"],
            row["case"],
            [
                message(Role(one["role"]), one["content"], f"turn {at}")
                for at, one in enumerate(row["messages"])
            ],
            row.get("variables") or {},
            row["add_generation_prompt"],
            row.get("text"),
        )
        for row in rows(file)
        if all(one.keys() == {"role", "content"} for one in row["messages"])
    ]


def template(name: str, variables: dict[str, Any] | None = None) -> ChatTemplate:
    row = described()[name]
    tokens = {key: row[key] for key in ("bos_token", "eos_token") if row[key] is not None}
    given = {**(row["render_variables"] or {}), **(variables or {})}
    noon = datetime(2025, 7, 10, 12)  # noqa: DTZ001  # templates read the machine's own clock
    return ChatTemplate(row["template"], tokens, given, lambda: noon)


@cache
def tokenizer(name: str) -> ModelTokenizer:
    folder = FOLDER / "tokenizers" / name
    return ModelTokenizer((folder / "tokenizer.json").read_bytes(), config(folder))


def config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_bytes())
    return found


def tokenizer_data(name: str, controls: set[str]) -> bytes:
    """A tokenizer with further control tokens, as a model of another family would have it."""
    data = json.loads((FOLDER / "tokenizers" / name / "tokenizer.json").read_bytes())
    first = max(one["id"] for one in data["added_tokens"]) + 1
    known = {one["content"] for one in data["added_tokens"]}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    data["added_tokens"] += [
        {"id": first + at, "content": content, "special": True, **flags}
        for at, content in enumerate(sorted(controls - known))
    ]
    return json.dumps(data).encode()
