"""How fast each form of the embedding model embeds documents, and how near it stays to float32.

Paragraphs of squad2_dev, by each of `bench/forms.py` in a process of its own, on one core and on
all, in turn, several rounds; the best round counts, because what else the machine does only slows.
*share* is what the products of weights come to, of the rate at which torch multiplies int8 matrices
of the model's shapes at the same time (`torch._int_mm`); attention is left out. Cosines are of
whole chunks and of their windows to torch in float32.

    python -m bench.encoder [--texts 400] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench import forms, results, sets
from corpus.embedding import model_folder

REFERENCE = "torch-float32"
_SHAPES = ((384, 384), (384, 1536), (1536, 384))
_ROWS = 1024

Measured = dict[str, float]


def main(count: int, rounds: int) -> None:
    """Measure each form and print one table."""
    found: dict[str, list[Measured]] = {}
    everywhere = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as work:
        for _ in range(rounds):
            for form in forms.FORMS:
                for cores in (everywhere[:1], everywhere):
                    one = _child(form, cores, count, Path(work))
                    found.setdefault(f"{form} {len(cores)}", []).append(one)
        vectors = {form: np.load(Path(work) / f"{form}.npz") for form in forms.FORMS}
    best = {name: _best(several) for name, several in found.items()}
    near = {form: _cosines(its, vectors[REFERENCE]) for form, its in vectors.items()}
    head = ["form", "cores", "tok/CPU-s", "tok/s", "share", "MB", "mean", "min", "windows", "min"]
    rows = [[*name.split(), *_shown(one), *near[name.split()[0]]] for name, one in best.items()]
    results.table(head, rows)
    results.save("encoder", {"speed": best, "cosines": near, "texts": count})


def embed(form: str, count: int, into: Path) -> Measured:
    """Embed in this process; the vectors go into a file."""
    encoder = forms.FORMS[form]()
    texts = paragraphs(count)
    lengths = encoder.tokens.count(texts)
    texts = [text for text, n in zip(texts, lengths, strict=True) if n <= encoder.tokens.limit]
    tokens = sum(n for n in lengths if n <= encoder.tokens.limit)
    encoder.encode_chunks(texts[:64])
    began, worked = time.perf_counter(), time.process_time()
    vectors = encoder.encode_chunks(texts)
    cpu_s, wall_s = time.process_time() - worked, time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    whole, windows = [one[0] for one in vectors], [one[1:] for one in vectors]
    np.savez(into, whole=np.array(whole), windows=np.concatenate(windows))
    products = tokens * _operations_per_token()
    return {
        "tokens_per_cpu_s": tokens / cpu_s,
        "tokens_per_s": tokens / wall_s,
        "share_of_int8": products / cpu_s / int8_rate(),
        "peak_mb": peak_mb,
    }


def paragraphs(count: int) -> list[str]:
    """Some paragraphs, the same each time."""
    files = sorted(path for path in sets.folder_of("squad2_dev").rglob("*") if path.is_file())
    parts = [part.strip() for file in files for part in file.read_text("utf-8").split("\n\n")]
    long = [part for part in parts if len(part) > 200]
    return random.Random(0).sample(long, min(count, len(long)))


def int8_rate() -> float:
    """Operations a second of one core, multiplying int8 matrices."""
    import torch

    torch.set_num_threads(1)
    rates = []
    for deep, wide in _SHAPES:
        a = torch.randint(0, 127, (_ROWS, deep), dtype=torch.int8)
        b = torch.randint(-127, 127, (deep, wide), dtype=torch.int8)
        torch._int_mm(a, b)
        began = time.process_time()
        for _ in range(100):
            torch._int_mm(a, b)
        rates.append(2 * _ROWS * deep * wide * 100 / (time.process_time() - began))
    return float(np.mean(rates))


def _operations_per_token() -> int:
    config = json.loads((model_folder(forms.SETTINGS.model) / "config.json").read_text("utf-8"))
    hidden, between = config["hidden_size"], config["intermediate_size"]
    weights = config["num_hidden_layers"] * (4 * hidden**2 + 2 * hidden * between)
    return int(2 * weights)


def _child(form: str, cores: list[int], count: int, work: Path) -> Measured:
    command = [sys.executable, "-m", "bench.encoder", "--form", form, "--texts", str(count)]
    command += ["--cores", ",".join(map(str, cores)), "--into", str(work / f"{form}.npz")]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: Measured = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _best(several: list[Measured]) -> Measured:
    return {name: max(one[name] for one in several) for name in several[0]}


def _cosines(ours: Any, its: Any) -> list[str]:
    found = [np.sum(ours[part] * its[part], axis=1) for part in ("whole", "windows")]
    return [f"{value:.4f}" for one in found for value in (one.mean(), one.min())]


def _shown(one: Measured) -> Iterator[str]:
    yield f"{one['tokens_per_cpu_s']:,.0f}"
    yield f"{one['tokens_per_s']:,.0f}"
    yield f"{one['share_of_int8']:.0%}"
    yield f"{one['peak_mb']:.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--form", choices=forms.FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--cores", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.form is None:
        main(asked.texts, asked.rounds)
    else:
        os.sched_setaffinity(0, {int(core) for core in asked.cores.split(",")})
        print(json.dumps(embed(asked.form, asked.texts, asked.into)))
