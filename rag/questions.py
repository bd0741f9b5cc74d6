"""What a question, or a query, must be before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus.errors import BadRequest
from corpus.settings import Settings
from rag.answers import Question, Sampling, Turn
from rag.filters.filter import Filter
from rag.filters.parser import parse

if TYPE_CHECKING:
    from rag.requests import ExplainRequest  # with pydantic, which a search does without


def checked(text: str, max_chars: int, param: str = "question") -> str:
    """The text, if it can be asked.

    :raises BadRequest: when it is empty, too long, or not text that could be written down.
    """
    if not text.strip():
        raise BadRequest(f"{param} is empty; expected some text", param)
    if len(text) > max_chars:
        raise BadRequest(
            f"{param} has {len(text)} characters, {max_chars} are taken (serve.max_question_chars)",
            param,
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(
            f"{param} holds half of a surrogate pair, which is no text", param
        ) from None
    if "\0" in text:
        raise BadRequest(f"{param} holds a NUL character", param)
    return text


def filter_of(text: str | None) -> Filter | None:
    """The filter of a request, if it has one.

    :raises BadRequest: when it means nothing; it says where and why.
    """
    return None if text is None else parse(text)


def question_of(asked: ExplainRequest, settings: Settings) -> Question:
    """What was asked, with what the settings say where the request does not.

    :raises BadRequest: when question, history or filter cannot be asked.
    """
    max_chars, max_turns = settings.serve.max_question_chars, settings.answer.max_history_turns
    if len(asked.history) > max_turns:
        raise BadRequest(
            f"'history' has {len(asked.history)} turns; {max_turns} are taken "
            "(answer.max_history_turns): leave out the oldest",
            "history",
        )
    return Question(
        text=checked(asked.question, max_chars),
        k=asked.k or settings.answer.k,
        history=tuple(
            Turn(turn.role, checked(turn.content, 4 * max_chars, "history"))
            for turn in asked.history
        ),
        sampling=Sampling(
            asked.temperature, asked.top_p, asked.seed, asked.max_tokens, tuple(asked.stop)
        ),
        style=asked.style,
        strict=settings.answer.strict if asked.strict is None else asked.strict,
        adapter=asked.adapter,
        snapshot=asked.snapshot,
        where=filter_of(asked.where),
    )
