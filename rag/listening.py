"""The socket that the server listens on, and why it cannot be had, in words."""

from __future__ import annotations

import errno
import socket

from corpus.errors import CannotServe

BACKLOG = 512  # connections that wait to be accepted
EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  # to be recognised


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    :raises CannotServe: when the address cannot be had, with what to do about it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotServe(f"the host {host!r} is not known here: {error.strerror}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotServe(_refusal(error, host, port)) from error
    return listener


def url_of(listener: socket.socket, host: str) -> str:
    """Where the socket can be reached, with the port that it was given."""
    port = listener.getsockname()[1]
    shown = "localhost" if host in EVERYWHERE else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _refusal(error: OSError, host: str, port: int) -> str:
    where = f"port {port} on {host}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken; choose another with --port"
    if error.errno == errno.EACCES:
        return f"{where} may not be used without privileges; choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; choose another with --host"
    return f"{where} cannot be listened on: {error.strerror}"
