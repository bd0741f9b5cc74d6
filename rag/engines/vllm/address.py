"""Where a vLLM server listens: a TCP port, or a Unix socket of this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from corpus.errors import SettingsError

_TCP = re.compile(r"http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})(/?.*)", re.DOTALL)
_UNIX = "unix:"
_LONGEST_PATH = 107  # bytes that the kernel takes
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a socket. Written as the setting writes it."""

    host: str = ""
    port: int = 0
    path: str = ""  # of a Unix socket; empty: TCP

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}" if self.path else f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """What the header ``Host`` says."""
        if self.path:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Address:
    """Read ``http://HOST:PORT`` or ``unix:/PATH``.

    :raises SettingsError: when it is neither; the message says what is wrong with it.
    """
    if text.startswith(_UNIX):
        return _unix(text)
    if text.startswith("https://"):
        raise _refused(
            text,
            "the prompt's tokens go to vLLM in the clear, over loopback or a network that is "
            "trusted; end TLS in front of vLLM and name the plain address behind it",
        )
    found = _TCP.fullmatch(text)
    if found is None:
        raise _refused(text, "that is no address of a server")
    host, port, rest = found.groups()
    if rest not in ("", "/"):
        raise _refused(text, f"leave out {rest!r}: the paths of the API are known")
    if not 0 < int(port) <= _LAST_PORT:
        raise _refused(text, f"ports go from 1 to {_LAST_PORT}")
    return Address(host=host.strip("[]"), port=int(port))


def _unix(text: str) -> Address:
    path = text.removeprefix(_UNIX)
    if path.startswith("///"):  # the form that URL libraries write
        path = path[2:]
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise _refused(text, "the path of a socket begins with one '/'")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise _refused(text, f"the path of a socket has {_LONGEST_PATH} bytes at most")
    return Address(path=path)


def _refused(text: str, why: str) -> SettingsError:
    return SettingsError(
        f"the vLLM server {text!r} cannot be used: {why}; expected http://HOST:PORT or unix:/PATH"
    )
