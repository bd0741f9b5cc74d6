"""What a question costs by part, and how many more two threads get through than one.

One process, as the service is; questions of a set over its own store, the model as the service
has it. `cpu` is processor time of the thread that asks, in milliseconds. `x2` is how many times
as many calls two threads get through in the same wall time as one: near 2 where a part frees the
interpreter while it computes (ONNX Runtime, FAISS, tantivy, SQLite), near 1 where it is Python.
A part alone is called over and over, so two threads of a Python part only wait for each other;
`search` and `answer` are what a service does all day. A set's questions are asked over and over, so
the chunks that they find are remembered (:mod:`corpus.recent`).

One thread and two take short turns, and `x2` is the median over the half of the rounds in which
other programs took least of the machine. `others` is the share that they took even then: above
a twentieth, `x2` says little.

    python -m bench.questions [SET ...] [--seconds .5] [--rounds 12]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench import results, sets
from corpus.encoders.documents import DocumentEncoder
from corpus.encoders.questions import QuestionEncoder
from corpus.legibility import legibility
from corpus.settings import load
from corpus.snapshot import Snapshot
from corpus.types import Mode, Query, Vectors
from rag.answerer import Answerer
from rag.answers import Question
from rag.engines.extractive import ExtractiveEngine

DEFAULT_SETS = ("squad2_dev", "redis_docs_dev")
K, DEPTH, QUESTIONS, WARMING = 8, 100, 200, 20

Part = Callable[[str, Vectors], object]


class Fixed:
    """A corpus that is not refreshed meanwhile."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def get(self, wanted: str | None = None) -> Snapshot:
        """The one that there is."""
        return self._snapshot

    def info(self, snapshot: Snapshot) -> Any:
        """Nothing that is measured."""
        return None


def main() -> None:
    """Measure each set and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=DEFAULT_SETS)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=12, help="of a turn each")
    args = parser.parse_args()
    documents = DocumentEncoder(load({}).embedding)
    measured = {name: measure(name, documents, args) for name in args.sets}
    rows = [
        [f"{name} ({of['chunks']} chunks)", part, *(f"{one[key]:.2f}" for key in _COLUMNS)]
        for name, of in measured.items()
        for part, one in of["parts"].items()
    ]
    results.table(["set", "part", *_COLUMNS], rows)
    results.save("questions", measured)


_COLUMNS = ("cpu_p50_ms", "cpu_p99_ms", "per_s_1", "per_s_2", "x2", "others")


def measure(name: str, documents: DocumentEncoder, args: argparse.Namespace) -> dict[str, Any]:
    """Every part over one set."""
    snapshot, settings = sets.open_store(name, documents)
    encoder = QuestionEncoder(settings.embedding)
    texts = [one.item.question for one in sets.questions(name, snapshot)][:QUESTIONS]
    asked = [(text, encoder.encode_query(text)) for text in texts]
    answerer = Answerer(Fixed(snapshot), encoder, [ExtractiveEngine()], settings.retrieval)
    parts: Mapping[str, Part] = {
        "embed": lambda text, _: encoder.encode_query(text),
        "legibility": lambda text, _: legibility(text, encoder.tokens),
        "vectors": lambda text, vector: snapshot.search(Query(text, vector, K, Mode.DENSE, DEPTH)),
        "words": lambda text, _: snapshot.search(Query(text, None, K, Mode.WORDS)),
        "search": lambda text, _: answerer.search(text, K),
        "answer": lambda text, _: answerer.answer(Question(text, K)),
    }
    figures = {part: _figures(act, asked, args) for part, act in parts.items()}
    return {"chunks": snapshot.counts["chunks"], "parts": figures}


def _figures(
    act: Part, asked: Sequence[tuple[str, Vectors]], args: argparse.Namespace
) -> dict[str, float]:
    for one in asked[:WARMING]:
        act(*one)
    spent = quantiles([_cpu_ms(act, one) for one in asked], n=100)
    rounds = [_round(act, asked, args.seconds, number) for number in range(args.rounds)]
    return {"cpu_p50_ms": spent[49], "cpu_p99_ms": spent[98], **compared(rounds)}


@dataclass(frozen=True, slots=True)
class Round:
    """A turn of one thread and one of two."""

    single: float  # calls a second
    double: float
    others: float  # share of the machine that other programs took meanwhile


def compared(rounds: Sequence[Round]) -> dict[str, float]:
    """Medians over the quieter half of the rounds."""
    quiet = sorted(rounds, key=lambda one: one.others)[: (len(rounds) + 1) // 2]
    return {
        "per_s_1": median(one.single for one in quiet),
        "per_s_2": median(one.double for one in quiet),
        "x2": median(one.double / one.single for one in quiet),
        "others": median(one.others for one in quiet),
    }


def _round(act: Part, asked: Sequence[tuple[str, Vectors]], seconds: float, number: int) -> Round:
    """Which turn comes first alternates."""
    began, own, busy = time.perf_counter(), time.process_time(), _busy_s()
    order = (1, 2) if number % 2 else (2, 1)
    rates = {threads: _rate(act, asked, threads, seconds) for threads in order}
    others = _busy_s() - busy - (time.process_time() - own)
    cores = os.cpu_count() or 1
    return Round(rates[1], rates[2], max(0.0, others / cores / (time.perf_counter() - began)))


def _busy_s() -> float:
    """Seconds that the cores have worked for anyone, or were kept from it by the host: proc(5)."""
    total = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    user, nice, system, _idle, _waiting, *interrupts = map(int, total[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _cpu_ms(act: Part, one: tuple[str, Vectors]) -> float:
    began = time.thread_time()
    act(*one)
    return (time.thread_time() - began) * 1000


def _rate(act: Part, asked: Sequence[tuple[str, Vectors]], threads: int, seconds: float) -> float:
    """Calls a second of so many threads."""
    end = time.perf_counter() + seconds

    def work(first: int) -> int:
        done = 0
        for one in cycle([*asked[first:], *asked[:first]]):
            if time.perf_counter() >= end:
                break
            act(*one)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, [n * len(asked) // threads for n in range(threads)])) / seconds


if __name__ == "__main__":
    main()
