"""This project's service over HTTP: what a client of it waits for. The peers bring no service."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.peers.protocol import CLIENTS, WARMING, K, quantile, rate
from bench.peers.running import PROJECT, Failed, tree_mb
from bench.swaps import drain, url_of

READY_S = 60  # at most, from the start to the first answer
_EVERY_S = 0.01
_STOPPING_S = 40


def measured(store: Path, asked: Sequence[str]) -> dict[str, Any]:
    """First answer after the start, latency, questions a second, and memory of all its processes.

    The client runs on the same cores.

    :raises Failed: when there is no answer in time.
    """
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "rag", "serve", "--store", store, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        client = Client(url_of(server))
        threading.Thread(target=drain, args=(server,), daemon=True).start()
        first_s = _first_answer(client, asked[0], began) - began
        for text in asked[:WARMING]:
            client.search(text, K)
        taken = [_seconds(client, text) for text in asked]
        return {
            "first_s": first_s,
            "p50_ms": 1000 * quantile(taken, 0.5),
            "p99_ms": 1000 * quantile(taken, 0.99),
            "per_s": {str(clients): rate(client.search, asked, clients) for clients in CLIENTS},
            "resident_mb": tree_mb(server.pid),
        }
    finally:
        server.terminate()
        server.wait(_STOPPING_S)


class Client:
    """Asks over one connection a thread."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._own = threading.local()

    def search(self, text: str, k: int) -> list[str]:
        """The texts of the hits.

        :raises OSError, http.client.HTTPException: when there is no answer, or an error.
        """
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._host, timeout=READY_S)
        body = json.dumps({"query": text, "k": k})
        self._own.connection.request(
            "POST", "/v1/search", body, {"Content-Type": "application/json"}
        )
        response = self._own.connection.getresponse()
        told = json.loads(response.read())
        if response.status != 200:
            raise http.client.HTTPException(f"{response.status}: {told}")
        return [hit["text"] for hit in told["hits"]]


def _first_answer(client: Client, text: str, began: float) -> float:
    while time.monotonic() - began < READY_S:
        try:
            client.search(text, K)
        except (OSError, http.client.HTTPException):
            time.sleep(_EVERY_S)
        else:
            return time.monotonic()
    raise Failed(f"the service gave no answer within {READY_S} s")


def _seconds(client: Client, text: str) -> float:
    began = time.perf_counter()
    client.search(text, K)
    return time.perf_counter() - began
