"""What a question, or a query, must be before anything is done with it."""

from __future__ import annotations

from corpus.errors import BadRequest


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
