"""Refreshes as processes: one at a time, their end told truly, nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus import memory
from corpus.errors import JobRunning, OutOfMemory, UnknownJob
from corpus.runs import Outcome, RunLog
from corpus.settings import ServeSettings, Settings
from rag.commands.keeping import is_between
from rag.job_progress import JobProgress, line_of
from rag.jobs import Job, Jobs, JobStatus, jobs_of, refresh_command
from rag.schedule import Schedule, schedule_of
from tests.conftest import Workbench

Start = Callable[[str], Jobs]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def start() -> Iterator[Start]:
    """Jobs that run a piece of Python; closed at the end of the test."""
    made: list[Jobs] = []

    def make(code: str) -> Jobs:
        made.append(Jobs(python(code)))
        return made[-1]

    yield make
    for jobs in made:
        jobs.close()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.get(job.id).status is not JobStatus.RUNNING)
    return jobs.get(job.id)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_job_that_ends_well_carries_what_the_command_printed(start: Start) -> None:
    jobs = start("import json; print(json.dumps({'snapshot': 'ab', 'added': 3}, indent=2))")

    job = ended(jobs, jobs.start())

    assert (job.status, job.exit_code, job.error) == (JobStatus.DONE, 0, None)
    assert job.result == {"snapshot": "ab", "added": 3}
    assert job.finished is not None
    assert job.finished >= job.started


@pytest.mark.parametrize(
    ("code", "status"),
    [(0, "done"), (3, "done"), (4, "refused"), (1, "failed"), (2, "failed"), (130, "failed")],
)
def test_the_exit_code_of_the_command_line_says_how_a_job_ended(
    start: Start, code: int, status: str
) -> None:
    jobs = start(f"import sys; print('why it did', file=sys.stderr); sys.exit({code})")

    job = ended(jobs, jobs.start())

    assert (job.status, job.exit_code) == (status, code)
    assert job.error == (None if status == "done" else "why it did")


def test_a_job_that_is_killed_has_failed_and_says_so(start: Start) -> None:
    jobs = start("import os; os.kill(os.getpid(), 9)")

    job = ended(jobs, jobs.start())

    assert (job.status, job.exit_code) == (JobStatus.FAILED, 137)
    assert job.error is not None
    assert job.error.startswith("it ended with exit code 137; signal 9: if memory ran out")


def test_a_second_job_is_refused_while_one_runs_and_names_it(start: Start) -> None:
    jobs = start("import time; time.sleep(30)")
    running = jobs.start()

    with pytest.raises(JobRunning, match=running.id) as refusal:
        jobs.start()

    assert refusal.value.job_id == running.id
    assert refusal.value.retryable


def test_a_job_that_floods_its_output_is_not_stuck(start: Start) -> None:
    jobs = start(
        "import sys; [print('x' * 1000, file=sys.stderr) for _ in range(5000)]; print('{}')"
    )

    assert ended(jobs, jobs.start()).result == {}


def test_the_last_jobs_are_kept_and_older_ones_are_unknown(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.jobs.KEPT", 2)
    jobs = start("pass")

    made = [ended(jobs, jobs.start()) for _ in range(3)]

    assert jobs.get(made[2].id) == made[2]
    with pytest.raises(UnknownJob, match="no job"):
        jobs.get(made[0].id)


def test_a_refresh_runs_at_lower_priority_than_the_answers(start: Start) -> None:
    jobs = start("import json, os; print(json.dumps({'nice': os.nice(0)}))")

    assert ended(jobs, jobs.start()).result == {"nice": min(os.nice(0) + 10, 19)}


def test_closing_ends_what_runs_and_whatever_it_started(start: Start, tmp_path: Path) -> None:
    jobs = start(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    job = jobs.start()
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    grandchild = int((tmp_path / "pid").read_text())

    jobs.close()

    assert ended(jobs, job).status is JobStatus.FAILED
    until(lambda: not is_alive(grandchild))


def test_nothing_is_left_running_behind_a_server_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL gives no chance to clean up; the tether does not need one."""
    pid_file = tmp_path / "pid"
    refresh = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    server = subprocess.Popen(
        python(
            "import sys, time\n"
            "from rag.jobs import Jobs\n"
            f"Jobs([sys.executable, '-c', {refresh!r}]).start()\n"
            "time.sleep(60)"
        )
    )
    until(lambda: pid_file.exists() and pid_file.read_text() != "")
    child = int(pid_file.read_text())
    assert is_alive(child)

    server.send_signal(signal.SIGKILL)
    server.wait()

    until(lambda: not is_alive(child))


def test_the_command_is_the_public_one() -> None:
    command = refresh_command(Path("/data/store"), "--every", "15m")

    assert command[:4] == [sys.executable, "-m", "rag", "refresh"]
    assert command[-4:] == ["--store", "/data/store", "--every", "15m"]
    assert {"--json", "--bounded"} < set(command)


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (ServeSettings(refresh_every="15m"), ["--every", "15m"]),
        (ServeSettings(refresh_cron="0 * * * *"), ["--cron", "0 * * * *"]),
    ],
)
def test_the_settings_decide_on_the_schedule(serve: ServeSettings, expected: list[str]) -> None:
    schedule = schedule_of(Settings(serve=serve))

    assert schedule is not None
    assert schedule.command[-2:] == expected


