"""What a question costs by part, and how many more two threads get through than one.

One process, as the service is; questions of a set over its own store, the model as the service
has it. `cpu` is processor time of the thread that asks, in milliseconds. `x2` is how many times
as many calls two threads get through in the same wall time as one: near 2 where a part frees the
interpreter while it computes (ONNX Runtime, FAISS, tantivy, SQLite), near 1 where it is Python.
A part alone is called over and over, so two threads of a Python part only wait for each other;
`search` and `answer` are what a service does all day.

    python -m bench.questions [SET ...] [--seconds 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
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
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
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


_COLUMNS = ("cpu_p50_ms", "cpu_p99_ms", "per_s_1", "per_s_2", "x2")


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
    single, double = [], []
    for _ in range(args.rounds):
        single.append(_rate(act, asked, 1, args.seconds))
        double.append(_rate(act, asked, 2, args.seconds))
    gain = median(two / one for one, two in zip(single, double, strict=True))
    return {
        "cpu_p50_ms": spent[49],
        "cpu_p99_ms": spent[98],
        "per_s_1": median(single),
        "per_s_2": median(double),
        "x2": gain,
    }


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
