"""What a vLLM server streams, read: server-sent events that hold JSON, into values.

Nothing that comes over the wire is trusted. Whatever has not the form that vLLM gives it is
a ``ValueError`` that says what was found, and an event that does not end is not collected
for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeGuard

_READ = 65_536
_END = b"\n\n"
_LONGEST = 1_048_576  # bytes of one event; vLLM's have some hundred
_SHOWN = 80  # characters of what was found that a message quotes
_GIVEN_UP = ("abort", "error")  # reasons that are no end of an answer


@dataclass(frozen=True, slots=True)
class Delta:
    """What was generated since the last one."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str | None = None  # of the last: "stop" or "length"
    stop_reason: int | str | None = None  # the stop token or string; None: the model's own end


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answer cost. Comes last, once."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server says went wrong, by the status that HTTP has for it."""

    code: int
    message: str


Event = Delta | Usage


def answer(read: Callable[[int], bytes], prompt: Sequence[int]) -> Iterator[Event | Fault]:
    """The events of one answer: deltas, and the usage as the last; or a fault, and no more.

    :param read: at most so many bytes of the body; none at its end.
    :param prompt: the token ids that were sent; the server must say that it saw these.
    :raises ValueError: when what comes is not an answer of vLLM; the message says what came.
    """
    usage: Usage | None = None
    finished, generated = False, 0
    try:
        for payload in _payloads(read):
            chunk = _parsed(payload)
            if "error" in chunk and not finished:
                yield fault(chunk, 500)
                return
            usage = _usage(chunk) or usage
            delta = None if finished else _delta(chunk, prompt)
            if delta is not None:
                finished = delta.finish_reason is not None
                generated += len(delta.token_ids)
                yield delta
    except (OSError, HTTPException, ValueError):
        if not finished:  # after the last word it does not matter any longer
            raise
    if not finished:
        raise ValueError("an answer that ends without saying why")
    yield usage or Usage(len(prompt), generated)


def fault(body: object, code: int) -> Fault:
    """The error of a body, as vLLM words it: ``{"error": {"message": ..., "code": ...}}``."""
    told = body.get("error") if isinstance(body, dict) else None
    if isinstance(told, dict):
        said = told.get("code")
        code = said if type(said) is int and said >= 400 else code
        told = told.get("message")
    return Fault(code, shown(told if isinstance(told, str) else body, 4 * _SHOWN))


def parsed(body: bytes) -> Any:
    """JSON of somebody else.

    :raises ValueError: when it is none; the message says what it is.
    """
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError:
        raise ValueError(f"bytes that are not UTF-8: {shown(body)}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"what is not JSON: {shown(body)}") from None


def shown(found: object, length: int = _SHOWN) -> str:
    """Something that was found, short enough for a message."""
    text = found if isinstance(found, str) else repr(found)
    text = " ".join(text[: 4 * length].split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _payloads(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What the events hold, up to the one that says that there are no more."""
    held, looked = bytearray(), 0  # what was looked through holds no end of an event
    while more := read(_READ):
        held += more
        if held.find(_END, looked) < 0:
            looked = len(held) - 1
            if len(held) > _LONGEST:
                raise ValueError(f"an event of more than {_LONGEST} bytes")
            continue
        *whole, held = held.split(_END)
        looked = 0
        for event in whole:
            if event.startswith(b":") or not event.strip():  # comments keep connections alive
                continue
            if not event.startswith(b"data:"):
                raise ValueError(f"what is no event: {shown(bytes(event))}")
            payload = bytes(event[5:]).strip()
            if payload == b"[DONE]":
                return
            yield payload
    if held.strip():
        raise ValueError(f"an event that breaks off: {shown(bytes(held))}")


def _parsed(payload: bytes) -> dict[str, Any]:
    chunk = parsed(payload)
    if not isinstance(chunk, dict):
        raise ValueError(f"an event that is no object: {shown(payload)}")
    return chunk


def _usage(chunk: dict[str, Any]) -> Usage | None:
    usage = chunk.get("usage")
    if usage is None:
        return None
    try:
        prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    except (KeyError, TypeError):
        prompt = completion = None
    if type(prompt) is not int or type(completion) is not int:
        raise ValueError(f"a usage without its counts: {shown(usage)}")
    return Usage(prompt, completion)


def _delta(chunk: dict[str, Any], prompt: Sequence[int]) -> Delta | None:
    """None for a chunk that only counts."""
    choices = chunk.get("choices")
    if choices == []:
        return None
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    if not _is_choice(choice):
        raise ValueError(f"an event without a choice as it should be: {shown(chunk)}")
    seen, finish = choice.get("prompt_token_ids"), choice.get("finish_reason")
    if seen is not None and tuple(seen) != tuple(prompt):
        raise ValueError(
            f"an answer to another prompt than it was given: {_difference(seen, prompt)}"
        )
    if finish in _GIVEN_UP:
        raise ValueError(f"an answer that it gave up: finish_reason {finish!r}")
    ids = tuple(choice.get("token_ids") or ())
    return Delta(choice["text"], ids, finish, choice.get("stop_reason"))


def _is_choice(choice: object) -> TypeGuard[dict[str, Any]]:
    if not isinstance(choice, dict):
        return False
    return (
        _is_text(choice.get("text"))
        and isinstance(choice.get("finish_reason"), str | None)
        and type(choice.get("stop_reason")) in (int, str, type(None))
        and _are_ids(choice.get("token_ids"))
        and _are_ids(choice.get("prompt_token_ids"))
    )


def _is_text(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return False
    return True


def _are_ids(ids: object) -> bool:
    return ids is None or (isinstance(ids, list) and all(type(number) is int for number in ids))


def _difference(seen: Sequence[int], prompt: Sequence[int]) -> str:
    """Where two lists of token ids part."""
    for at, (found, expected) in enumerate(zip(seen, prompt, strict=False)):
        if found != expected:
            return f"token {at} is {found}, not {expected}"
    return f"it has {len(seen)} tokens, not {len(prompt)}"
