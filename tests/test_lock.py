"""One writer at a time, across processes, and no lock outlives its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.errors import StoreBusy, StoreNotWritable
from corpus.lock import exclusive, is_held

ROOT = Path(__file__).parent.parent
HOLD = """
import sys, time
from pathlib import Path
from corpus.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    arguments = [sys.executable, "-c", HOLD, str(tmp_path / "LOCK")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_writes(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(StoreBusy, match=rf"\(process {holder.pid}\).*run this again") as refused,
        exclusive(tmp_path / "LOCK"),
    ):
        pass
    assert refused.value.retryable
    assert is_held(tmp_path / "LOCK")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_is_free_as_soon_as_its_holder_is_gone(
    tmp_path: Path, holder: subprocess.Popen[str], number: int
) -> None:
    os.kill(holder.pid, number)
    holder.wait()

    assert not is_held(tmp_path / "LOCK")
    with exclusive(tmp_path / "LOCK"):
        assert is_held(tmp_path / "LOCK")


def test_asking_whether_it_is_held_does_not_disturb_a_writer(tmp_path: Path) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_held(tmp_path / "LOCK")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            with exclusive(tmp_path / "LOCK"):
                pass
    finally:
        stop.set()
        asking.join()


def test_a_lock_that_was_never_taken_is_not_held_and_not_made(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "LOCK")
    assert not (tmp_path / "LOCK").exists()


def test_the_lock_is_freed_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), exclusive(tmp_path / "LOCK"):
        raise ValueError("boom")
    assert not is_held(tmp_path / "LOCK")


def test_a_store_that_cannot_be_made_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreNotWritable, match="--store"), exclusive(tmp_path / "file" / "LOCK"):
        pass


def test_the_lock_is_not_inherited_by_what_a_writer_starts(tmp_path: Path) -> None:
    with exclusive(tmp_path / "LOCK"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not is_held(tmp_path / "LOCK")
    finally:
        child.communicate(b"\n")
