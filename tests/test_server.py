"""The real server as a process: streams, disconnects, restarts, ends, and a port that is taken."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import RagError
from rag.listening import listen, url_of
from tests.conftest import Workbench
from tests.serving import Silent, events_of

QUESTION = "How many days of annual leave does every employee get?"


class Server:
    """A server in its own process."""

    def __init__(self, store: Path, *arguments: str) -> None:
        self.notes = store.parent / "notes"
        self._log = (store.parent / "log").open("w+")
        command = [sys.executable, "-m", "tests.serving", str(store), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), f"{url!r}, {self.log()}"
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def ask(self, engine: str = "quoting", *, stream: bool = False) -> tuple[int, str]:
        """Status and body of one question, on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            body = json.dumps({"question": QUESTION, "engine": engine, "stream": stream})
            connection.request("POST", "/v1/ask", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def get(self, path: str) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def send(self, engine: str, *, stream: bool) -> socket.socket:
        """Ask, and read nothing yet."""
        body = json.dumps({"question": QUESTION, "engine": engine, "stream": stream}).encode()
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(
            b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return client

    def open_stream(self, engine: str) -> socket.socket:
        """Ask for a stream and read its first bytes."""
        client = self.send(engine, stream=True)
        assert client.recv(64).startswith(b"HTTP/1.1 200")
        return client

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self) -> int:
        """Kill what a test may have left, and close what is open."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        return code


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("corpus"))
    bench.write("leave.md", "Every employee gets 27 days of annual leave.\n")
    bench.ingest()
    return bench


@contextmanager
def serving(store: Path, *arguments: str) -> Iterator[Server]:
    server = Server(store, *arguments)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def server(corpus: Workbench) -> Iterator[Server]:
    """A server that tests leave as they found it."""
    with serving(corpus.store.path) as server:
        yield server


def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


# ---- streams ---------------------------------------------------------------------------------


def test_events_come_in_order_over_the_wire(server: Server) -> None:
    status, body = server.ask(stream=True)
    events = events_of(body)
    names = [name for name, _ in groupby(events, lambda event: event[0])]

    assert status == 200
    assert names == ["meta", "passages", "token", "citation", "done"]
    told = "".join(str(data["text"]) for name, data in events if name == "token")
    assert told == dict(events)["done"]["answer"]


def test_a_silent_engine_is_bridged_by_comments_a_second_apart(server: Server) -> None:
    began = time.monotonic()
    arrived: list[tuple[float, bytes]] = []
    with server.open_stream("silent") as client:
        while b"event: done" not in (part := client.recv(65536)):
            arrived.append((time.monotonic() - began, part))

    pings = [moment for moment, part in arrived if b": ping\n\n" in part]
    assert len(pings) == int(Silent.seconds)
    assert 0.6 < pings[1] - pings[0] < 1.4


@pytest.mark.parametrize("after", [0.0, 1.2])
def test_a_client_that_leaves_ends_the_making_of_its_answer(server: Server, after: float) -> None:
    server.notes.unlink(missing_ok=True)
    client = server.open_stream("endless")
    while b"event: token" not in client.recv(65536):
        pass
    time.sleep(after)

    client.close()
    left = time.time()

    until(server.notes.exists, 5)
    until(lambda: server.notes.read_text() != "")
    assert float(server.notes.read_text()) - left < 1.0


def test_clients_that_leave_while_nothing_is_said_free_their_threads(server: Server) -> None:
    """Sixteen threads are all there are; a comment into a closed connection tells too late."""
    streams = [server.open_stream("mute") for _ in range(16)]

    for stream in streams:
        stream.close()
    began = time.monotonic()

    assert server.ask()[0] == 200
    assert time.monotonic() - began < 1.0


def test_connections_that_send_nothing_hold_no_threads(server: Server) -> None:
    """Browsers open some in advance; sixteen threads are all there are."""
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(32)]
    began = time.monotonic()
    try:
        assert server.ask()[0] == 200
        assert time.monotonic() - began < 2
    finally:
        for connection in idle:
            connection.close()


def test_other_requests_are_answered_while_streams_are_open(server: Server) -> None:
    streams = [server.open_stream("endless") for _ in range(8)]
    try:
        began = time.monotonic()
        assert server.ask()[0] == 200
        assert time.monotonic() - began < 2
    finally:
        for stream in streams:
            stream.close()


def test_a_question_in_raw_bytes_is_refused_over_the_wire(server: Server) -> None:
    """The document's path and the body reach the application as they were sent."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request("GET", "/v1/documents/a%2Fb%0A%C3%BC/text")
        response = connection.getresponse()
        error = json.loads(response.read())["error"]

    assert response.status == 404
    assert "'a/b\\nü'" in error["message"]


# ---- a new snapshot --------------------------------------------------------------------------


def test_a_new_snapshot_is_served_without_being_told(bench: Workbench) -> None:
    bench.write("leave.md", "Every employee gets 25 days of annual leave.\n")
    bench.ingest()
    with serving(bench.store.path) as server:
        assert "25 days" in server.ask()[1]
        bench.write("leave.md", "Every employee gets 30 days of annual leave.\n")

        report = bench.ingest()

        until(lambda: server.get("/readyz")["snapshot"]["id"] == report.snapshot, 5)
        assert "30 days" in server.ask()[1]


def test_a_server_started_before_the_first_snapshot_begins_to_answer(bench: Workbench) -> None:
    with serving(bench.store.path) as server:
        status, body = server.ask()
        assert status == 503
        assert "rag ingest FOLDER" in body
        bench.write("leave.md", "Every employee gets 25 days of annual leave.\n")

        bench.ingest()

        until(lambda: server.ask()[0] == 200, 5)


# ---- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_answers_what_it_has(corpus: Workbench, number: signal.Signals) -> None:
    with serving(corpus.store.path) as server, ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(server.ask, "silent", stream=n % 2 == 0) for n in range(12)]
        time.sleep(1)

        os.killpg(server.process.pid, number)  # as a terminal does: to all of its processes

        outcomes = [one.result() for one in asked]
        assert [status for status, _ in outcomes] == [200] * 12
        assert all("27 days" in body for _, body in outcomes)
        assert sum("event: done" in body for _, body in outcomes) == 6
        assert server.process.wait(15) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_that_must_be_cut_ends_with_an_error_that_says_so(
    corpus: Workbench, number: signal.Signals
) -> None:
    with serving(corpus.store.path, "--grace", "7") as server, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.ask, "endless", stream=True)
        time.sleep(0.5)
        began = time.monotonic()

        os.killpg(server.process.pid, number)

        status, body = asked.result()
        events = events_of(body)
        assert status == 200
        assert events[-1][0] == "error"
        error: Any = events[-1][1]["error"]
        assert (error["type"], error["retryable"]) == ("engine_failed", True)
        assert "the server is stopping" in error["message"]
        assert server.process.wait(15) == 0
        assert time.monotonic() - began < 7


