"""What the machine could do at most, and how much of it is used: products of matrices, memory.

Rates of products are measured with torch at the sizes of the embedding model (1,024 tokens at
once), in the types that its forms compute in; bandwidth by adding up an array that is too large
for any cache. What one core does is taken by processor time, what all of them do by the clock, so
that only the latter needs a quiet machine. Beside them stands what embedding documents, embedding
a question and scanning vectors reach of that. Operations of the model are counted from its shape:
per token and layer 2 x (4 d² + 2 d f) for its linear parts and 4 d L for attention over L tokens.

    python -m bench.limits [--chunks 200]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch

from bench import results, sets
from bench.peers.protocol import CHUNK_TOKENS
from corpus.embedding import model_folder
from corpus.encoders.documents import DocumentEncoder
from corpus.encoders.questions import QuestionEncoder
from corpus.settings import load
from corpus.vectors import VectorIndex

TOKENS = 1_024  # rows of a product
ROUNDS = 7
SECONDS = 0.3  # of a round
BANDWIDTH_BYTES = 2**30
SCANNED = 200_000  # vectors of half precision
QUESTIONS = 200

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the limits and what is reached of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chunks", type=int, default=200, help="that are embedded in a round")
    args = parser.parse_args(arguments)
    shape = Shape.of_model()
    cores = torch.get_num_threads()
    limits = {
        **{f"{name} on 1 core": products(name, shape, 1) for name in _PRODUCTS},
        **{f"{name} on {cores} cores": products(name, shape, cores) for name in _PRODUCTS},
    }
    torch.set_num_threads(cores)
    bandwidth = bandwidth_gb_s()
    rows = [[name, f"{rate:,.0f} G/s", "", ""] for name, rate in limits.items()]
    rows.append(["memory, one thread", f"{bandwidth:.1f} GB/s", "", ""])
    used = {
        "documents": documents(args.chunks, shape),
        "questions": questions(shape),
        "scan": scan(),
    }
    for name, reached, of in _shares(used, limits, bandwidth, cores):
        rows.append([name, reached, *of])
    results.table(["", "measured", "of", "share"], rows)
    results.save("limits", {"limits": limits, "memory_gb_s": bandwidth, "used": used})


class Shape:
    """The sizes of an embedding model."""

    def __init__(self, dim: int, inner: int, layers: int) -> None:
        self.dim, self.inner, self.layers = dim, inner, layers

    @classmethod
    def of_model(cls) -> Shape:
        """That of the model in the settings."""
        config = json.loads((model_folder(load({}).embedding.model) / "config.json").read_text())
        return cls(config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"])

    def operations(self, tokens: int) -> float:
        """Floating-point operations of a text, both of a multiply-add."""
        linear = 2 * (4 * self.dim**2 + 2 * self.dim * self.inner)
        return tokens * self.layers * (linear + 4 * self.dim * tokens)


def _float(dtype: torch.dtype) -> Callable[[int, int], Callable[[], object]]:
    def prepared(width: int, out: int) -> Callable[[], object]:
        a, b = torch.randn(TOKENS, width).to(dtype), torch.randn(width, out).to(dtype)
        return lambda: a @ b

    return prepared


def _int8(width: int, out: int) -> Callable[[], object]:
    a = torch.randint(0, 127, (TOKENS, width), dtype=torch.int8)
    b = torch.randint(-127, 127, (out, width), dtype=torch.int8).t()
    return lambda: torch._int_mm(a, b)


_PRODUCTS = {"fp32": _float(torch.float32), "bf16": _float(torch.bfloat16), "int8": _int8}


def products(name: str, shape: Shape, threads: int) -> float:
    """1e9 operations a second of products in one type, at the three sizes of a layer."""
    torch.set_num_threads(threads)
    sizes = [(shape.dim, shape.dim), (shape.dim, shape.inner), (shape.inner, shape.dim)]
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = sum(_seconds(_PRODUCTS[name](*size), clock) for size in sizes)
    return sum(2 * TOKENS * width * out for width, out in sizes) / seconds / 1e9


def bandwidth_gb_s() -> float:
    """1e9 bytes a second that one thread reads."""
    array = np.ones(BANDWIDTH_BYTES // 8, np.int64)
    return array.nbytes / _seconds(array.sum) / 1e9


def documents(chunks: int, shape: Shape) -> Json:
    """Chunks as ingest embeds them: tokens and 1e9 operations a second, by wall and processor."""
    encoder = DocumentEncoder(load({}).embedding)
    texts = _chunks(encoder, chunks)
    tokens = encoder.tokens.count(texts)
    encoder.encode_chunks(texts[:8])
    wall, cpu = _spent(lambda: encoder.encode_chunks(texts))
    operations = sum(map(shape.operations, tokens))
    return {
        "chunks": len(texts),
        "tokens_per_s": sum(tokens) / wall,
        "g_per_s": operations / wall / 1e9,
        "g_per_cpu_s": operations / cpu / 1e9,
    }


def questions(shape: Shape) -> Json:
    """Questions one after the other: milliseconds, and 1e9 operations a second, of a processor."""
    encoder = QuestionEncoder(load({}).embedding)
    lines = (sets.DATA / "redis_docs_dev" / "questions.jsonl").read_text().splitlines()
    texts = [json.loads(line)["question"] for line in lines[:QUESTIONS]]
    encoder.encode_query(texts[0])
    taken = [_spent(lambda text=text: encoder.encode_query(text))[1] for text in texts]
    operations = sum(map(shape.operations, encoder.tokens.count(texts)))
    return {"cpu_ms": 1000 * sum(taken) / len(taken), "g_per_cpu_s": operations / sum(taken) / 1e9}


def scan() -> Json:
    """A scan of vectors of half precision: milliseconds, and 1e9 bytes a second."""
    made = np.random.default_rng(1)
    rows = made.standard_normal((SCANNED, 384), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = VectorIndex(rows.shape[1])
    index.add(np.arange(len(rows)), rows)
    seconds = _seconds(lambda: index.scan(rows[:1], 10, None))
    return {"vectors": SCANNED, "ms": 1000 * seconds, "gb_s": rows.nbytes / 2 / seconds / 1e9}


def _shares(
    used: Json, limits: dict[str, float], bandwidth: float, cores: int
) -> list[tuple[str, str, tuple[str, str]]]:
    """What is reached, beside what could be."""
    found = []
    compared = (
        ("documents", "g_per_s", f"{cores} cores"),
        ("documents", "g_per_cpu_s", "1 core"),
        ("questions", "g_per_cpu_s", "1 core"),
    )
    for name, unit, where in compared:
        reached = used[name][unit]
        for kind in ("bf16", "int8"):
            limit = f"{kind} on {where}"
            found.append((name, f"{reached:,.0f} G/s", (limit, f"{reached / limits[limit]:.0%}")))
    read = used["scan"]["gb_s"]
    found.append(("scan", f"{read:.1f} GB/s", ("memory, one thread", f"{read / bandwidth:.0%}")))
    return found


def _chunks(encoder: DocumentEncoder, count: int) -> list[str]:
    """Texts of about as many tokens as a chunk aims for, from real documents."""
    words = [
        word
        for path in sorted((sets.DATA / "scale_contracts_txt" / "docs").glob("*.txt"))[:20]
        for word in path.read_text(encoding="utf-8").split()
    ]
    size = CHUNK_TOKENS * 2 // 3  # words, at a token and a half each
    texts = [" ".join(words[at : at + size]) for at in range(0, len(words) - size, size)][:count]
    fit = encoder.tokens.count(texts)
    return [text for text, long in zip(texts, fit, strict=True) if long <= encoder.tokens.limit]


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """The median time of one call, over rounds of as many calls as fill them."""
    began = clock()
    work()
    calls = max(1, int(SECONDS / max(1e-6, clock() - began)))
    taken = []
    for _ in range(ROUNDS):
        began = clock()
        for _ in range(calls):
            work()
        taken.append((clock() - began) / calls)
    return median(taken)


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main(sys.argv[1:])
