"""What a run costs: the first over a folder, one that finds nothing to do, one with a changed file.

Whole processes (``rag ingest``), so that starting up is part of it, as it is for a user. Of the
first run also: processor time of all of its processes, and the share of its time in which the
model was computing, which is what a run over text should be bound by.

    python -m bench.ingest [SET ...]
"""

from __future__ import annotations

import json
import resource
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
from corpus.runs import RunLog

DEFAULT_SETS = ("redis_docs_dev", "squad2_dev", sets.DEMO)
REPEATS = 5


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    measured = {name: measure(name) for name in names}
    columns = [
        "files",
        "chunks",
        "first s",
        "CPU s",
        "model busy",
        "unchanged s",
        "ratio",
        "one file s",
    ]
    results.table(["set", *columns], [[name, *_row(one)] for name, one in measured.items()])
    results.save("ingest", measured)


def measure(name: str) -> dict[str, Any]:
    """Seconds of the three kinds of run over a copy of a set's documents."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch, "docs"), Path(scratch, "store")
        shutil.copytree(sets.folder_of(name), folder)
        _make_writable(folder)
        time.sleep(2.5)  # files that were just written are hashed again by the next run
        before = _cpu_seconds()
        first, report = _run(folder, store)
        cpu = _cpu_seconds() - before
        run = RunLog(store).runs(being_written=False)[0]
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
        "first_cpu_s": cpu,
        "model_busy": run.embed_seconds / run.seconds,
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


def _cpu_seconds() -> float:
    """Of all processes that were started here and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _row(one: dict[str, Any]) -> list[str]:
    return [
        str(one["files"]),
        str(one["chunks"]),
        f"{one['first_s']:.2f}",
        f"{one['first_cpu_s']:.1f}",
        f"{one['model_busy']:.0%}",
        f"{one['unchanged_s']:.2f}",
        f"{one['ratio']:.0f}",
        f"{one['one_file_s']:.2f}",
    ]


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT_SETS)
