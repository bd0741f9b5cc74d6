"""Asks a vLLM server over HTTP: completions of token ids as streams, and what it serves.

A connection lives for one request and ends with it, however that ends: that is what tells
vLLM to stop generating. Every wait obeys a :class:`rag.scope.Scope` (``rag.engines.vllm.wire``),
and nothing that the server sends is trusted (``rag.engines.vllm.events``). Every function
raises, besides what it names, DeadlineExceeded when the time is over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from corpus.errors import EngineFailed
from rag.engines.vllm import events
from rag.engines.vllm.address import Address
from rag.engines.vllm.asking import asked, page
from rag.engines.vllm.events import Event, Fault
from rag.engines.vllm.faults import broken, failure, fault_of, told
from rag.engines.vllm.wire import dialled
from rag.scope import Scope

_MODELS_S = 1.0  # for saying which models there are, when one was asked for that is not


@dataclass(frozen=True, slots=True)
class Completion:
    """What is asked of a model: these tokens, sampled so.

    ``sampling`` has vLLM's own names (``temperature``, ``max_tokens``, ``stop_token_ids``,
    ``structured_outputs``, ...); a value of None is left out.
    """

    prompt: tuple[int, ...]
    model: str  # as the server names it, or one of its adapters
    sampling: Mapping[str, object] = field(default_factory=dict)
    cache_salt: str | None = None  # shares its cache with requests of the same salt only
    interval: int = 1  # tokens that are sent together, after the first


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server serves, or an adapter of it."""

    id: str
    context: int | None  # tokens, prompt and answer together; None for adapters
    root: str | None  # the folder or hub id that was loaded
    parent: str | None  # of an adapter: the model it adapts


def stream(
    address: Address, completion: Completion, scope: Scope, first_token_s: float = math.inf
) -> Generator[Event, None, None]:
    """Generate, and yield what is generated as it comes; the usage is the last.

    :param first_token_s: seconds until the first delta, connecting included.
    :raises EngineUnavailable: before the first delta only: when the server cannot be reached,
        takes no more requests, or goes away. Asking again, or elsewhere, is safe.
    :raises EngineFailed: when it refuses the request (then not ``retryable``), breaks, or
        sends what is no answer.
    :raises GivenUp: when the scope was cancelled.
    """
    body, began = _body(completion), False
    with dialled(address, scope, first_token_s) as wire:
        try:
            response = asked(wire, address, "POST", "/v1/completions", body)
            if response.headers.get_content_type() != "text/event-stream":
                raise _refused(address, completion.model, fault_of(response), scope)
            for event in events.answer(response.read1, completion.prompt):
                if isinstance(event, Fault):
                    raise failure(address, event, began=began)
                scope.check()
                wire.settle()
                began = True
                yield event
        except (OSError, HTTPException, ValueError) as error:
            raise broken(address, error, began=began) from error


def models(address: Address, timeout_s: float) -> tuple[Model, ...]:
    """The models that the server serves, the base model first.

    :raises EngineUnavailable: when it cannot be reached.
    :raises EngineFailed: when it answers with something else.
    """
    body = page(address, "/v1/models", timeout_s)
    with told(address):
        try:
            served = tuple(_model(card) for card in events.parsed(body)["data"])
        except (TypeError, KeyError, AttributeError):
            served = ()
        if not served:
            raise ValueError(f"no list of models: {events.shown(body)}")
        return served


def version(address: Address, timeout_s: float) -> str:
    """Which vLLM the server runs.

    :raises EngineFailed: as :func:`models`.
    """
    body = page(address, "/version", timeout_s)
    with told(address):
        try:
            return str(events.parsed(body)["version"])
        except (TypeError, KeyError):
            raise ValueError(f"no version: {events.shown(body)}") from None


def check(address: Address, timeout_s: float) -> None:
    """See that the server says it is well. That it generates, only :func:`probe` tells.

    :raises EngineFailed: when it does not; the message says why.
    """
    page(address, "/health", timeout_s)


def healthy(address: Address, timeout_s: float) -> bool:
    """Whether the server says it is well; see :func:`check`."""
    try:
        check(address, timeout_s)
    except EngineFailed:
        return False
    return True


def probe(address: Address, model: str, timeout_s: float) -> None:
    """Have the server generate one token.

    :raises EngineFailed: when it does not.
    """
    one_token = Completion((1,), model, {"max_tokens": 1, "temperature": 0.0})
    for _ in stream(address, one_token, Scope(timeout_s)):
        pass


def _body(completion: Completion) -> bytes:
    salt = {} if completion.cache_salt is None else {"cache_salt": completion.cache_salt}
    asked_for = {
        **{name: value for name, value in completion.sampling.items() if value is not None},
        **salt,
        **({"stream_interval": completion.interval} if completion.interval > 1 else {}),
        "model": completion.model,
        "prompt": completion.prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }
    return json.dumps(asked_for, separators=(",", ":"), allow_nan=False).encode()


def _model(card: Any) -> Model:
    name, context = card["id"], card.get("max_model_len")
    if not isinstance(name, str) or not isinstance(context, int | None):
        raise TypeError(name, context)
    return Model(name, context, card.get("root"), card.get("parent"))


def _refused(address: Address, model: str, fault: Fault, scope: Scope) -> EngineFailed:
    """The error of a request that was not answered; of an unknown model, with those known."""
    if fault.code == 404:
        served: tuple[Model, ...] = ()
        with suppress(EngineFailed):
            served = models(address, min(_MODELS_S, max(0.0, scope.remaining())))
        if names := ", ".join(repr(each.id) for each in served):
            fault = Fault(404, f"it has no model {model!r}; it serves {names}")
    return failure(address, fault)
