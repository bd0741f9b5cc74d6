"""A little of each part of the crash harness; ``python -m tests.torture`` does all of it."""

from __future__ import annotations

import errno
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from corpus import files
from corpus.databases import NewDatabase
from corpus.errors import StoreNotWritable
from corpus.store import Store
from tests.torture import damage, faults, kills, mounts, rules, states, writers
from tests.torture.calls import Call
from tests.torture.cases import make_all
from tests.torture.client import Worker
from tests.torture.model import Disk, Fate, scan
from tests.torture.operations import OPERATIONS
from tests.torture.parts import Bench, Tally
from tests.torture.scratch import scratch_folder
from tests.torture.tracer import Plan

ROOT = Path(__file__).parent.parent

needs_tracing = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the harness traces calls of Linux on x86_64",
)


@pytest.fixture(scope="module")
def torture() -> Iterator[Bench]:
    with scratch_folder() as scratch, Worker(scratch) as worker:
        yield Bench(worker, tuple(make_all(scratch, OPERATIONS)), scratch, quick=True)


def losses(tallies: list[Tally]) -> list[str]:
    assert sum(tally.tried for tally in tallies) > 0
    return [f"{tally.part} {tally.operation}: {loss}" for tally in tallies for loss in tally.losses]


@needs_tracing
def test_a_kill_before_any_call_loses_nothing(torture: Bench) -> None:
    assert losses(kills.at_every_call(torture)) == []


@needs_tracing
def test_a_kill_at_any_time_loses_nothing(torture: Bench) -> None:
    assert losses(kills.at_random(torture)) == []


@needs_tracing
def test_no_disk_that_a_power_cut_may_leave_has_lost_anything(torture: Bench) -> None:
    assert losses(states.enumerate_all(torture)) == []


@needs_tracing
def test_a_full_or_broken_disk_is_told_and_what_is_told_is_so(torture: Bench) -> None:
    assert losses(faults.at_every_call(torture.only("refresh", "rollback"))) == []


@needs_tracing
def test_two_writers_leave_what_some_order_of_them_would(torture: Bench) -> None:
    assert losses(writers.at_every_call(torture)) == []


@needs_tracing
def test_no_operation_writes_into_what_is_there(torture: Bench) -> None:
    assert losses(rules.hold(torture)) == []


def test_no_damage_is_served(torture: Bench) -> None:
    assert losses(damage.one_by_one(torture)) == []


