"""One writer at a time, across processes and machines, and no lock outlives its holder."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from corpus import lease
from corpus.errors import StoreBusy, StoreNotWritable
from corpus.lease import NAME, Holder
from corpus.lock import exclusive, is_held
from corpus.runs import Outcome, RunLog
from tests.conftest import Workbench

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


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    with (
        pytest.raises(StoreNotWritable, match=r"No locks available.*--store"),
        exclusive(tmp_path / "LOCK"),
    ):
        pass
    assert not is_held(tmp_path / "LOCK")


# --- the lease: the same across machines ---------------------------------------------------------

LEASE = """
import sys, time
from pathlib import Path
from corpus import lease
with lease.held(Path(sys.argv[1]), beat_s=0.05):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def leaseholder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process of this machine that holds the lease, and for some reason no lock."""
    arguments = [sys.executable, "-c", LEASE, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def elsewhere(store: Path, seconds_ago: float = 0.0) -> Holder:
    """Have another machine hold the lease, with its last sign of life so long ago."""
    holder = replace(
        lease.this_process(), host="mars", boot="another", process=4242, started="2026-03-01"
    )
    path = store / NAME
    path.write_text(json.dumps(asdict(holder)))
    then = path.stat().st_mtime - seconds_ago
    os.utime(path, (then, then))
    return holder


def take(store: Path) -> None:
    lease.settle(store)
    with lease.held(store):
        lease.check(store)


def test_a_lease_is_there_while_it_is_held_and_gone_afterwards(tmp_path: Path) -> None:
    with lease.held(tmp_path):
        holder = lease.read(tmp_path)
        assert holder is not None
        assert holder.is_same_process(lease.this_process())
        assert not lease.is_held_elsewhere(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_lease_of_another_machine_blocks_and_says_whose_it_is(tmp_path: Path) -> None:
    elsewhere(tmp_path, seconds_ago=lease.STALE_S - 5)

    with pytest.raises(StoreBusy, match=r"process 4242 on mars, since 2026-03-01") as refused:
        take(tmp_path)

    assert refused.value.retryable
    assert lease.is_held_elsewhere(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_lease_without_a_sign_of_life_for_long_is_taken_over_and_told(tmp_path: Path) -> None:
    holder = elsewhere(tmp_path, seconds_ago=lease.STALE_S + 5)
    assert not lease.is_held_elsewhere(tmp_path)

    assert lease.settle(tmp_path) == holder

    take(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_clock_of_another_machine_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both times are the file system's: this machine's clock may be a year ahead."""
    elsewhere(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 1e10)

    with pytest.raises(StoreBusy):
        take(tmp_path)


def test_a_living_process_of_this_machine_keeps_its_lease_however_old(
    tmp_path: Path, leaseholder: subprocess.Popen[str]
) -> None:
    os.kill(leaseholder.pid, signal.SIGSTOP)  # no sign of life, and yet alive
    os.utime(tmp_path / NAME, (0, 0))

    with pytest.raises(StoreBusy, match=f"process {leaseholder.pid} on"):
        take(tmp_path)

    os.kill(leaseholder.pid, signal.SIGCONT)


def test_a_dead_process_of_this_machine_leaves_its_lease_at_once(
    tmp_path: Path, leaseholder: subprocess.Popen[str]
) -> None:
    leaseholder.kill()
    leaseholder.wait()
    assert (tmp_path / NAME).exists()

    left_behind = lease.settle(tmp_path)

    assert left_behind is not None
    assert left_behind.process == leaseholder.pid
    take(tmp_path)


def test_a_number_that_another_process_has_by_now_is_not_that_of_the_holder(
    tmp_path: Path,
) -> None:
    """In a container that was started again everybody has the old numbers."""
    before = replace(lease.this_process(), process=os.getppid(), born="1")
    (tmp_path / NAME).write_text(json.dumps(asdict(before)))

    assert lease.settle(tmp_path) == before


def test_the_holder_gives_signs_of_life(tmp_path: Path, leaseholder: subprocess.Popen[str]) -> None:
    os.utime(tmp_path / NAME, (0, 0))
    deadline = time.monotonic() + 10
    while (tmp_path / NAME).stat().st_mtime == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_holder_that_was_taken_over_is_told_before_it_publishes(tmp_path: Path) -> None:
    with lease.held(tmp_path, beat_s=0.01):
        holder = elsewhere(tmp_path, seconds_ago=50)
        time.sleep(0.1)  # in which it would give signs of life
        with pytest.raises(StoreBusy, match="taken over by process 4242 on mars"):
            lease.check(tmp_path)
        age = time.time() - (tmp_path / NAME).stat().st_mtime
    assert age > 40, "it kept the lease of another alive"
    assert lease.read(tmp_path) == holder, "it removed the lease of another"


def test_a_run_that_was_taken_over_publishes_nothing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.txt", "Apples are red.")
    first = bench.ingest().snapshot
    for count in range(300):  # more than are embedded together
        bench.write(f"{count}.txt", f"Bees number {count} hum.")
    real = bench.encoder.encode_documents

    def slowly(texts: list[str]) -> object:
        elsewhere(bench.store.path)
        return real(texts)

    monkeypatch.setattr(bench.encoder, "encode_documents", slowly)
    with pytest.raises(StoreBusy, match="taken over"):
        bench.ingest()

    assert bench.store.current_id() == first


def test_a_run_waits_for_its_turn_while_another_machine_writes_and_then_names_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.txt", "Apples are red.")
    bench.ingest()
    bench.write("b.txt", "Bees hum.")
    elsewhere(bench.store.path)
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "mars")
        with RunLog(bench.store.path).recording() as recording:
            recording.begin()
    with pytest.raises(StoreBusy, match="on mars"):
        bench.ingest()
    elsewhere(bench.store.path, seconds_ago=lease.STALE_S + 5)

    report = bench.ingest()

    assert report.added == 1
    assert len(report.crashed) == 1
    assert " on mars ended without a word, started " in report.crashed[0]
    runs = RunLog(bench.store.path).runs(being_written=False)
    assert [run.host for run in runs if run.outcome is Outcome.CRASHED] == ["mars"]
    assert not (bench.store.path / NAME).exists()


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"host": 1}', b"\xff" * 300])
def test_a_lease_that_a_power_cut_tore_is_nobodys(tmp_path: Path, left: bytes) -> None:
    (tmp_path / NAME).write_bytes(left)

    take(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_of_two_machines_that_take_over_at_once_only_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path, seconds_ago=lease.STALE_S + 5)
    winner: list[Holder] = []
    real = os.rename

    def late(source: Path, target: Path) -> None:
        """Between our look and our step, the other takes the lease over and holds it."""
        monkeypatch.setattr(os, "rename", real)
        winner.append(replace(elsewhere(tmp_path), host="venus", process=7))
        (tmp_path / NAME).write_text(json.dumps(asdict(winner[0])))
        real(source, target)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(StoreBusy, match="process 7 on venus"):
        take(tmp_path)

    assert lease.read(tmp_path) == winner[0]


def test_a_lease_works_where_files_have_one_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    take(tmp_path)
    elsewhere(tmp_path)
    with pytest.raises(StoreBusy):
        take(tmp_path)


def test_a_lease_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreNotWritable, match="LEASE"),
        lease.held(tmp_path / "absent"),
    ):
        pass
