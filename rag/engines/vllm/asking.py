"""One HTTP request to a vLLM server, over a wire that keeps to the scope."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse

from rag.engines.vllm.address import Address
from rag.engines.vllm.faults import BODY, failure, fault_of, told
from rag.engines.vllm.wire import Wire, dialled
from rag.scope import Scope


class _Connection(HTTPConnection):
    """HTTP over a wire that is connected already."""

    def __init__(self, wire: Wire) -> None:
        super().__init__("localhost")
        self.sock = wire


def asked(
    wire: Wire, address: Address, method: str, path: str, body: bytes | None = None
) -> HTTPResponse:
    """Send a request and read the head of its response.

    :raises OSError: when the connection breaks.
    :raises http.client.HTTPException: when what comes is not HTTP.
    """
    headers = {"Host": address.authority, "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = _Connection(wire)
    connection.request(method, path, body, headers)
    return connection.getresponse()


def page(address: Address, path: str, timeout_s: float) -> bytes:
    """The body of a page that must be there.

    :raises EngineFailed: when it is not; the message says what is.
    """
    with dialled(address, Scope(timeout_s)) as wire, told(address):
        response = asked(wire, address, "GET", path)
        if response.status != 200:
            raise failure(address, fault_of(response))
        return response.read(BODY)