@needs_tracing
@pytest.mark.parametrize("part", ["power", "sizes"])
def test_real_file_systems(part: str) -> None:
    try:
        mounts.require_tools()
    except mounts.Unavailable as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "tests.torture", part, "--quick"]
    command += ["--operation", "refresh", "--operation", "rollback"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "no mount namespace can be had" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr


@needs_tracing
@pytest.mark.parametrize(
    ("mutant", "operation"),
    [("no fsync of CURRENT", "rollback"), ("no fsync of the store", "rollback")],
)
def test_the_harness_sees_a_step_that_is_left_out(
    torture: Bench, mutant: str, operation: str
) -> None:
    mutated = replace(torture.only(operation), mutants=(mutant,), hunting=True)
    assert losses(states.enumerate_all(mutated))


@needs_tracing
def test_a_step_that_is_left_out_is_seen_by_kills_too(torture: Bench) -> None:
    mutated = replace(torture.only("rollback"), mutants=("CURRENT written in place",), hunting=True)
    assert losses(kills.at_every_call(mutated))


@needs_tracing
@pytest.mark.parametrize("mutant", ["no hash of the manifest", "no hash of codes"])
def test_a_hash_that_is_not_compared_is_seen_by_damage(torture: Bench, mutant: str) -> None:
    mutated = replace(torture.only("refresh"), mutants=(mutant,), hunting=True)
    assert losses(damage.one_by_one(mutated))


@needs_tracing
def test_a_file_that_is_not_read_back_is_seen_by_lies(torture: Bench) -> None:
    mutated = replace(torture.only("refresh"), mutants=("no read-back of codes",), hunting=True)
    assert losses(faults.lies(mutated))


@needs_tracing
def test_a_plan_that_is_never_reached_leaves_the_operation_alone(torture: Bench) -> None:
    case = torture.only("refresh").cases[0]
    traced = torture.worker.run("read", case.store, "", Plan("kill", 1))
    assert traced.status == -9  # even a reader takes tantivy's lock
    beyond = torture.worker.run("read", case.store, "", Plan("kill", 10_000))
    assert (beyond.hit, beyond.outcome) == ("", "done")
    assert beyond.counted > 10


def test_the_model_of_a_disk_knows_what_may_be_lost(tmp_path: Path) -> None:
    root = tmp_path.stat().st_ino
    disk = Disk(scan(tmp_path), strict=True)
    disk.make(Call("openat", "/d/a", flags=os.O_CREAT | os.O_WRONLY, inode=5, parent=root))
    disk.make(Call("write", "/d/a", inode=5, data=b"abcd"))
    made, written = (change.number for change in disk.pending)
    assert disk.crashed([], Fate.LOST).tree() == {"a": b"abcd"}
    assert disk.crashed([written], Fate.LOST).tree() == {"a": b""}
    assert disk.crashed([written], Fate.ZEROED).tree() == {"a": bytes(4)}
    assert disk.crashed([written], Fate.HALF).tree() == {"a": b"ab\0\0"}
    assert disk.crashed([made], Fate.LOST).tree() == {}

    disk.make(Call("fsync", "/d/a", inode=5))
    assert [change.number for change in disk.pending] == [made]  # the name is the folder's
    disk.make(Call("rename", "/d/a", "/d/b", inode=5, parent=root, other_parent=root))
    disk.make(Call("fsync", "/d", inode=root))
    assert disk.pending == []
    assert disk.crashed([], Fate.LOST).tree() == {"b": b"abcd"}


def test_an_inode_that_is_given_out_again_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    root, inode = tmp_path.stat().st_ino, (tmp_path / "old").stat().st_ino
    disk = Disk(scan(tmp_path), strict=False)
    disk.make(Call("unlink", "/d/old", inode=inode, parent=root))
    disk.make(Call("openat", "/d/new", flags=os.O_CREAT, inode=inode, parent=root))
    disk.make(Call("write", "/d/new", inode=inode, data=b"n"))

    assert disk.crashed([], Fate.LOST).tree() == {"new": b"n"}
    unlinked = disk.pending[0].number
    assert disk.crashed([unlinked], Fate.LOST).tree() == {"new": b"n", "old": b"old"}


def test_a_disk_that_lies_is_found_out_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CURRENT").write_bytes(b"old")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="reads back"):
        patched.setattr(os, "write", lambda _, data: len(data))
        files.replace(tmp_path / "CURRENT", b"new")

    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("CURRENT", b"old")]


def test_what_sqlite_cannot_read_is_told_as_the_disk_and_a_mistake_is_not() -> None:
    with pytest.raises(StoreNotWritable, match="malformed"), files.disk_errors():
        raise sqlite3.DatabaseError("database disk image is malformed")
    with pytest.raises(sqlite3.IntegrityError), files.disk_errors():
        raise sqlite3.IntegrityError("UNIQUE constraint failed")


def _refuse(_: object) -> NoReturn:
    raise OSError(errno.EIO, "Input/output error")


def test_a_disk_that_fails_during_a_run_is_told_in_the_projects_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    told = pytest.raises(StoreNotWritable, match="Input/output error.*`rag status` tells")
    with told, store.writing():
        monkeypatch.setattr(os, "scandir", _refuse)
        store.ids()


def test_snapshots_stay_while_it_cannot_be_seen_which_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "store")
    with store.writing():
        monkeypatch.setattr(os, "scandir", _refuse)
        assert store.collect(keep=1) == []
    assert "no snapshot was removed" in caplog.text


def test_a_database_that_lost_a_write_is_not_taken_for_written(tmp_path: Path) -> None:
    database = NewDatabase(tmp_path / "some.sqlite", "CREATE TABLE some (a TEXT, b INTEGER);")
    database.insert("some", [(f"row {n}", n) for n in range(2000)])
    other = sqlite3.connect(tmp_path / "some.sqlite")
    database.insert("some", [("last", None)])

    database._connection.execute("COMMIT")
    with other:
        other.execute("UPDATE some SET b = 7 WHERE a = 'row 100'")
    other.close()
    database._connection.execute("BEGIN")
    with pytest.raises(OSError, match=r"some.sqlite does not read back"):
        database.finish()
