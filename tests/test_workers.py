"""Worker processes change nothing of what a run comes to, whatever happens to them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from corpus.store import Store
from corpus.types import Status
from ingest import makers, workers
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.report import Report
from ingest.runner import Runner
from tests.conftest import WordTokens, Workbench, settings_for

ROOT = Path(__file__).parent.parent
FILES = 12


class HostileTokens(WordTokens):
    """Has a word that ends a process, and one that never ends. In workers only."""

    def count(self, texts: list[str]) -> list[int]:
        if multiprocessing.parent_process() is not None:
            if any("DEADLY" in text for text in texts):
                os.kill(os.getpid(), signal.SIGKILL)
            while any("ENDLESS" in text for text in texts):
                pass
            if any("ENORMOUS" in text for text in texts):
                raise MemoryError
        return super().count(texts)


class Homebound(WordTokens):
    """Cannot be taken to another process."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("not here")

    def __getstate__(self) -> dict[str, int]:
        return {"something": 1}


@pytest.fixture
def small(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A folder for which workers are started although it is small."""
    monkeypatch.setattr(makers, "WORTH_BYTES", 0)
    for number in range(FILES):
        bench.write(f"{number:02}.md", f"# Part {number}\n\nWhat part {number} says.\n" * 3)
    bench.write("page.html", "<main><h1>A page</h1><p>It says something.</main>")
    bench.write("list.jsonl", '{"id": "a", "text": "One."}\n{"id": "b", "text": "Two."}\n')
    bench.write("empty.txt", "")
    return bench


def ingest(bench: Workbench, count: int, store: str) -> Report:
    """A run with so many workers into a store of its own."""
    settings = settings_for(bench.folder.parent / store, RAG_INGEST__WORKERS=str(count))
    bench.encoder.embedded.clear()
    runner = Runner(Means(Store(settings.store), settings, bench.encoder, Silent()))
    return runner.ingest([bench.folder], Options())


def reasons(report: Report) -> dict[str, str]:
    return {one.path: one.reason for one in report.failed}


@pytest.mark.parametrize("count", [1, 3])
def test_a_run_comes_to_the_same_with_workers_and_without(small: Workbench, count: int) -> None:
    alone = ingest(small, 0, "alone")
    embedded = list(small.encoder.embedded)

    helped = ingest(small, count, "helped")

    assert helped.snapshot == alone.snapshot
    assert [row.path for row in helped.sources] == [row.path for row in alone.sources]
    assert helped.sources == alone.sources
    assert small.encoder.embedded == embedded


@pytest.mark.parametrize("word", ["DEADLY", "ENDLESS"])
def test_a_file_that_ends_its_worker_fails_and_nothing_else_does(
    small: Workbench, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(workers, "_CPU_S", 0.5)
    small.encoder.tokens = HostileTokens()
    small.write("05b.md", f"This is {word}.")

    report = ingest(small, 2, "store")

    assert list(reasons(report)) == ["05b.md"]
    assert "too much memory or time" in reasons(report)["05b.md"]
    indexed = [row.path for row in report.sources if row.status is Status.INDEXED]
    assert len(indexed) == FILES + 2


def test_a_file_that_takes_too_much_memory_fails_with_that_reason(small: Workbench) -> None:
    small.encoder.tokens = HostileTokens()
    small.write("05b.md", "This is ENORMOUS.")

    assert "more memory" in reasons(ingest(small, 1, "store"))["05b.md"]


def test_a_hostile_file_keeps_its_last_good_version(small: Workbench) -> None:
    small.encoder.tokens = HostileTokens()
    before = ingest(small, 1, "store")
    small.write("05.md", "This is DEADLY now.")

    after = ingest(small, 1, "store")

    assert after.documents == before.documents
    assert [row.path for row in after.sources if row.stale] == ["05.md"]


def test_files_are_read_here_where_no_worker_can_be_started(
    small: Workbench, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = ingest(small, 0, "alone")
    small.encoder.tokens = Homebound()

    assert ingest(small, 2, "store").snapshot == alone.snapshot


def test_a_run_that_reads_little_starts_no_worker(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", None)
    bench.write("a.md", "Little.")

    assert ingest(bench, 4, "store").documents == 1


CHILD = """
import sys, time
from pathlib import Path
from corpus.store import Store
from ingest import makers
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from tests.conftest import WordHashEncoder, settings_for

class Told(Silent):
    def step(self, detail, amount=1):
        print("step", flush=True)
        time.sleep(0.2)

if __name__ == "__main__":
    makers.WORTH_BYTES = 0
    folder, store = map(Path, sys.argv[1:])
    settings = settings_for(store, RAG_INGEST__WORKERS="2")
    Runner(Means(Store(store), settings, WordHashEncoder(), Told())).ingest([folder], Options())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_process_that_they_work_for(small: Workbench, how: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(small.folder), str(small.folder.parent / "store")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "step\n"
        workers_of_it = children(process.pid)
        process.send_signal(how)

    assert len(workers_of_it) >= 2
    until = time.monotonic() + 20
    while alive := [pid for pid in workers_of_it if is_running(pid)]:
        assert time.monotonic() < until, f"still running: {alive}"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def is_running(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
