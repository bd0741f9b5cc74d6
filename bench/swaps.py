"""A server under load while refreshes swap the snapshot: failed requests, mixed answers.

The real server over a copy of the demo corpus. Clients ask without pause while a folder is
changed and refreshed; every answer names its snapshot, and every citation in it is held
against the text of that snapshot.

    python -m bench.swaps
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench import results, sets
from corpus.snapshot import Snapshot
from corpus.store import Store

REQUESTS = 1000
SWAPS = 10
CLIENTS = 4
QUESTIONS = [
    "What ends a turn?",
    "How many dimensions do the vectors have?",
    "Which version is this note?",
    "What does temperature change?",
]


def main() -> None:
    """Run it and print what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(Path(scratch))
    results.table(list(measured), [[str(value) for value in measured.values()]])
    results.save("swaps", measured)


def measure(scratch: Path) -> dict[str, Any]:
    """Requests, failures, snapshots that answered, answers that mixed two, and latencies."""
    folder, store = scratch / "docs", scratch / "store"
    shutil.copytree(sets.folder_of(sets.DEMO), folder)
    _rag("ingest", str(folder), "--store", str(store))
    server = subprocess.Popen(
        [sys.executable, "-m", "rag", "serve", "--store", str(store), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=_keep_all_snapshots(),
    )
    try:
        url = url_of(server)
        threading.Thread(target=drain, args=(server,), daemon=True).start()
        answers, seconds = _load(url, folder, store)
    finally:
        server.terminate()
        server.wait(40)
    ok = [body for status, body in answers if status == 200]
    return {
        "requests": len(answers),
        "failed": len(answers) - len(ok),
        "snapshots": len({body["snapshot"]["id"] for body in ok}),
        "mixed": sum(_is_mixed(body, store) for body in ok),
        "p50_ms": round(1000 * sorted(seconds)[len(seconds) // 2], 1),
        "p99_ms": round(1000 * sorted(seconds)[len(seconds) * 99 // 100], 1),
    }


def _load(url: str, folder: Path, store: Path) -> tuple[list[tuple[int, Any]], list[float]]:
    answers: list[tuple[int, Any]] = []
    seconds: list[float] = []
    swapping = threading.Event()
    swapping.set()

    def ask(client: int) -> None:
        count = 0
        while swapping.is_set() or len(answers) < REQUESTS:
            began = time.perf_counter()
            answers.append(_post(url, QUESTIONS[(client + count) % len(QUESTIONS)]))
            seconds.append(time.perf_counter() - began)
            count += 1

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for version in range(SWAPS):
        note = f"# A note\n\nThis note is version {version} of the text.\n"
        (folder / "note.md").write_text(note)
        _rag("refresh", "--store", str(store))
        _wait_until_served(url, Store(store).require_current())
    swapping.clear()
    for client in clients:
        client.join()
    return answers, seconds


def _post(url: str, question: str) -> tuple[int, Any]:
    request = Request(
        f"{url}/v1/ask",
        data=json.dumps({"question": question}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except OSError as error:
        return getattr(error, "code", 0), None


@functools.cache
def _opened(store: Path, snapshot_id: str) -> Snapshot:
    return Store(store).open(snapshot_id)


def _is_mixed(body: Any, store: Path) -> bool:
    """Whether a citation is not what the answer's own snapshot says."""
    snapshot = _opened(store, body["snapshot"]["id"])
    return any(
        snapshot.document(one["document"]["id"]).text[one["start"] : one["end"]] != one["quote"]
        for one in body["citations"]
    )


def _rag(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "rag", *arguments, "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=_keep_all_snapshots(),
    )


def _keep_all_snapshots() -> dict[str, str]:
    """Every answer is held against its own snapshot afterwards, so none may be collected."""
    return {**os.environ, "RAG_INGEST__KEEP_SNAPSHOTS": "100"}


def url_of(server: subprocess.Popen[str]) -> str:
    """Where a server listens, once it says so."""
    if server.stderr is None:
        raise RuntimeError("the server's messages are not read")
    for line in server.stderr:
        if line.startswith("Serving on "):
            return line.split()[2]
    raise RuntimeError("the server did not start")


def drain(server: subprocess.Popen[str]) -> None:
    """Read what a server says to its end, so that it can go on saying it."""
    for _ in server.stderr or ():
        pass


def _wait_until_served(url: str, snapshot_id: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urlopen(f"{url}/readyz", timeout=10) as response:
            if json.load(response)["snapshot"]["id"] == snapshot_id:
                return
        time.sleep(0.1)
    raise RuntimeError(f"snapshot {snapshot_id} was not served within 30 s")


if __name__ == "__main__":
    main()