def test_without_a_schedule_in_the_settings_there_is_none() -> None:
    assert schedule_of(Settings()) is None


def test_a_scheduled_process_that_dies_is_started_again_and_meanwhile_a_problem(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    schedule = Schedule(
        python(
            f"import sys; open({str(starts)!r}, 'a').write('.')\n"
            "print('the disk is gone', file=sys.stderr); sys.exit(1)"
        ),
        first_pause_s=0.05,
    )
    schedule.start()
    try:
        until(lambda: starts.exists() and len(starts.read_text()) >= 3)
        assert "the disk is gone" in schedule.problem()
        assert "exit code 1" in schedule.problem()
    finally:
        schedule.close()
    count = len(starts.read_text())
    time.sleep(0.5)
    assert len(starts.read_text()) == count, "it was started again after it was closed"


def test_a_scheduled_process_that_lives_is_no_problem_and_ends_with_the_schedule(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    schedule = Schedule(python(code))
    schedule.start()
    until(lambda: pid_file.exists() and pid_file.read_text() != "")

    assert schedule.problem() == ""
    schedule.close()

    until(lambda: not is_alive(int(pid_file.read_text())))


def test_the_exit_codes_here_are_those_of_the_command_line() -> None:
    """A guard and the lock end with 4 there; here that is `refused`."""
    from corpus.errors import GuardRefused, StoreBusy
    from rag.cli import EXIT_CODES
    from rag.jobs import STATUS_OF_EXIT

    assert STATUS_OF_EXIT[EXIT_CODES[GuardRefused]] is JobStatus.REFUSED
    assert STATUS_OF_EXIT[EXIT_CODES[StoreBusy]] is JobStatus.REFUSED


UPDATE = line_of(JobProgress("taking in", 12, 468, 80, 10_400, 80.1, 10_400.0, 37.5))

SLOW = """
import time
from ingest import vectorising
from rag.commands import running
from tests.conftest import WordHashEncoder

class Slow(WordHashEncoder):
    def encode_chunks(self, texts):
        time.sleep(0.15)
        return super().encode_chunks(texts)

vectorising._BATCH = 4
running.DocumentEncoder = lambda _: Slow()
from rag.cli import main
main()
"""


def refreshing(bench: Workbench, program: str) -> list[str]:
    """The command of a server that is asked to refresh, carried out by a program of the test."""
    command = jobs_of(bench.settings).command
    assert command[1:3] == ["-m", "rag"]
    return [command[0], "-c", program, *command[3:]]


@pytest.fixture
def slow(bench: Workbench) -> list[str]:
    """A refresh, as the server starts it when asked, that takes two seconds for 60 files."""
    bench.write("a.txt", "What was there before.")
    bench.ingest()
    for number in range(60):
        bench.write(f"{number:02}.txt", f"What part {number} says.")
    return refreshing(bench, SLOW)


def test_whoever_watches_a_refresh_sees_how_far_it_is(bench: Workbench, slow: list[str]) -> None:
    jobs = Jobs(slow)
    job = jobs.start()
    seen: list[JobProgress | None] = [jobs.get(job.id).progress]
    while (now := jobs.get(job.id)).status is JobStatus.RUNNING:
        seen += [now.progress] if now.progress != seen[-1] else []
        time.sleep(0.01)

    assert (now.status, now.progress, now.error) == (JobStatus.DONE, None, None)
    assert now.result is not None
    assert now.result["added"] == 60
    told = [one for one in seen if one is not None]
    assert seen == [None, *told], "none before the first update only"
    taking = [one for one in told if one.stage == "taking in"]
    done = [one.done for one in taking]
    assert done == sorted(done)
    assert len({0 < number < 60 for number in done}) == 2
    assert len({*done} - {0, 60}) >= 3, "it rises while the refresh goes on"
    assert {one.total for one in taking} == {60}
    embedded = {one.chunks for one in taking if one.done == 60}
    assert len(embedded) > 1, "the model is heard of when all files are read"


def test_a_refresh_that_nobody_hears_any_more_goes_on(bench: Workbench, slow: list[str]) -> None:
    """A server that ends lets a refresh end in order: that is the tether's to say."""
    with subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as refresh:
        assert refresh.stdout is not None
        assert refresh.stderr is not None
        refresh.stderr.close()
        printed = refresh.stdout.read()

    assert refresh.returncode == 0
    assert b'"added": 60' in printed
    assert RunLog(bench.store.path).runs(being_written=False)[0].outcome is Outcome.DONE


def test_what_a_failed_job_said_is_told_without_its_progress(start: Start) -> None:
    lines = [UPDATE, "the disk", UPDATE, f"is{UPDATE}", " full", UPDATE[:40]]
    jobs = start(f"import sys; sys.stderr.write({chr(10).join(lines)!r}); sys.exit(1)")

    job = ended(jobs, jobs.start())

    assert (job.status, job.progress) == (JobStatus.FAILED, None)
    assert job.error == f"the disk\nis full\n{UPDATE[:40]}"


@pytest.mark.parametrize(
    "broken",
    [
        r"b'\x1e{'",
        r"b'\x1e' + b'[' * 5_000_000",
        r"b'\x1e{\"stage\":\"a\",\"done\":-1}'",
        r"b'\x1e\xed\xb2\x80\x1e\x1e'",
        r"b'\x00\xff\r\x1e'",
    ],
)
def test_a_broken_line_does_no_harm(start: Start, broken: str) -> None:
    jobs = start(
        "import sys, time\n"
        f"sys.stderr.buffer.write({broken} + {f'{chr(10)}{UPDATE}{chr(10)}'.encode()!r})\n"
        "sys.stderr.flush(); time.sleep(1); print('{}')"
    )

    job = jobs.start()

    until(lambda: jobs.get(job.id).progress is not None)
    assert ended(jobs, job).result == {}


def test_what_a_job_left_behind_says_nothing_of_its_progress_when_it_has_ended(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.tether.CLOSE_S", 0.1)
    said = tmp_path / "said"
    left = (
        f"import sys, time; time.sleep(1); print({UPDATE!r}, file=sys.stderr); "
        f"open({str(said)!r}, 'w').close(); time.sleep(0.5)"
    )
    jobs = start(
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', {left!r}], start_new_session=True)"
    )

    job = ended(jobs, jobs.start())
    until(said.exists)
    time.sleep(0.2)

    assert jobs.get(job.id) == job


def test_a_flood_of_progress_is_read_and_none_of_it_is_an_error(start: Start) -> None:
    jobs = start(
        f"import sys; [print({UPDATE!r}, file=sys.stderr) for _ in range(50_000)]; sys.exit(1)"
    )

    assert ended(jobs, jobs.start()).error == "it ended with exit code 1"


HUNGRY = """
import sys
from rag.commands import running
from tests.conftest import WordHashEncoder

class Hungry(WordHashEncoder):
    def encode_documents(self, texts):
        if any("feast" in text for text in texts):
            self.eaten = [bytes(20_000_000) for _ in range(100)]
        return super().encode_documents(texts)

running.DocumentEncoder = lambda _: Hungry()
from rag.cli import main
main()
"""


@pytest.fixture
def hungry(bench: Workbench) -> list[str]:
    """A refresh, as the server starts it, that needs 2 GB."""
    bench.write("a.txt", "A bite.")
    bench.ingest()
    bench.write("b.txt", "A feast.")
    return refreshing(bench, HUNGRY)


def test_a_refresh_that_needs_more_memory_than_it_may_have_fails_and_says_so(
    bench: Workbench, hungry: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_SCHEDULE__MEMORY_MB", "800")
    before = bench.store.current_id()
    jobs = Jobs(hungry)

    job = ended(jobs, jobs.start())

    assert (job.status, job.exit_code) == (JobStatus.FAILED, 1)
    assert job.error is not None
    assert "more than the 800 MB" in job.error
    assert "schedule.memory_mb" in job.error
    assert "Traceback" not in job.error
    assert "taking in" not in job.error, "of its progress there is nothing left to read"
    assert bench.store.current_id() == before
    run = RunLog(bench.store.path).runs(being_written=False)[0]
    assert run.outcome is Outcome.FAILED
    assert "schedule.memory_mb" in run.detail


def test_without_a_bound_the_same_refresh_goes_through(bench: Workbench, hungry: list[str]) -> None:
    jobs = Jobs(hungry)

    job = ended(jobs, jobs.start())

    assert job.status is JobStatus.DONE, job.error
    assert job.result is not None
    assert job.result["added"] == 1


def test_where_memory_runs_out_a_refresh_is_to_go_before_the_server(start: Start) -> None:
    code = (
        "import json\nfrom pathlib import Path\nfrom corpus import memory\nmemory.bound(None)\n"
        "print(json.dumps({'first': int(Path('/proc/self/oom_score_adj').read_text())}))"
    )
    jobs = start(code)

    result = ended(jobs, jobs.start()).result

    assert result is not None
    assert result["first"] > int(Path("/proc/self/oom_score_adj").read_text())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("std::bad_alloc"), True),
        (ImportError("a.so: failed to map segment from shared object"), True),
        (ImportError("no module named a"), False),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("something else"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_want_of_memory_is_known_by_what_libraries_say(error: Exception, told: bool) -> None:
    expected = OutOfMemory if told else type(error)
    with pytest.raises(expected) as raised, memory.errors():
        raise error
    assert isinstance(raised.value, OutOfMemory) == told


def test_a_run_of_another_process_does_for_the_window_in_which_it_began() -> None:
    """What the folders held when it began is in the corpus, whoever ran it."""
    now = time.time()
    due, ahead = datetime.fromtimestamp(now - 600, UTC), timedelta(days=1)

    assert is_between(due, now - 599, ahead)
    assert is_between(due, now + 3600, ahead), "the clock was set back an hour"
    assert not is_between(due, now - 601, ahead), "what changed before it was due is missing"
    assert not is_between(due, now + 1e7, ahead), "the clock was wrong by months then"
    assert not is_between(due, 0.0, ahead)
