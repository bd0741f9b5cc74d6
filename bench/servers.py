"""Which WSGI server carries Flask, streams and restarts: gunicorn gthread against granian.

    python bench/servers.py            both servers, about two minutes
    python bench/servers.py gunicorn   one of them

Each server runs one process with 16 threads over the same application, on this machine's
loopback. Throughput needs `wrk` on the path and is left out without it; everything else is
the standard library. The last line of the output is one JSON object.

Not covered: TLS, HTTP/2, more than one worker process (the model would be loaded twice).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

THREADS = 16
SERVERS = ("gunicorn", "granian")


# ---- the application: one JSON route, one stream, one silent stream ----------------------


def make_app(log: Path) -> Any:
    """The Flask application that both servers carry. ``log`` receives what it notices."""
    from flask import Flask, Response, jsonify, request
    from werkzeug.routing import BaseConverter

    class Anything(BaseConverter):
        """Werkzeug's own path converter matches no new-line, whatever the server does."""

        regex = "(?s:.+?)"
        part_isolating = False

    app = Flask(__name__)
    app.url_map.converters["anything"] = Anything
    _note(log, f"loaded {os.getpid()}")

    @app.get("/json")
    def as_json() -> Response:
        return jsonify(answer="The documents do not say.", citations=[], status="abstained")

    @app.get("/stream")
    def stream() -> Response:
        return Response(_events(100), mimetype="text/event-stream")

    @app.get("/silent")
    def silent() -> Response:
        return Response(_silence(float(request.args["seconds"]), log), mimetype="text/event-stream")

    @app.get("/flood")
    def flood() -> Response:
        return Response(_flood(log), mimetype="text/event-stream")

    @app.get("/slow")
    def slow() -> Response:
        time.sleep(float(request.args["seconds"]))
        return jsonify(slept=True)

    @app.get("/path/<anything:name>")
    def path(name: str) -> Response:
        return jsonify(name=name)

    return app


def _events(count: int) -> Iterator[str]:
    for number in range(count):
        yield f'event: token\ndata: {{"text": "word {number} "}}\n\n'


def _silence(seconds: float, log: Path) -> Iterator[str]:
    """Say nothing but a comment every second; note when the server closes the generator."""
    yield "event: meta\ndata: {}\n\n"
    try:
        for _ in range(int(seconds)):
            time.sleep(1)
            yield ": ping\n\n"
    finally:
        _note(log, f"closed {time.time():.3f}")


def _flood(log: Path) -> Iterator[bytes]:
    """Up to 128 MB in events of 64 KB, for a client that does not read."""
    for _ in range(2048):
        _note(log, "flooded 65536")
        yield b": " + b"x" * 65532 + b"\n\n"


def _note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line + "\n")


# ---- the two servers ---------------------------------------------------------------------


def serve_gunicorn(port: int, log: Path) -> None:
    """One arbiter, one worker, a pool of threads; the application is loaded in the worker."""
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            options = {
                "bind": f"127.0.0.1:{port}",
                "workers": 1,
                "threads": THREADS,
                "worker_class": "gthread",
                "graceful_timeout": 10,
                "control_socket_disable": True,
            }
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return make_app(log)

    Application().run()


def serve_granian(port: int, log: Path) -> None:
    """One supervisor, one worker with Rust I/O, a pool of blocking threads for Python."""
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        workers_kill_timeout=10,
        log_enabled=False,
    ).serve(target_loader=lambda *_: make_app(log), wrap_loader=False)


# ---- what is measured --------------------------------------------------------------------


class Running:
    """A server in its own process."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / f"{kind}.log"
        self.log.write_text("")
        began = time.monotonic()
        command = [sys.executable, __file__, kind, "--port", str(self.port), "--log", str(self.log)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # type: ignore[union-attr]  # a pipe
        while not self.answers():
            time.sleep(0.01)
            if time.monotonic() - began > 15:
                raise TimeoutError(f"{kind} did not start")
        self.start_s = time.monotonic() - began

    def answers(self) -> bool:
        """Whether it can be asked yet."""
        with suppress(OSError, http.client.HTTPException):
            return self.get("/json")[0] == 200
        return False

    def get(self, path: str, timeout: float = 20) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def noted(self, word: str) -> list[str]:
        """What the application wrote down after this word."""
        lines = self.log.read_text().splitlines()
        return [line.split()[1] for line in lines if line.startswith(word)]

    def processes(self) -> list[int]:
        """This process and everything below it."""
        found, queue = list[int](), [self.process.pid]
        while queue:
            found.append(pid := queue.pop())
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                queue += map(int, children.split())
        return found

    def memory_mb(self) -> float:
        """Proportional set size of all its processes."""
        total = 0
        for pid in self.processes():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])  # type: ignore[index]  # always there
        return round(total / 1024, 1)

    def stop(self) -> float:
        """Send SIGTERM; how many seconds it took to end."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - began


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Running]:
    """A server for the length of a ``with`` block."""
    server = Running(kind, folder)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def throughput(server: Running, path: str, connections: int, seconds: int = 4) -> dict[str, float]:
    """Requests a second and the median latency by wrk, which shares the machine."""
    if shutil.which("wrk") is None:
        return {}
    url = f"http://127.0.0.1:{server.port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's table
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return {
        "requests_per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),  # type: ignore[index]  # wrk's table
        "p50_ms": float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit],
        "failed": int(failed[1]) if failed else 0,
    }


