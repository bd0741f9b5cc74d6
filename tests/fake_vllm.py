"""A server that speaks as vLLM 0.32 does, word for word, and fails in every way it is told to.

    with FakeVllm(["Hello", " world"]) as fake:
        ...  # ask fake.url
        fake.fault = "slow_drip"

It says what it is given, one piece a token, and counts what became of each request. It can
be stopped and started again at the same address.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rag.engines.vllm.address import Address, parse

FAULTS = (
    "refuse",  # nobody listens
    "hang",  # takes the connection and says nothing, whatever is asked
    "slow_first_token",  # sends headers, then nothing
    "slow_drip",  # a token now and then, without end
    "byte_drip",  # a byte now and then, headers too
    "endless",  # tokens without end, in quick succession
    "reset_early",  # resets the connection before the first token
    "reset",  # resets it in the middle
    "no_finish",  # ends in order, without a reason
    "500",
    "429",
    "503",
    "wrong_model",  # 404, as for a model that it does not have
    "html",  # a page for people
    "error_body",  # 200, and an error where the stream should be
    "error_event",  # an error inside the stream
    "bad_utf8",
    "bad_json",
    "bad_shape",
    "huge_token",  # an event of several megabytes
    "wrong_prompt",  # says that it saw another prompt
    "aborted",  # the engine gave the request up
)
Says = Sequence[str] | Callable[[Mapping[str, Any]], Sequence[str]]

END_TOKEN = 2
DRIP_S = 0.05
QUICK_S = 0.005
LONG_S = 60.0  # longer than any test waits


class FakeVllm:
    """A context manager: serves from entering to leaving.

    :param says: the pieces of the answer, or what makes them of the request's body.
    :param path: of a Unix socket; None: a free port.
    """

    def __init__(
        self,
        says: Says = ("Hello", " world"),
        *,
        model: str = "fake",
        context: int = 4096,
        path: Path | None = None,
    ) -> None:
        self.says, self.model, self.context = says, model, context
        self.pace_s = 0.0  # between tokens
        self.once = deque[str]()  # faults of the next completions, one each, before ``fault``
        self.requests: list[dict[str, Any]] = []  # the bodies of completions
        self.asked: list[str] = []  # every path, in order
        self.finished = 0  # completions that were sent to their end
        self.aborted = 0  # completions whose client went away before
        self.went_away: list[float] = []  # when, by time.monotonic()
        self.open = 0  # connections
        self._path, self._port = path, 0
        self._fault = ""
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> FakeVllm:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"unix:{self._path}" if self._path else f"http://127.0.0.1:{self._port}"

    @property
    def address(self) -> Address:
        return parse(self.url)

    @property
    def fault(self) -> str:
        """One of FAULTS, or nothing."""
        return self._fault

    @fault.setter
    def fault(self, fault: str) -> None:
        assert not fault or fault in FAULTS, fault
        self._fault = fault
        if fault == "refuse":
            self._deafen()
        else:
            self.start()

    def start(self) -> None:
        """Listen, at the same address as before."""
        if self._listener is not None:
            return
        if self._path:
            self._path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._path))
        else:
            listener = socket.socket(socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            self._port = listener.getsockname()[1]
        listener.listen(256)
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """Break every connection off, as a server that is killed does."""
        self._deafen()
        end = time.monotonic() + 5
        while self._busy():
            assert time.monotonic() < end, "a connection does not end"
            with self._lock:
                connections = list(self._connections)
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            time.sleep(0.002)

    def _deafen(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()

    def _busy(self) -> bool:
        with self._lock:
            return any(thread.is_alive() for thread in self._threads)

    def _spawn(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
                self.open += 1
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        line = _Line(connection)
        try:
            path, body = line.request()
            self._answer(line, path, body)
        except _Gone:
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
                self.open -= 1
            connection.close()

    def _answer(self, line: _Line, path: str, body: Any) -> None:
        with self._lock:
            self.asked.append(path)
        if path != "/v1/completions":
            if self._fault == "hang":
                line.pause(LONG_S)
            self._page(line, path)
            return
        with self._lock:
            self.requests.append(body)
            fault = self.once.popleft() if self.once else self._fault
        try:
            self._complete(line, body, fault)
        except _Gone:
            with self._lock:
                self.aborted += 1
                self.went_away.append(time.monotonic())
            raise
        with self._lock:
            self.finished += 1

    def _page(self, line: _Line, path: str) -> None:
        card = {"id": self.model, "object": "model", "created": 1, "owned_by": "vllm"}
        card |= {"root": f"/models/{self.model}", "parent": None, "max_model_len": self.context}
        pages: dict[str, object] = {
            "/health": None,
            "/version": {"version": "0.32.0"},
            "/v1/models": {"object": "list", "data": [card]},
        }
        if path in pages:
            line.reply(200, pages[path])
        else:
            line.reply(404, _error("Not Found", "Not Found", 404))

    def _complete(self, line: _Line, body: Mapping[str, Any], fault: str) -> None:
        if fault == "hang":
            line.pause(LONG_S)
        elif fault == "reset_early":
            line.reset()
        elif fault == "500":
            line.reply(500, _error("Internal server error", "InternalServerError", 500))
        elif fault == "429":
            line.reply(429, _error("Too many requests", "Too Many Requests", 429))
        elif fault == "503":
            line.reply(503, _error(_BUSY, "Service Unavailable", 503))
        elif fault == "wrong_model" or body["model"] != self.model:
            message = f"The model `{body['model']}` does not exist. Valid aliases: {self.model}."
            line.reply(404, _error(message, "NotFoundError", 404))
        elif fault == "html":
            line.send_head(200, "text/html", 27)
            line.send(b"<html>It works!<br/></html>")
        elif fault == "error_body":
            line.reply(200, _error("The engine is dead.", "InternalServerError", 500))
        elif fault == "byte_drip":
            for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
                line.send(bytes([byte]))
                line.pause(DRIP_S)
        else:
            line.send_head(200, "text/event-stream; charset=utf-8")
            self._stream(line, body, fault)
            line.chunk(b"")

    def _stream(self, line: _Line, body: Mapping[str, Any], fault: str) -> None:
        if fault == "slow_first_token":
            line.pause(LONG_S)
        pieces = self._pieces(body, fault)
        said = 0
        for said, (text, finish) in enumerate(pieces, 1):
            seen = [*body["prompt"], 7] if fault == "wrong_prompt" else body["prompt"]
            token = END_TOKEN if not text else 100 + said
            line.event(
                self._chunk(
                    {
                        "index": 0,
                        "text": text,
                        "logprobs": None,
                        "finish_reason": finish,
                        "stop_reason": None,
                        "prompt_token_ids": seen if said == 1 else None,
                        "token_ids": [token],
                    }
                )
            )
            line.pause({"slow_drip": DRIP_S, "endless": QUICK_S}.get(fault, self.pace_s))
            if said == 1 and fault in _BROKEN:
                _BROKEN[fault](line)
                return
        usage = {"prompt_tokens": len(body["prompt"]), "total_tokens": len(body["prompt"]) + said}
        line.event(self._chunk(usage=usage | {"completion_tokens": said}))
        line.chunk(b"data: [DONE]\n\n")

    def _pieces(self, body: Mapping[str, Any], fault: str) -> Iterator[tuple[str, str | None]]:
        """Texts of tokens, and the reason with the last."""
        if fault in ("endless", "slow_drip"):
            while True:
                yield " word", None
        pieces = list(self.says(body) if callable(self.says) else self.says)
        most = body.get("max_tokens", 16)
        for number, piece in enumerate(pieces[:most], 1):
            yield piece, "length" if number == most else None
        if len(pieces) < most:
            yield "", "abort" if fault == "aborted" else "stop"

    def _chunk(self, choice: object = None, usage: object = None) -> dict[str, object]:
        chunk: dict[str, object] = {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": self.model,
            "choices": [choice] if choice else [],
        }
        return chunk | ({"usage": usage} if usage else {})


class _Gone(Exception):
    """The client went away, or the server is being stopped."""


class _Line:
    """A connection, seen from the server."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def request(self) -> tuple[str, Any]:
        """Path and body."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        while len(body) < int(headers.get("content-length", "0")):
            body += self._receive()
        return lines[0].split()[1], json.loads(body) if body else None

    def send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError:
            raise _Gone from None

    def send_head(self, status: int, kind: str, length: int | None = None) -> None:
        how = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        head = f"HTTP/1.1 {status} Fake\r\nserver: uvicorn\r\ncontent-type: {kind}\r\n{how}\r\n\r\n"
        self.send(head.encode())

    def reply(self, status: int, body: object) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_head(status, "application/json", len(data))
        self.send(data)

    def chunk(self, data: bytes) -> None:
        """One chunk of the body; an empty one ends it."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, chunk: object) -> None:
        self.chunk(b"data: %s\n\n" % json.dumps(chunk, separators=(",", ":")).encode())

    def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has gone."""
        if select.select([self._connection], [], [], seconds)[0]:
            self._receive()  # clients send nothing more, so this is the end

    def reset(self) -> None:
        """End the connection without a word, so that the client is told it broke."""
        if self._connection.family == socket.AF_INET:
            self._connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._connection.close()

    def _receive(self) -> bytes:
        try:
            received = self._connection.recv(65_536)
        except OSError:
            raise _Gone from None
        if not received:
            raise _Gone
        return received


_BUSY = (
    "The engine is currently busy and cannot accept new requests. "
    "Please try again later or on a different instance."
)


def _error(message: str, kind: str, code: int) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _huge(line: _Line) -> None:
    for _ in range(64):
        line.chunk(b"data: " + b"x" * 65_536)


_BROKEN: Mapping[str, Callable[[_Line], None]] = {
    "reset": _Line.reset,
    "no_finish": lambda line: line.chunk(b"data: [DONE]\n\n"),
    "error_event": lambda line: line.event(_error("Internal server error", "x", 500)),
    "bad_utf8": lambda line: line.chunk(b'data: {"choices":[{"text":"\xff\xfe"}]}\n\n'),
    "bad_json": lambda line: line.chunk(b'data: {"choices":[{"text":\n\n'),
    "bad_shape": lambda line: line.chunk(b'data: {"choices":[{"text":7}]}\n\n'),
    "huge_token": _huge,
}
