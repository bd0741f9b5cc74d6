"""What a filter costs: deciding it, and searching with it, against searching everything.

A corpus of made-up words and vectors, because only sizes matter here: how many documents, how
many of them are allowed, how many different values a field has.

    python -m bench.filters [--documents 20000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import results
from corpus.build import Build
from corpus.fingerprint import Fingerprint
from corpus.identity import ANALYSIS, chunk_id, document_digest, source_digest, text_key
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.texts import Entry
from corpus.types import Chunk, Document, LedgerRow, Mode, Query, Status, Vectors
from rag.filters.parser import parse

DIM, CHUNKS, QUERIES, K = 384, 5, 100, 10
VOCABULARY = [f"w{number}" for number in range(20_000)]
FILTERS = (
    "",
    "lang = de",
    "title ~ *7*",
    "path ~ team1/**",
    "date >= 2020 and lang = fr",
    "path ~ **/*1*1*.md",
    "author in (A1, A2)",
    "number < 100",
    "not number = 5",
)


def main() -> None:
    """Make the corpus, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    documents = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        _publish(store, documents)
        snapshot = store.open()
        began = time.perf_counter()
        fields = len(snapshot.fields)
        gathered = time.perf_counter() - began
        rows = [_measured(snapshot, where) for where in FILTERS]
    print(f"{fields} fields of {documents} documents gathered in {gathered:.2f} s, once a snapshot")
    head = ["filter", "documents", "decided ms", "again µs", *(f"{mode} ms" for mode in Mode)]
    results.table(head, [[str(value) for value in row.values()] for row in rows])
    results.save("filters", {"documents": documents, "gathered_s": gathered, "filters": rows})


def _measured(snapshot: Snapshot, where: str) -> dict[str, Any]:
    """Times of one filter; of the searches the medians, in milliseconds."""
    tree = parse(where).where if where else None
    times, allowed = [0.0, 0.0], snapshot.counts["documents"]
    if tree is not None:
        for attempt in range(2):
            began = time.perf_counter()
            allowed = snapshot.allowed(tree).documents
            times[attempt] = time.perf_counter() - began
    found: dict[str, Any] = {
        "where": where or "none",
        "documents": allowed,
        "decided_ms": round(times[0] * 1e3, 1),
        "again_us": round(times[1] * 1e6, 1),
    }
    for mode in Mode:
        taken = []
        for query in _queries(mode):
            began = time.perf_counter()
            snapshot.search(Query(*query, K, mode, where=tree))
            taken.append((time.perf_counter() - began) * 1e3)
        found[f"{mode}_ms"] = round(statistics.median(taken), 1)
    return found


def _queries(mode: Mode) -> Iterator[tuple[str, Vectors | None]]:
    chance, vectors = random.Random(2), _unit_rows(np.random.default_rng(2), QUERIES)
    for vector in vectors:
        words = (VOCABULARY[int(len(VOCABULARY) ** chance.random())] for _ in range(8))
        yield " ".join(words), None if mode is Mode.WORDS else vector


def _publish(store: Store, documents: int) -> None:
    fingerprint = Fingerprint("made up", {}, "mean", True, "", "", DIM, 64)
    chance, made = random.Random(1), np.random.default_rng(1)
    weights = [1 / (rank + 1) for rank in range(len(VOCABULARY))]
    rows = []
    with Build(store, None, fingerprint, {"words": ANALYSIS}) as build:
        for number in range(documents):
            texts = [" ".join(chance.choices(VOCABULARY, weights, k=30)) for _ in range(CHUNKS)]
            entry = _entry(number, texts)
            build.add(entry, list(_unit_rows(made, CHUNKS)[:, None]))
            digest, name = source_digest([entry.digest]), entry.document.id
            rows.append(
                LedgerRow(
                    *(name, 1, name, Status.INDEXED), documents=1, chunks=CHUNKS, digest=digest
                )
            )
        build.publish(rows, "")


def _entry(number: int, texts: list[str]) -> Entry:
    name = f"team{number % 20}/{2000 + number % 25}/doc{number}.md"
    metadata = {
        "lang": "de" if number % 3 else "fr",
        "date": f"20{number % 25:02}-0{number % 9 + 1}-1{number % 9}",
        "number": str(number),
        "tags": "a, b",
        "author": f"A{number % 300}",
    }
    document = Document(name, name, f"Title {number}", "\n".join(texts), "md", metadata)
    digest, chunks, start = document_digest(document), [], 0
    for text in texts:
        span = (start, start + len(text))
        made = chunk_id(digest, *span)
        chunks.append(Chunk(made, name, document.title, "md", *span, text, ()))
        start = span[1] + 1
    return Entry(document, digest, chunks, [text_key(f"{number} {text}") for text in texts])


def _unit_rows(made: np.random.Generator, count: int) -> Vectors:
    rows = made.normal(size=(count, DIM)).astype(np.float32)
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