def test_a_reload_under_load_fails_no_request(corpus: Workbench) -> None:
    with serving(corpus.store.path) as server:
        outcomes: list[int] = []
        over = threading.Event()

        def keep_asking() -> None:
            while not over.is_set():
                outcomes.append(server.ask()[0])

        clients = [threading.Thread(target=keep_asking) for _ in range(3)]
        for client in clients:
            client.start()
        before = server.workers()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(now := server.workers()) == 1 and now != before, 15)
        time.sleep(0.5)
        over.set()
        for client in clients:
            client.join()

        assert len(outcomes) > 20
        assert set(outcomes) == {200}


def test_a_worker_that_crashes_is_replaced(corpus: Workbench) -> None:
    with serving(corpus.store.path) as server:
        (worker,) = server.workers()

        os.kill(worker, signal.SIGKILL)

        until(lambda: server.workers() not in ([worker], []), 15)
        assert server.ask()[0] == 200
        assert "was sent SIGKILL" in server.log()


# ---- the beginning ---------------------------------------------------------------------------


def test_one_process_loads_the_corpus_and_a_small_one_watches(server: Server) -> None:
    assert len(server.workers()) == 1


def test_a_port_that_is_taken_is_said_at_once(corpus: Workbench, server: Server) -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.serving", str(corpus.store.path)]
    ended = subprocess.run(
        [*command, "--port", str(server.port)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        f"rag: port {server.port} on 127.0.0.1 is taken; choose another with --port\n"
    )
    assert time.monotonic() - began < 5


def test_what_cannot_be_loaded_ends_the_server_with_the_reason(tmp_path: Path) -> None:
    """An error of the worker is told by the process that the user started, once."""
    code = (
        "from corpus.errors import ModelUnavailable, RagError\n"
        "from corpus.settings import ServeSettings\n"
        "from rag.server import serve\n"
        "def build(): raise ModelUnavailable('the model is not here')\n"
        "try: serve(build, ServeSettings(port=0))\n"
        "except RagError as error: raise SystemExit(f'rag: {error}')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr == "rag: the model is not here\n"


def test_addresses_that_cannot_be_had_are_refused_in_words() -> None:
    with pytest.raises(RagError, match=r"192\.0\.2\.1 is no address of this machine"):
        listen("192.0.2.1", 0)
    with pytest.raises(RagError, match="the host 'no such host' is not known"):
        listen("no such host", 0)


def test_the_url_names_the_port_that_was_given() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, "127.0.0.1") == f"http://127.0.0.1:{port}"
        assert url_of(listener, "0.0.0.0") == f"http://localhost:{port}"
        assert url_of(listener, "::1") == f"http://[::1]:{port}"
