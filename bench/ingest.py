"""What a run costs: the first over a folder, one that finds nothing to do, one with a changed file.

Whole processes (``rag ingest``), so that starting up is part of it, as it is for a user.

    python -m bench.ingest [SET ...]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import results, sets

DEFAULT_SETS = ("redis_docs_dev", "squad2_dev", sets.DEMO)
REPEATS = 5


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    measured = {name: measure(name) for name in names}
    columns = ["files", "chunks", "first s", "unchanged s", "ratio", "one file s"]
    results.table(["set", *columns], [[name, *_row(one)] for name, one in measured.items()])
    results.save("ingest", measured)


def measure(name: str) -> dict[str, Any]:
    """Seconds of the three kinds of run over a copy of a set's documents."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch, "docs"), Path(scratch, "store")
        shutil.copytree(sets.folder_of(name), folder)
        _make_writable(folder)
        time.sleep(2.5)  # files that were just written are hashed again by the next run
        first, report = _run(folder, store)
        unchanged = [_run(folder, store) for _ in range(REPEATS)]
        same = {one["snapshot"] for _, one in unchanged}
        if same != {report["snapshot"]} or any(one["embedded_chunks"] for _, one in unchanged):
            raise RuntimeError(f"an unchanged folder gave another snapshot: {same}")
        changed = next(path for path in sorted(folder.rglob("*")) if path.suffix in (".md", ".txt"))
        changed.write_text(changed.read_text() + "\n\nOne more sentence stands here.\n")
        one_file, _ = _run(folder, store)
    idle = median(seconds for seconds, _ in unchanged)
    return {
        "files": report["files"],
        "chunks": report["chunks"],
        "first_s": first,
        "unchanged_s": idle,
        "ratio": first / idle,
        "one_file_s": one_file,
    }


def _run(folder: Path, store: Path) -> tuple[float, dict[str, Any]]:
    command = [sys.executable, "-m", "rag", "ingest", str(folder), "--store", str(store), "--json"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return seconds, report


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _row(one: dict[str, Any]) -> list[str]:
    times = [f"{one[key]:.2f}" for key in ("first_s", "unchanged_s")]
    return [
        str(one["files"]),
        str(one["chunks"]),
        *times,
        f"{one['ratio']:.0f}",
        f"{one['one_file_s']:.2f}",
    ]


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT_SETS)
