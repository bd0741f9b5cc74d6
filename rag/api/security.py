"""What every request passes and every response carries, whatever it asks for.

* An id, from the caller or made here, in the response and in the log.
* On a loopback address, a Host header that names one: a page of another site that has its
  name resolve to 127.0.0.1 (DNS rebinding) is refused.
* For requests that change something, an Origin header that is this server's own: another
  site's page may send a form, and is refused.
* Headers that keep a browser from running, framing or loading anything foreign.

Not covered: who may ask at all.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.exceptions import Forbidden

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def register(app: Flask, host: str) -> None:
    """Guard every request of the application.

    :param host: the address that the server listens on.
    """
    local = is_loopback(host)

    @app.before_request
    def check() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        if local and not is_loopback(_name(f"//{request.environ.get('HTTP_HOST', '')}")):
            raise Forbidden(
                "this server listens on a loopback address and answers to localhost, 127.0.0.1 "
                "and [::1] only; start it with --host to serve under another name"
            )
        origin = request.headers.get("Origin")
        if origin is not None and request.method not in {"GET", "HEAD"} and not _own(origin):
            raise Forbidden("the request comes from a page of another site")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own(origin: str) -> bool:
    """Whether an Origin names the host that was asked; a proxy may have ended TLS before."""
    host: str = request.environ.get("HTTP_HOST", "")
    return origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}


def _name(authority: str) -> str:
    """The host of ``//host:port``; empty where it is none."""
    try:
        return urlsplit(authority).hostname or ""
    except ValueError:
        return ""
