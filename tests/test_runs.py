"""The record of runs: what `rag status` can be believed to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus.errors import GuardRefused, StoreBusy
from corpus.runs import CHECKED, NAME, NEXT, Effort, Outcome, RunLog


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    return RunLog(tmp_path)


def finish(log: RunLog, outcome: Outcome = Outcome.DONE, detail: str = "") -> None:
    with log.recording() as recording:
        recording.begin()
        recording.end(outcome, detail)


def outcomes(log: RunLog, *, being_written: bool = False) -> list[Outcome]:
    return [run.outcome for run in log.runs(being_written=being_written)]


def gone_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_store_without_runs_has_none(log: RunLog) -> None:
    assert (outcomes(log), log.last_success(), log.next_run()) == ([], "", "")


def test_runs_come_newest_first_one_entry_each(log: RunLog) -> None:
    finish(log, detail="first")
    finish(log, Outcome.FAILED, "second")

    assert [run.detail for run in log.runs(being_written=False)] == ["second", "first"]
    assert outcomes(log) == [Outcome.FAILED, Outcome.DONE]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (GuardRefused("too much"), Outcome.REFUSED),
        (StoreBusy("busy"), Outcome.SKIPPED),
        (KeyboardInterrupt(), Outcome.INTERRUPTED),
        (RuntimeError("broken"), Outcome.FAILED),
    ],
)
def test_a_run_that_raises_is_on_record_with_the_reason(
    log: RunLog, error: BaseException, outcome: Outcome
) -> None:
    with pytest.raises(type(error)), log.recording():
        raise error

    (run,) = log.runs(being_written=False)
    assert (run.outcome, run.detail, run.process) == (outcome, str(error), os.getpid())
    assert log.last_success() == ""


def test_a_run_that_found_nothing_to_do_leaves_no_line_but_the_time(
    log: RunLog, tmp_path: Path
) -> None:
    with log.recording():
        pass

    assert outcomes(log) == []
    told = datetime.fromisoformat(log.last_success())
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=5)
    os.utime(tmp_path / CHECKED, (0, 0))
    assert log.last_success() == "1970-01-01T00:00:00+00:00"


def test_a_run_is_under_way_while_the_lock_is_held_and_crashed_once_it_is_not(
    log: RunLog,
) -> None:
    finish(log)
    with log.recording() as recording:
        recording.begin()

    assert outcomes(log, being_written=True) == [Outcome.RUNNING, Outcome.DONE]
    assert outcomes(log, being_written=False) == [Outcome.CRASHED, Outcome.DONE]
    crashed = log.runs(being_written=False)[0]
    assert str(os.getpid()) in crashed.detail


def test_an_older_run_that_crashed_stays_crashed_while_another_is_under_way(log: RunLog) -> None:
    for _ in range(2):
        with log.recording() as recording:
            recording.begin()

    assert outcomes(log, being_written=True) == [Outcome.RUNNING, Outcome.CRASHED]


def test_a_run_that_was_refused_the_lock_does_not_make_its_holder_look_crashed(
    log: RunLog,
) -> None:
    with log.recording() as recording:
        recording.begin()
        with pytest.raises(StoreBusy), log.recording():
            raise StoreBusy("busy")
        assert sorted(outcomes(log, being_written=True)) == [Outcome.RUNNING, Outcome.SKIPPED]


def test_a_line_that_a_crash_cut_short_hides_no_other(log: RunLog, tmp_path: Path) -> None:
    finish(log, detail="first")
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + whole.splitlines()[0][:40])

    assert [run.detail for run in log.runs(being_written=False)] == ["first"]
    finish(log, detail="second")
    assert [run.detail for run in log.runs(being_written=False)] == ["second", "first"]


def test_the_record_does_not_grow_for_ever_and_keeps_the_newest(
    log: RunLog, tmp_path: Path
) -> None:
    for count in range(450):
        finish(log, detail=str(count))

    lines = (tmp_path / NAME).read_bytes().splitlines()
    assert len(lines) <= 402
    told = [run.detail for run in log.runs(being_written=False)]
    assert told == [str(count) for count in range(449, 449 - len(told), -1)]
    assert len(told) >= 100


def test_what_cannot_be_recorded_does_not_hide_how_a_run_ended(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "no such folder")

    with pytest.raises(RuntimeError, match="the cause"), log.recording():
        raise RuntimeError("the cause")


def test_the_next_run_is_told_as_long_as_somebody_means_to_do_it(
    log: RunLog, tmp_path: Path
) -> None:
    due = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    log.announce(due, "30 7 * * *")
    assert datetime.fromisoformat(log.next_run()) == due

    said = json.loads((tmp_path / NEXT).read_text())
    (tmp_path / NEXT).write_text(json.dumps({**said, "process": gone_process()}))
    assert log.next_run() == ""
    (tmp_path / NEXT).write_text("{")
    assert log.next_run() == ""


def test_the_next_run_of_another_user_is_told_too(
    log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler may run as a service; whoever asks may not signal it, but it is alive."""
    log.announce(datetime(2026, 3, 1, tzinfo=UTC), "15m")

    def forbidden(process: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert log.next_run() == "2026-03-01T00:00:00+00:00"


def test_the_next_run_of_another_machine_is_told_until_it_is_due(
    log: RunLog, tmp_path: Path
) -> None:
    """Whether its process lives cannot be asked from here."""
    to_come = datetime.now(UTC) + timedelta(hours=1)
    for due, told in [(to_come, True), (to_come - timedelta(hours=2), False)]:
        log.announce(due, "0 * * * *")
        said = json.loads((tmp_path / NEXT).read_text())
        elsewhere = {**said, "boot": "another", "process": gone_process()}
        (tmp_path / NEXT).write_text(json.dumps(elsewhere))
        assert (log.next_run() != "") == told


def test_a_crash_that_was_found_is_recorded_once_and_named(log: RunLog) -> None:
    finish(log)
    with log.recording() as recording:
        recording.begin()

    (crashed,) = log.settle()

    assert crashed.outcome is Outcome.CRASHED
    assert f"process {os.getpid()} on " in crashed.detail
    assert crashed.finished
    assert log.settle() == []
    assert outcomes(log, being_written=True) == [Outcome.CRASHED, Outcome.DONE]


def test_what_a_run_took_is_on_record(log: RunLog) -> None:
    with log.recording() as recording:
        recording.begin()
        recording.end(Outcome.DONE, "3 added", Effort(12.5, 1000, 20, 9.5))

    (run,) = log.runs(being_written=False)
    assert (run.seconds, run.bytes_read, run.embedded, run.embed_seconds) == (12.5, 1000, 20, 9.5)


def test_a_record_of_an_earlier_version_is_read(log: RunLog, tmp_path: Path) -> None:
    line = {"id": "ab", "started": "2026-01-01T00:00:00+00:00", "outcome": "done",
            "finished": "2026-01-01T00:01:00+00:00", "detail": "3 added", "process": 7}  # fmt: skip
    (tmp_path / NAME).write_text(json.dumps(line) + "\n")

    (run,) = log.runs(being_written=False)
    assert (run.detail, run.seconds, run.host) == ("3 added", 0.0, "")


def test_when_the_last_good_run_began_is_known_also_of_one_that_changed_nothing(
    log: RunLog,
) -> None:
    assert log.began_last() == 0.0
    before = time.time()
    with log.recording() as recording:
        recording.is_complete = True
        time.sleep(0.05)
    assert before <= log.began_last() <= time.time() - 0.05
    began = log.began_last()
    with log.recording():
        pass  # it looked at some of the roots
    assert log.began_last() == pytest.approx(began, rel=0, abs=0.001)
    with pytest.raises(RuntimeError), log.recording():
        raise RuntimeError("broken")
    assert log.began_last() == pytest.approx(began, rel=0, abs=0.001)
