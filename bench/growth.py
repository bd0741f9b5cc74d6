"""How cost grows from a thousand chunks to a million: opening, searching, memory, refreshing.

The stores are those of :mod:`bench.refresh`: documents that are made up go through the whole of
ingest, with vectors that are made up, as a million chunks cannot be embedded here. Opening and
searching are measured in a process of their own, whose memory is told. Times of a search are
processor time of one thread, without embedding.

    python -m bench.growth [--chunks 1000,10000,100000,1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import refresh, results, search, sets
from bench.peers import plots
from bench.peers.protocol import resident_mb
from corpus.store import Store
from corpus.types import Mode, Query

QUERIES = 100

Json = dict[str, Any]

_FIGURES = {
    "first_s": "first run, s",
    "first_peak_mb": "its peak, MB",
    "nothing_s": "nothing changed, s",
    "changed_s": "ten files changed, s",
    "open_s": "open, s",
    "resident_mb": "resident, MB",
    "hybrid_ms": "hybrid search p50, ms",
    "dense_ms": "dense search p50, ms",
    "words_ms": "word search p50, ms",
}
_DRAWN = ("hybrid_ms", "open_s", "resident_mb", "changed_s")


def main(arguments: Sequence[str]) -> None:
    """Measure each size and print one table; or be the process that opens one store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chunks", default="1000,10000,100000,1000000", help="sizes, about")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind of refresh")
    parser.add_argument("--open", type=Path, metavar="STORE", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.open:
        print(json.dumps(opened(args.open)))
        return
    rows = [measure(int(chunks), args.rounds) for chunks in args.chunks.split(",")]
    results.table(
        ["chunks", *_FIGURES.values()],
        [[str(row["chunks"]), *(f"{row[key]:.2f}" for key in _FIGURES)] for row in rows],
    )
    plots.save(
        "growth",
        plots.curves(
            [
                plots.Curve(_FIGURES[key], [(row["chunks"], row[key]) for row in rows])
                for key in _DRAWN
            ]
        ),
    )
    results.save("growth", {"queries": QUERIES, "rows": rows})


def measure(chunks: int, rounds: int) -> Json:
    """A store of about that many chunks: its runs, and what it costs to use."""
    files = max(refresh.CHANGED, chunks // refresh.CHUNKS)
    runs = refresh.measure(files, rounds)
    store = sets.STORES / f"refresh-{files}" / "store"
    command = [sys.executable, "-m", "bench.growth", "--open", str(store)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return {
        "files": files,
        **{key: runs[key] for key in ("chunks", "first_s", "first_peak_mb")},
        **{f"{kind}_s": runs[kind]["process_s"] for kind in ("nothing", "changed")},
        **json.loads(done.stdout),
    }


def opened(store: Path) -> Json:
    """Open a store and search it, in this process."""
    began = time.perf_counter()
    snapshot = Store(store).open()
    open_s = time.perf_counter() - began
    encoder = refresh.MadeUp()
    texts = _texts(store.parent / "docs")
    told: Json = {"open_s": open_s}
    for mode in Mode:
        asked = [Query(text, encoder.encode_query(text), 10, mode) for text in texts]
        searches = [lambda one=one: snapshot.search(one) for one in asked]
        told[f"{mode}_ms"] = search.times(searches)["p50_ms"]
    return {**told, "resident_mb": resident_mb()}


def _texts(folder: Path) -> list[str]:
    """Questions of eight words that follow each other in a document."""
    paths = sorted(folder.rglob("*.md"))
    step = max(1, len(paths) // QUERIES)
    read = [path.read_text(encoding="utf-8").split() for path in paths[::step][:QUERIES]]
    return [" ".join(words[20:28]) for words in read]


if __name__ == "__main__":
    main(sys.argv[1:])
