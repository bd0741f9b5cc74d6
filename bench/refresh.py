"""What a refresh costs by the size of the corpus: nothing changed, and ten files changed.

Documents of words that are drawn by Zipf's law go through the whole of ingest. Only their
vectors are made up, from a hash of each text, so that the model's time, which depends on what
changed alone, does not hide the rest. Each run is a process of its own: `run` is the time of the
run in it, the rest is starting Python and loading libraries.

    python -m bench.refresh [--files 200,20000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import results, sets
from corpus.fingerprint import Fingerprint
from corpus.settings import load
from corpus.store import Store
from corpus.types import ChunkVectors, Vectors
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner

CHANGED = 10  # files
CHUNKS = 10  # of a file, about
WORDS = 750  # of a file
SENTENCE, PARAGRAPH = 15, 5  # words; sentences
VOCABULARY = 50_000
DIM = 384
SETTLED_S = 2.5  # files that were just written are hashed again by the next run

Json = dict[str, Any]

_WINDOWS = 4  # of a chunk


class Words:
    """Counts words and marks as tokens, and two special ones a text."""

    limit = 256

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text."""
        return [len(self.boundaries(text)) + 2 for text in texts]

    def count_chunk(self, text: str) -> int:
        """The same of one text."""
        return self.count([text])[0]

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each begins and ends."""
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def pieces(self, text: str) -> tuple[int, int]:
        """Tokens; none is unknown."""
        return len(self.boundaries(text)), 0


class MadeUp:
    """An encoder whose vectors hang on the text and mean nothing."""

    makes_windows = True

    def __init__(self) -> None:
        self.tokens = Words()
        self.fingerprint = Fingerprint(
            model="made up",
            files={},
            pooling="none",
            normalised=True,
            query_prefix="",
            document_prefix="",
            dim=DIM,
            max_tokens=Words.limit,
        )

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Unit rows, float32 (len(texts), DIM)."""
        return np.array([self.encode_query(text) for text in texts], np.float32)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """The same, with as many windows as most chunks have."""
        return [np.repeat(vector[None], 1 + _WINDOWS, 0) for vector in self.encode_documents(texts)]

    def encode_query(self, text: str) -> Vectors:
        """A unit vector, float32 (DIM,)."""
        seed = hashlib.blake2b(text.encode(), digest_size=8).digest()
        vector = np.random.default_rng(int.from_bytes(seed)).standard_normal(DIM, np.float32)
        return vector / np.linalg.norm(vector)


class Folder:
    """Documents that are made up."""

    def __init__(self, path: Path, files: int) -> None:
        self.path, self.files = path, files
        self._rng = np.random.default_rng(7)
        letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
        sizes = self._rng.integers(3, 11, VOCABULARY)
        self._words = np.array(["".join(self._rng.choice(letters, size)) for size in sizes])
        shares = 1 / np.arange(10, VOCABULARY + 10)
        self._shares = np.cumsum(shares / shares.sum())

    def fill(self) -> None:
        """Write every file, some hundred to a folder."""
        for number in range(self.files):
            path = self.place(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._text(number), encoding="utf-8")

    def change(self, numbers: Sequence[int]) -> None:
        """Put another paragraph at the end of these."""
        for number in numbers:
            with self.place(number).open("a", encoding="utf-8") as file:
                file.write("\n\n" + self._paragraph())

    def place(self, number: int) -> Path:
        """Where a file is."""
        return self.path / f"{number // 200:03d}" / f"{number:05d}.md"

    def _text(self, number: int) -> str:
        count = WORDS // (SENTENCE * PARAGRAPH)
        return "\n\n".join([f"# Number {number}", *(self._paragraph() for _ in range(count))])

    def _paragraph(self) -> str:
        drawn = np.searchsorted(self._shares, self._rng.random(SENTENCE * PARAGRAPH))
        words = self._words[drawn].reshape(PARAGRAPH, SENTENCE)
        return " ".join(f"{' '.join(sentence).capitalize()}." for sentence in words)


def main(arguments: Sequence[str]) -> None:
    """Measure each size and print one table; or be one run of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", default="200,20000", help="sizes of the corpus")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind of run")
    parser.add_argument("--run", nargs=2, metavar=("STORE", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.run:
        print(json.dumps(run(Path(args.run[0]), Path(args.run[1]))))
        return
    sizes = [int(size) for size in args.files.split(",")]
    measured = {str(files): measure(files, args.rounds) for files in sizes}
    columns = ["files", "chunks", "first s", "MB", "nothing", "run", "ten files", "run"]
    base = measured[str(sizes[0])]
    rows = [_row(files, one, base) for files, one in measured.items()]
    results.table([*columns, "ratio", "MB"], rows)
    results.save("refresh", measured)


def run(store: Path, folder: Path) -> Json:
    """One run in this process."""
    settings = load({}, {"store": store})
    began = time.perf_counter()
    runner = Runner(Means(Store(settings.store), settings, MadeUp(), Silent()))
    report = runner.ingest([folder], Options(max_delete_percent=100))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, **report.to_json()}


def measure(files: int, rounds: int) -> Json:
    """Seconds and memory of the kinds of run over a folder of that many files."""
    home = sets.STORES / f"refresh-{files}"
    shutil.rmtree(home, ignore_errors=True)
    folder, store = Folder(home / "docs", files), home / "store"
    folder.fill()
    time.sleep(SETTLED_S)
    first = _process(store, folder)
    nothing = [_process(store, folder) for _ in range(rounds)]
    changed = []
    for round_ in range(rounds):
        step = max(1, files // CHANGED)
        folder.change([(number * step + round_) % files for number in range(CHANGED)])
        time.sleep(SETTLED_S)
        changed.append(_process(store, folder))
        _check(changed[-1], CHANGED)
    _check(nothing[-1], 0)
    return {
        "chunks": first["chunks"],
        "first_s": first["seconds"],
        "first_peak_mb": first["peak_mb"],
        "nothing": _middle(nothing),
        "changed": _middle(changed),
        "changed_all_s": [round(one["process_s"], 3) for one in changed],
        "changed_peak_mb": max(one["peak_mb"] for one in changed),
        "segments": len(Store(store).open().manifest.segments),
    }


def _process(store: Path, folder: Folder) -> Json:
    command = [sys.executable, "-m", "bench.refresh", "--run", os.fspath(store)]
    began = time.perf_counter()
    done = subprocess.run([*command, os.fspath(folder.path)], stdout=subprocess.PIPE, check=True)
    report: Json = json.loads(done.stdout)
    return {**report, "process_s": time.perf_counter() - began}


def _middle(runs: Sequence[Json]) -> Json:
    return {key: median(one[key] for one in runs) for key in ("process_s", "seconds")}


def _check(report: Json, changed: int) -> None:
    if report["changed"] != changed or report["failed"]:
        raise RuntimeError(f"{changed} changed files were expected: {report}")


def _row(files: str, one: Json, base: Json) -> list[str]:
    row = [files, str(one["chunks"]), f"{one['first_s']:.1f}", f"{one['first_peak_mb']:.0f}"]
    for kind in ("nothing", "changed"):
        row += [f"{one[kind][key]:.2f}" for key in ("process_s", "seconds")]
    ratio = one["changed"]["process_s"] / base["changed"]["process_s"]
    return [*row, f"{ratio:.2f}", f"{one['changed_peak_mb']:.0f}"]


if __name__ == "__main__":
    main(sys.argv[1:])