def disconnect_noticed_s(server: Running) -> float | None:
    """Seconds from the client's leaving a silent stream to the generator's being closed."""
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"GET /silent?seconds=6 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.recv(4096)
    time.sleep(0.3)
    client.close()
    left = time.time()
    while time.time() - left < 9:
        if closed := server.noted("closed"):
            return round(float(closed[0]) - left, 2)
        time.sleep(0.05)
    return None


def taken_ahead_mb(server: Running) -> float:
    """What a server takes from a generator within a second when the client reads nothing."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        return round(len(server.noted("flooded")) * 65536 / 1e6, 1)


def a_second_server_on_the_port(kind: str, server: Running, folder: Path) -> str:
    """Whether the same server, started twice on one port, says so."""
    port = str(server.port)
    command = [sys.executable, __file__, kind, "--port", port, "--log", str(folder / "second")]
    second = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        return f"refused, exit {second.wait(8)}"
    except subprocess.TimeoutExpired:
        second.terminate()
        second.wait(20)
        return "both listen, and share the connections"


def stop_in_flight(kind: str, folder: Path, path: str) -> dict[str, object]:
    """SIGTERM while 12 requests of one second are being answered."""
    with running(kind, folder) as server, ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(server.get, path) for _ in range(12)]
        time.sleep(0.5)
        took = server.stop()
        whole = 0
        for one in asked:
            with suppress(OSError, http.client.HTTPException):
                whole += one.result()[0] == 200
        return {"answered": f"{whole}/12", "exit_s": round(took, 2)}


def reload_under_load(server: Running, times: int = 3) -> dict[str, object]:
    """SIGHUP three times while four clients ask on new connections."""
    outcomes: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                outcomes.append(str(server.get("/json")[0]))
            except (OSError, http.client.HTTPException) as error:
                outcomes.append(type(error).__name__)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in range(times):
        time.sleep(1)
        server.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    over.set()
    for client in clients:
        client.join()
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def port_taken(kind: str, folder: Path) -> dict[str, object]:
    """What a server says, and how long it takes, when another listens on its port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        began = time.monotonic()
        command = [sys.executable, __file__, kind, "--port", port, "--log", str(folder / "taken")]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=12, check=False)
        except subprocess.TimeoutExpired:
            return {"exit": None, "after_s": 12}
        said = [line for line in ended.stderr.strip().splitlines() if line]
        return {
            "exit": ended.returncode,
            "after_s": round(time.monotonic() - began, 2),
            "lines": len(said),
            "last_line": said[-1][:160] if said else "",
        }


def measure(kind: str, folder: Path) -> dict[str, object]:
    """Everything that is known of one server."""
    result: dict[str, object] = {}
    with running(kind, folder) as server:
        result["start_s"] = round(server.start_s, 2)
        result["processes"] = len(server.processes())
        result["loads_of_the_application"] = len(server.noted("loaded"))
        result["memory_mb"] = server.memory_mb()
        result["json_1_client"] = throughput(server, "/json", 1)
        result["json_16_clients"] = throughput(server, "/json", 16)
        result["stream_of_100_events_8_clients"] = throughput(server, "/stream", 8)
        result["memory_after_load_mb"] = server.memory_mb()
        result["disconnect_noticed_s"] = disconnect_noticed_s(server)
        result["taken_ahead_of_the_client_mb"] = taken_ahead_mb(server)
        result["second_server_on_the_port"] = a_second_server_on_the_port(kind, server, folder)
        with suppress(OSError, http.client.HTTPException, ValueError):
            status, body = server.get("/path/a%2Fb%20c%0A%C3%BC%25")
            result["path_is_kept"] = status == 200 and json.loads(body)["name"] == "a/b c\nü%"
        result["reload_under_load"] = reload_under_load(server)
    result["sigterm_json"] = stop_in_flight(kind, folder, "/slow?seconds=1.5")
    result["sigterm_stream"] = stop_in_flight(kind, folder, "/silent?seconds=2")
    result["port_taken"] = port_taken(kind, folder)
    return result


def main() -> None:
    """Measure, or serve where a measurement asks for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", nargs="?", choices=SERVERS, help="measure one server only")
    parser.add_argument("--port", type=int, help="serve on this port instead of measuring")
    parser.add_argument("--log", type=Path, help="where the served application writes notes")
    args = parser.parse_args()
    if args.port:
        {"gunicorn": serve_gunicorn, "granian": serve_granian}[args.server](args.port, args.log)
        return
    report: dict[str, object] = {
        "command": "python bench/servers.py",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "threads": THREADS,
    }
    with tempfile.TemporaryDirectory() as folder:
        for kind in [args.server] if args.server else SERVERS:
            report[kind] = measure(kind, Path(folder))
            for name, value in report[kind].items():  # type: ignore[attr-defined]  # a dict
                print(f"{kind:10} {name:32} {value}", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
