"""A connection whose every wait ends: with the caller, with the deadline, or with what came.

``http.client`` reads headers and chunk sizes in loops of its own, so a timeout on the socket
alone lets a server that drips single bytes hold a request for ever. Here each receive asks
the scope how long it may wait.

Not bounded: looking up a host by name, which the system does in its own time. Addresses in
numbers and Unix sockets need no look-up.
"""

from __future__ import annotations

import io
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from corpus.errors import DeadlineExceeded, EngineUnavailable, GivenUp
from rag.engines.vllm.address import Address
from rag.scope import Scope

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_S = 2.0  # a server of a near network that has not answered by then is not there
_LOOK_UP_S = 0.25  # for which the kernel waits at once; a deadline that is nearer is kept exactly
_SHORTEST_S = 0.001  # zero would mean not to wait at all, which is another kind of socket
_BUFFER = 65_536

_T = TypeVar("_T")
_Where = tuple[str, int] | str  # host and port, or the path of a socket


class Wire:
    """A connected socket, as far as ``http.client`` asks for one.

    :param first_s: how long the server may take until :meth:`settle` is called.
    """

    def __init__(self, address: Address, scope: Scope, first_s: float = math.inf) -> None:
        self._address, self._scope, self._first_s = address, scope, first_s
        self._first_until = time.monotonic() + first_s
        self._turn = threading.Lock()  # a socket that is being cut is not closed meanwhile
        self._socket: socket.socket | None = None
        self._patience = _LOOK_UP_S

    def connect(self) -> None:
        """Reach the server.

        :raises EngineUnavailable: when nothing answers there.
        """
        failure: Exception | None = None
        try:
            for family, where in _places(self._address):
                try:
                    self._connect(family, where)
                    return
                except OSError as error:
                    failure = error
        except (OSError, UnicodeError) as error:  # no such host, or no name of one
            failure = error
        raise EngineUnavailable(
            f"no vLLM server answers at {self._address}: {reason(failure)}; is it running?"
        ) from failure

    def settle(self) -> None:
        """The first token is there; from now on only the deadline counts."""
        self._first_until = math.inf

    def cut(self) -> None:
        """End whatever waits on this connection. For other threads."""
        with self._turn:
            if self._socket is not None:
                with suppress(OSError):  # not connected yet, or not any longer
                    self._socket.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Close the connection; the server sees it at once."""
        with self._turn:
            if self._socket is not None:
                self._socket.close()

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._wait(lambda connected: connected.sendall(data))

    def receive(self, buffer: WriteableBuffer) -> int:
        """Wait for bytes; 0 at the end of them.

        The kernel keeps the time. Python would call ``poll`` before each ``recv`` and let
        other threads in twice a token, which with 32 streams costs more than all the rest.
        """
        while True:
            left = self._left()
            if left < self._patience:
                self._be_patient(left)
            try:
                received = self._connected.recv_into(buffer)
            except BlockingIOError:
                continue  # nothing yet; is there time left?
            except OSError:
                self._left()  # why it ended, if not by itself
                raise
            if self._scope.cancelled:
                raise GivenUp
            return received

    def makefile(self, _: str) -> io.BufferedReader:
        """What is received, as a file. Nothing is sent any longer."""
        self._connected.settimeout(None)
        self._be_patient(_LOOK_UP_S)
        return io.BufferedReader(_Received(self), _BUFFER)

    def close(self) -> None:
        """Nothing: ``http.client`` lets go of a connection that its response still reads."""

    @property
    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("a wire is connected before it is used")
        return self._socket

    def _be_patient(self, seconds: float) -> None:
        """Have the kernel wait so long for bytes."""
        self._patience = max(seconds, _SHORTEST_S)
        whole, part = divmod(self._patience, 1)
        interval = struct.pack("ll", int(whole), int(part * 1_000_000))
        self._connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)

    def _connect(self, family: int, where: _Where) -> None:
        self.hang_up()  # the one that failed
        with self._turn:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            if family != socket.AF_UNIX:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait(lambda connecting: connecting.connect(where), CONNECT_S)

    def _wait(self, act: Callable[[socket.socket], _T], at_most: float = math.inf) -> _T:
        """Do with the socket what may take time, and see that it ends in time."""
        wait = max(min(self._left(), at_most), _SHORTEST_S)
        self._connected.settimeout(None if wait == math.inf else wait)
        try:
            done = act(self._connected)
        except OSError:
            self._left()  # why it ended, if not by itself
            raise
        if self._scope.cancelled:
            raise GivenUp
        return done

    def _left(self) -> float:
        """Seconds that may be waited now.

        :raises GivenUp: when the caller has left.
        :raises DeadlineExceeded: when no time is left.
        """
        self._scope.check()
        first = self._first_until - time.monotonic()
        if first <= 0:
            raise DeadlineExceeded(
                f"the vLLM server at {self._address} sent no token within {self._first_s:.3g} s"
            )
        return min(first, self._scope.remaining())


class _Received(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._wire.receive(buffer)


@contextmanager
def dialled(address: Address, scope: Scope, first_s: float = math.inf) -> Iterator[Wire]:
    """A connection for the length of the block; the scope's end cuts it.

    :raises EngineUnavailable: when nothing answers there.
    :raises DeadlineExceeded: when the time is over, here and in every use of it.
    :raises GivenUp: when the caller has left.
    """
    wire = Wire(address, scope, first_s)
    try:
        with scope.ending(wire.cut):
            wire.connect()
            yield wire
    finally:
        wire.hang_up()


def reason(error: BaseException | None) -> str:
    """What the system says about a failure, in a few words."""
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    said = getattr(error, "strerror", None) or str(error)
    return str(said) or type(error).__name__


def _places(address: Address) -> Iterator[tuple[int, _Where]]:
    """Where to connect to, in the system's order of preference."""
    if address.path:
        yield socket.AF_UNIX, address.path
        return
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    for family, _, _, _, where in found:
        yield family, (str(where[0]), address.port)
