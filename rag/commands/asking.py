"""The options that say how a question is asked: shared by ``rag ask`` and ``rag explain``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from corpus.settings import Settings
    from rag.answers import Question


def asking_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, and hand them to it as the mapping ``asked``."""

    @click.option("-k", type=int, help="Passages to show.")
    @click.option("--engine", metavar="NAME", help="extractive or vllm; default: extractive.")
    @click.option("--model", metavar="NAME", help="The model of vllm: a hub id or a folder.")
    @click.option("--vllm-url", multiple=True, metavar="URL", help="A vLLM server; repeatable.")
    @click.option(
        "--style",
        type=click.Choice(["concise", "detailed", "quotes_first", "quotes"]),
        help="How a generated answer reads.",
    )
    @click.option("--strict", is_flag=True, help="Only sentences that their citations hold up.")
    @click.option("--temperature", type=float, help="Of sampling.")
    @click.option("--top-p", type=float, help="Of sampling.")
    @click.option("--seed", type=int, help="Of sampling.")
    @click.option("--max-tokens", type=int, help="Tokens of the answer at most.")
    @click.option("--stop", multiple=True, metavar="TEXT", help="Ends the answer; repeatable.")
    @click.option("--adapter", metavar="NAME", help="A LoRA adapter of the service.")
    @click.option("--where", metavar="EXPR", help="Search these documents only, e.g. 'lang = de'.")
    @click.option("--snapshot", metavar="ID", help="Answer from this snapshot: its id or a tag.")
    @click.option(
        "--history",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help='What was said before: a JSON file, [{"role": "user", "content": "…"}, …].',
    )
    @click.option("--server", metavar="URL", help="Ask a running server instead of the store.")
    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        names = [name for name in _NAMES if name in options]
        asked = {name: options.pop(name) for name in names}
        command(*arguments, asked=asked, **options)

    return wrapped


_NAMES = (
    "k",
    "engine",
    "model",
    "vllm_url",
    "style",
    "strict",
    "temperature",
    "top_p",
    "seed",
    "max_tokens",
    "stop",
    "adapter",
    "where",
    "snapshot",
    "history",
    "server",
)

_NO_FIELDS = ("model", "vllm_url", "strict", "stop", "history", "server")
"""Options that are no fields of a request, or not as they are given."""


def flags_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The settings that the options stand for."""
    return {
        "answer": {"k": asked["k"], "engine": asked["engine"]},
        "generation": {"model": asked["model"]},
        "vllm": {"urls": asked["vllm_url"] or None},
    }


def body_of(question: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The request that the options make; what was not given is left to who answers.

    :raises BadRequest: when the file of the history cannot be read.
    """
    given = (name for name in _NAMES if name not in _NO_FIELDS)
    body = {name: asked[name] for name in given if asked[name] is not None}
    body |= {"stop": list(asked["stop"])} if asked["stop"] else {}
    body |= {"strict": True} if asked["strict"] else {}
    body |= {"history": _history(asked["history"])} if asked["history"] else {}
    return {"question": question, **body}


def question_of_body(body: dict[str, Any], settings: Settings) -> Question:
    """The same request, checked as the service checks it."""
    from rag.questions import question_of
    from rag.requests import ExplainRequest
    from rag.validating import validated

    return question_of(validated(ExplainRequest, body), settings)


def _history(path: Path) -> Any:
    import json

    from corpus.errors import BadRequest

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"the history {path} cannot be read as JSON: {error}", "history") from None
