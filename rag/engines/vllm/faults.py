"""What goes wrong with a vLLM server, as errors of the tree that say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, IncompleteRead

from corpus.errors import EngineBusy, EngineFailed, EngineUnavailable
from rag.engines.vllm import events
from rag.engines.vllm.address import Address
from rag.engines.vllm.events import Fault
from rag.engines.vllm.wire import reason

BODY = 1_048_576  # bytes that are read of a body that is no stream
_FULL = (429, 503)  # vLLM says 503 when its queue is full, proxies say 429


def fault_of(response: HTTPResponse) -> Fault:
    """What a response says that is not the one that was hoped for.

    :raises ValueError: when it claims to be well and holds something else.
    """
    kind, body = response.headers.get_content_type(), response.read(BODY)
    try:
        told = events.parsed(body)
    except ValueError:
        told = None
    status = response.status
    if isinstance(told, dict) and "error" in told:
        return events.fault(told, status if status >= 400 else 500)
    if status == 200:
        raise ValueError(f"{kind} where something else was expected: {events.shown(body)}")
    return Fault(status, f"{kind}: {events.shown(body)}" if body else response.reason)


def failure(address: Address, fault: Fault, *, began: bool = False) -> EngineFailed:
    """The error of a request that the server did not answer.

    :param began: part of the answer was there; it is then no answer to ask elsewhere.
    """
    if fault.code in _FULL and not began:
        return EngineBusy(
            f"the vLLM server at {address} takes no more requests, its queue is full "
            f"({fault.code}): {fault.message}"
        )
    if 400 <= fault.code < 500 and not began:
        error = EngineFailed(
            f"the vLLM server at {address} refuses the request ({fault.code}): {fault.message}"
        )
        error.retryable = False  # it would refuse it again
        return error
    return EngineFailed(f"the vLLM server at {address} failed ({fault.code}): {fault.message}")


def broken(address: Address, error: Exception, *, began: bool) -> EngineFailed:
    """The error of a connection that broke, or of what came over it."""
    if not isinstance(error, OSError | IncompleteRead):
        what = error if isinstance(error, ValueError) else f"no HTTP: {events.shown(repr(error))}"
        return EngineFailed(f"the vLLM server at {address} sent {what}; is it a vLLM server?")
    kind = EngineFailed if began else EngineUnavailable
    when = "in the middle of its answer" if began else "before its first token"
    why = reason(error) if isinstance(error, OSError) else "its stream breaks off"
    return kind(f"the vLLM server at {address} went away {when}: {why}")


@contextmanager
def told(address: Address) -> Iterator[None]:
    """What breaks in the block, as an error of the tree."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise broken(address, error, began=False) from error
