"""What a start costs: of the command, of a question, of a run without work, of the service.

Each is a process of its own beside ``python -c pass``, in turn; medians of wall time and of
processor time, and how many times those of the bare interpreter. The service is timed until
``/readyz`` answers 200, and then asked. Its memory is read from ``/proc`` of the process that
answers, after some hundred questions: `anonymous` is what it has to itself, `resident` counts the
pages of libraries and of files that it has mapped as well.

Corpora: the demo for questions, short files for runs, and made-up texts and vectors in the space of
the packaged model for the service.

    python -m bench.start [--rounds 11] [--files 1000] [--chunks 3000,30000,100000]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from bench import bytecode, results, sets
from bench.filters import VOCABULARY
from bench.search import multiplied, publish, unit_rows
from corpus.encoders.questions import QuestionEncoder
from corpus.fingerprint import PROBES, encode_probes
from corpus.settings import EmbeddingSettings
from corpus.store import Store

SERVED, ASKED = 10_000, 200  # chunks of the service that is timed; questions before memory is read
WORDS = 100  # of a chunk, as many as chunks of texts have
SETTLED_S = 2.5  # files that were just written are hashed again by the next run
PATIENCE_S = 60
PASS = ("-c", "pass")

Cost = tuple[float, float]
"""Seconds: wall, processor."""


def main() -> None:
    """Measure all of it and print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11, help="of each kind of start")
    parser.add_argument("--files", type=int, default=1000, help="of the run that has no work")
    parser.add_argument("--chunks", default="3000,30000,100000", help="of the services weighed")
    given = parser.parse_args()
    sizes = [int(size) for size in given.chunks.split(",")]
    bytecode.make()
    with tempfile.TemporaryDirectory() as folder:
        starts = _starts(Path(folder), given.files, given.rounds)
        weights = [_weighed(Path(folder) / "weighed", size) for size in sizes]
    for rows in (starts, weights):
        results.table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
        print()
    results.save("start", {"files": given.files, "starts": starts, "memory": weights})


def _starts(folder: Path, files: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each kind of start."""
    demo, idle, served = folder / "demo", folder / "idle", folder / "served"
    _rag("ingest", str(sets.folder_of(sets.DEMO)), "--store", str(demo))
    _fill(folder / "files", files)
    time.sleep(SETTLED_S)
    _rag("ingest", str(folder / "files"), "--store", str(idle))
    _made_up(served, SERVED)
    _rag(
        "ask", "What ends a turn?", "--store", str(demo)
    )  # compiles the model, where it is not yet
    kinds: dict[str, Callable[[], Cost]] = {
        "python -c pass": lambda: _cost(PASS),
        "rag --help": lambda: _cost(("-m", "rag", "--help")),
        "rag ask": lambda: _cost(("-m", "rag", "ask", "What ends a turn?", "--store", str(demo))),
        f"rag refresh, {files} files": lambda: _cost(
            ("-m", "rag", "refresh", "--store", str(idle))
        ),
        f"rag serve, {SERVED} chunks": lambda: _until_ready(served),
        "and its first answer": lambda: _until_answered(served),
    }
    costs = [{kind: run() for kind, run in kinds.items()} for _ in range(rounds)]
    base = _middle([one["python -c pass"] for one in costs])
    return [_row(kind, _middle([one[kind] for one in costs]), base) for kind in kinds]


def _row(kind: str, cost: Cost, base: Cost) -> dict[str, Any]:
    wall, processor = cost
    return {
        "start": kind,
        "wall_s": round(wall, 3),
        "times": round(wall / base[0], 1),
        "cpu_s": round(processor, 3),
        "cpu_times": round(processor / base[1], 1),
    }


def _middle(costs: Sequence[Cost]) -> Cost:
    walls, processors = zip(*costs, strict=True)
    return median(walls), median(processors)


def _cost(arguments: Sequence[str]) -> Cost:
    """What a process takes until it ends."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    return _ended(process, began)


def _ended(process: subprocess.Popen[bytes], began: float) -> Cost:
    """Wait for its end; processor time is its own and that of the processes it waited for."""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with code {process.returncode}")
    return wall, used.ru_utime + used.ru_stime


def _until_ready(store: Path) -> Cost:
    """Wall time until it is ready; processor time of its whole life, its end included."""
    return _served(store, lambda _url: None)


def _until_answered(store: Path) -> Cost:
    """The same until a question was answered as well."""
    return _served(store, lambda url: _ask(url, "What ends a turn?"))


def _served(store: Path, use: Callable[[str], object]) -> Cost:
    began = time.perf_counter()
    with _server(store) as (process, url):
        _wait_until_ready(url)
        use(url)
        wall = time.perf_counter() - began
        process.terminate()
        return wall, _ended(process, began)[1]


@contextmanager
def _server(store: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rag", "serve", "--store", str(store), "--port", str(port)]
    process = subprocess.Popen([*command, "--quiet"])
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/readyz", timeout=PATIENCE_S):
                return
        except OSError:  # nobody listens yet
            time.sleep(0.002)
    raise RuntimeError(f"the service was not ready within {PATIENCE_S} s")


def _ask(url: str, question: str) -> None:
    body = json.dumps({"question": question}).encode()
    request = Request(f"{url}/v1/ask", data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as response:
        json.load(response)


def _weighed(folder: Path, chunks: int) -> dict[str, Any]:
    """Megabytes of the process that answers, by the size of the corpus."""
    store, chance = folder / str(chunks), random.Random(3)
    _made_up(store, chunks)
    with _server(store) as (process, url):
        _wait_until_ready(url)
        for _ in range(ASKED):
            _ask(url, " ".join(chance.choices(VOCABULARY, k=8)))
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        status = Path(f"/proc/{worker}/status").read_text().splitlines()
    kilobytes = {
        name: int(value.split()[0]) for name, value in map(_field, status) if "kB" in value
    }
    on_disk = sum(one.stat().st_size for one in store.rglob("*") if one.is_file())
    return {
        "chunks": chunks,
        "anonymous_mb": round(kilobytes["RssAnon"] / 1024, 1),
        "resident_mb": round(kilobytes["VmRSS"] / 1024, 1),
        "peak_mb": round(kilobytes["VmHWM"] / 1024, 1),
        "store_mb": round(on_disk / 1e6, 1),
    }


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value


def _made_up(path: Path, chunks: int) -> None:
    """A store in the space of the packaged model, whose texts and vectors mean nothing."""
    encoder = QuestionEncoder(EmbeddingSettings())
    probes = encode_probes(encoder.encode_documents(list(PROBES)))
    vectors = multiplied(unit_rows(np.random.default_rng(1), 2_000), chunks)
    publish(Store(path), vectors, encoder.fingerprint, probes, words=WORDS)


def _fill(folder: Path, files: int) -> None:
    """Write short files, most of one chunk."""
    chance = random.Random(2)
    for number in range(files):
        path = folder / f"{number // 100:02d}" / f"{number:04d}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Number {number}\n\n{' '.join(chance.choices(VOCABULARY, k=15))}.\n")


def _rag(*arguments: str) -> None:
    command = [sys.executable, "-m", "rag", *arguments, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
