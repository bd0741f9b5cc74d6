"""Ask a running server: what ``rag ask --server`` needs of HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from corpus.errors import BadRequest, ServerUnreachable

_TIMEOUT_S = 120.0


def post(server: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request and return the answer's body.

    :param server: the URL of a server, e.g. ``http://127.0.0.1:8000``.
    :raises BadRequest: when the URL is none, or the server refuses the request.
    :raises ServerUnreachable: when nothing answers there, or not with JSON.
    """
    if urlsplit(server).scheme not in ("http", "https"):
        raise BadRequest(f"{server!r} is no URL of a server; expected http://HOST:PORT", "server")
    request = Request(  # noqa: S310  # the scheme was checked above
        server.rstrip("/") + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310  # the same
            answer: dict[str, Any] = json.load(response)
            return answer
    except HTTPError as error:
        raise _refused(server, error) from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServerUnreachable(
            f"no answer from {server}: {reason}; is `rag serve` running there?"
        ) from error


def _refused(server: str, error: HTTPError) -> BadRequest | ServerUnreachable:
    """The server's own error, in its words."""
    try:
        told = json.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        return ServerUnreachable(f"{server} answered {error.code} {error.reason}")
    message = f"{server} answered {error.code}: {told['message']}"
    if error.code < 500:
        return BadRequest(message, told.get("param"))
    return ServerUnreachable(message)
