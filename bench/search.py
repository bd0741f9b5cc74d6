"""What a search costs, by size: words, vectors and both, of an open snapshot.

Texts are made up (30 words a chunk, five chunks a document, words as frequent as by Zipf's law).
Vectors are those of a file, multiplied: to each, part of the difference between two others of
its neighbourhood is added, which keeps the directions in which vectors of texts differ; without
a file they are made up, which is harder. Questions are such vectors moved by as much as a
question differs from what answers it; with --questions, real ones. Times are processor time of
one thread, without embedding.

At more than 200,000 chunks only vectors are searched: the index, without texts or words.

    python -m bench.search [CHUNKS ...] [--vectors FILE.npy] [--questions FILE.npy]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import results
from bench.filters import VOCABULARY, _entry, _queries
from corpus.build import Build
from corpus.codes import Codes
from corpus.dense import Dense, Part, Selection
from corpus.fingerprint import Fingerprint
from corpus.identity import ANALYSIS, source_digest
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.types import LedgerRow, Mode, Query, Status, Vectors
from corpus.vectors import VectorIndex

DIM, QUERIES, WARMING, CHUNKS = 384, 100, 5, 5
WITH_TEXTS = 200_000
SPACE = Fingerprint("made up", {}, "mean", True, "", "", DIM, 64)


def main() -> None:
    """Measure each size and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chunks", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--vectors", type=Path, help="the same, of texts, which are multiplied")
    parser.add_argument("--questions", type=Path, help="float32 (n, 384), unit rows")
    given = parser.parse_args()
    chance = np.random.default_rng(1)
    base = unit_rows(chance, 2_000) if given.vectors is None else _loaded(given.vectors)
    rows: list[dict[str, Any]] = []
    for chunks in given.chunks:
        vectors = multiplied(base, chunks)
        questions = _moved(vectors)
        if given.questions is not None:
            questions = _loaded(given.questions)[:QUERIES]
        measure = _of_snapshot if chunks <= WITH_TEXTS else _of_index
        rows += [{"chunks": chunks, **row} for row in measure(vectors, questions)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    results.table(columns, [[str(row.get(key, "")) for key in columns] for row in rows])
    results.save("search", {"dim": DIM, "queries": QUERIES, "rows": rows})


def multiplied(base: Vectors, count: int) -> Vectors:
    """As many vectors as asked for, unit rows, distributed like those of ``base``."""
    chance = np.random.default_rng(2)
    if count <= len(base):
        return base[chance.permutation(len(base))[:count]]
    centres = base[chance.permutation(len(base))[:256]]
    near = np.argmax(base @ centres.T, axis=1)
    order = np.argsort(near, kind="stable")
    starts = np.searchsorted(near[order], np.arange(len(centres) + 1))
    made = np.empty((count, base.shape[1]), np.float32)
    for start in range(0, count, 50_000):
        some = slice(start, min(start + 50_000, count))
        of = chance.integers(0, len(base), some.stop - some.start)
        low, width = starts[near[of]], starts[near[of] + 1] - starts[near[of]]
        one, other = (order[low + (chance.random(len(of)) * width).astype(int)] for _ in "ab")
        made[some] = base[of] + 0.6 * (base[one] - base[other])
        made[some] /= np.linalg.norm(made[some], axis=1, keepdims=True)
    return made


def _of_snapshot(vectors: Vectors, questions: Vectors) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        publish(store, vectors)
        began = time.perf_counter()
        snapshot = store.open()
        opened = round(time.perf_counter() - began, 2)
        found = []
        for mode in Mode:
            row = times(_searches(snapshot, mode, questions))
            found.append({"search": str(mode), **row, "opened_s": opened})
    return found


def _searches(snapshot: Snapshot, mode: Mode, questions: Vectors) -> list[Callable[[], object]]:
    texts = [text for text, _ in _queries(mode)]
    return [
        lambda text=text, vector=vector: snapshot.search(Query(text, vector, 10, mode))  # type: ignore[misc]
        for text, vector in zip(texts, questions, strict=False)
    ]


def _of_index(vectors: Vectors, questions: Vectors) -> list[dict[str, Any]]:
    index = VectorIndex(DIM)
    index.add(np.random.default_rng(3).permutation(len(vectors)).astype(np.int64), vectors)
    began = time.thread_time()
    dense = Dense([Part(index, Codes.of(index))])
    build = {"coded_s": round(time.thread_time() - began, 2)}
    half = dense.select(np.random.default_rng(4).random(len(index)) < 0.5)
    exact = _compared(dense, questions, None, exact=True)
    return [
        {"search": "dense, exact", **exact, "bytes": DIM * 2 + 8},
        {"search": "dense", **_compared(dense, questions, None), **build, "bytes": DIM * 3 + 8},
        {"search": "dense, exact, half", **_compared(dense, questions, half, exact=True)},
        {"search": "dense, half", **_compared(dense, questions, half)},
    ]


def _compared(
    dense: Dense, questions: Vectors, among: Selection | None, *, exact: bool = False
) -> dict[str, Any]:
    row = times([lambda v=v: dense.search(v, 100, among, exact=exact) for v in questions])  # type: ignore[misc]
    if not exact:
        pairs = [
            (dense.search(v, 100, among, exact=True)[0], dense.search(v, 100, among)[0])
            for v in questions
        ]
        for k in (10, 100):
            row[f"recall@{k}"] = round(
                float(np.mean([np.isin(a[:k], b[:k]).mean() for a, b in pairs])), 4
            )
    return row


def times(searches: list[Callable[[], object]]) -> dict[str, Any]:
    """Median and 99th percentile of their processor time, after some to warm up."""
    for search in searches[:WARMING]:
        search()
    taken = []
    for search in searches:
        began = time.thread_time()
        search()
        taken.append((time.thread_time() - began) * 1e3)
    return {f"p{p}_ms": round(float(np.percentile(taken, p)), 2) for p in (50, 99)}


def publish(
    store: Store,
    vectors: Vectors,
    space: Fingerprint = SPACE,
    probes: str = "",
    words: int = 30,
) -> None:
    """Make a store of texts that are made up, with these vectors, float32 (chunks, DIM).

    :param probes: what the space's model makes of the probes, where it is to be answered from.
    :param words: of a chunk.
    """
    chance = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(VOCABULARY))]
    rows = []
    with Build(store, None, space, {"words": ANALYSIS}) as build:
        for number in range(len(vectors) // CHUNKS):
            texts = [" ".join(chance.choices(VOCABULARY, weights, k=words)) for _ in range(CHUNKS)]
            entry = _entry(number, texts)
            own = vectors[number * CHUNKS :][:CHUNKS]
            build.add(entry, [np.repeat(one[None], 5, 0) for one in own])
            digest, name = source_digest([entry.digest]), entry.document.id
            row = (name, 1, name, Status.INDEXED)
            rows.append(LedgerRow(*row, documents=1, chunks=CHUNKS, digest=digest))
        build.publish(rows, probes)


def _moved(vectors: Vectors) -> Vectors:
    chance = np.random.default_rng(5)
    noise = unit_rows(chance, QUERIES) * 0.75
    moved = vectors[chance.integers(0, len(vectors), QUERIES)] + noise
    unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def _loaded(path: Path) -> Vectors:
    """Vectors of a file, in an order by chance."""
    every: Vectors = np.load(path, allow_pickle=False).astype(np.float32)
    return every[np.random.default_rng(6).permutation(len(every))]


def unit_rows(made: np.random.Generator, count: int) -> Vectors:
    """Vectors in directions by chance, float32 (count, DIM)."""
    rows = made.normal(size=(count, DIM)).astype(np.float32)
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
