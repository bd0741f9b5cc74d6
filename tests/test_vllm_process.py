"""vLLM as a process beside this one: watched, started again when that helps, never left behind.

What is started here only looks like vLLM: ``tests/test_vllm_real.py`` has the real one.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.engines.vllm import logfile
from rag.engines.vllm.address import Address
from rag.engines.vllm.launch import Launch, private_folder
from rag.engines.vllm.process import Status, Timing, VllmProcess
from rag.tether import Tethered
from tests.test_jobs import is_alive, until

QUICK = Timing(poll=0.05, answer=2, first_pause=0.1, longest_pause=5, later=60)

FAKE = '''
"""Behaves as its folder says: for each start one entry of plan.json, the last one from then on."""
import http.server, json, os, pathlib, signal, socketserver, subprocess, sys, time

folder, path = pathlib.Path(sys.argv[1]), sys.argv[2]
with (folder / "starts").open("a") as starts:
    starts.write(f"{time.time()}\\n")
number = len((folder / "starts").read_text().splitlines()) - 1
plan = json.loads((folder / "plan.json").read_text())
does = plan[min(number, len(plan) - 1)]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
(folder / f"pids{number}").write_text(f"{os.getpid()} {child.pid}")
began = time.time()
print("INFO hello from start", number, flush=True)
if does.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
time.sleep(does.get("load_s", 0))
if "says" in does:
    print(does["says"], file=sys.stderr, flush=True)
if "exit" in does:
    os._exit(does["exit"])
if "signal" in does:
    os.kill(os.getpid(), does["signal"])

class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "peer"
    def log_message(self, *args):
        pass
    def do_GET(self):
        well = time.time() - began < does.get("well_s", 999)
        body = json.dumps({"data": [{"id": "m"}]}).encode() if self.path == "/v1/models" else b""
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

def end(*_):
    child.kill()
    child.wait()
    os._exit(0)

signal.signal(signal.SIGTERM, end)
socketserver.UnixStreamServer(path, Handler).serve_forever()
'''


class Fake:
    """A program that is not vLLM, and what became of its starts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.private = folder, private_folder()
        (folder / "fake.py").write_text(FAKE)

    def launch(self, *plan: dict[str, Any]) -> Launch:
        (self.folder / "plan.json").write_text(json.dumps(plan))
        path = str(self.private / "vllm.sock")
        command = (sys.executable, str(self.folder / "fake.py"), str(self.folder), path)
        return Launch(command, dict(os.environ), Address(path=path), "m", self.private)

    def starts(self) -> list[float]:
        file = self.folder / "starts"
        return [float(line) for line in file.read_text().splitlines()] if file.exists() else []

    def pids(self, start: int) -> list[int]:
        """The program's own, and that of the process that it started."""
        file = self.folder / f"pids{start}"
        until(lambda: file.exists() and len(file.read_text().split()) == 2)
        return [int(pid) for pid in file.read_text().split()]

    def left(self) -> list[int]:
        """Of all that ever ran, what still does."""
        every = [pid for file in self.folder.glob("pids*") for pid in file.read_text().split()]
        return [int(pid) for pid in every if is_alive(int(pid))]


Keep = Callable[..., VllmProcess]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    made = Fake(tmp_path)
    yield made
    shutil.rmtree(made.private, ignore_errors=True)


@pytest.fixture
def keep(fake: Fake, tmp_path: Path) -> Iterator[Keep]:
    """Starts and supervises; closed at the end of the test, and nothing may be left then."""
    made: list[VllmProcess] = []

    def make(*plan: dict[str, Any], timing: Timing = QUICK, **options: Any) -> VllmProcess:
        log = tmp_path / "store" / "logs" / "vllm.log"
        made.append(VllmProcess(fake.launch(*plan), log, timing=timing, **options))
        made[-1].start()
        return made[-1]

    yield make
    for process in made:
        process.close()
    until(lambda: not fake.left(), 3)


def becomes(process: VllmProcess, status: Status) -> None:
    until(lambda: process.state().status is status)


def test_it_is_starting_until_it_answers_and_then_says_where(keep: Keep, fake: Fake) -> None:
    told: list[Address] = []

    process = keep({"load_s": 0.4}, on_ready=told.append)

    assert process.state().status is Status.STARTING
    assert told == []
    becomes(process, Status.READY)
    until(lambda: told == [process.address])
    assert time.time() - fake.starts()[0] > 0.4, "it was ready before it answered"
    assert process.state().reason == ""
    assert process.state().starts == 1


def test_starting_it_blocks_nobody(keep: Keep) -> None:
    began = time.monotonic()

    keep({"load_s": 5})

    assert time.monotonic() - began < 0.5


def test_a_process_that_is_killed_is_started_again_and_its_reason_told(
    keep: Keep, fake: Fake
) -> None:
    process = keep({}, {"load_s": 0.5})
    becomes(process, Status.READY)

    os.kill(fake.pids(0)[0], signal.SIGKILL)

    becomes(process, Status.RESTARTING)
    assert "killed" in process.state().reason
    becomes(process, Status.READY)
    assert process.state().starts == 2
    assert not is_alive(fake.pids(0)[1]), "what the killed process had started lives on"


def test_the_pauses_between_starts_grow_and_begin_anew_after_a_steady_while(
    keep: Keep, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    broken, works = {"says": "RuntimeError: no", "exit": 1}, {}
    timing = Timing(poll=0.05, first_pause=0.2, longest_pause=0.8, steady=0.3)
    process = keep(broken, broken, broken, broken, works, works, timing=timing)
    becomes(process, Status.READY)
    time.sleep(0.6)  # steady

    os.kill(fake.pids(4)[0], signal.SIGKILL)
    until(lambda: len(fake.starts()) == 6)

    told = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert told == [0.2, 0.4, 0.8, 0.8, 0.2]
    for pause, (earlier, later) in zip(told, itertools.pairwise(fake.starts()), strict=True):
        assert later - earlier >= pause


def test_what_only_another_command_line_mends_is_not_tried_again(keep: Keep, fake: Fake) -> None:
    process = keep({"says": "vllm: error: unrecognized arguments: --no-such-option", "exit": 2})

    becomes(process, Status.FAILED)
    assert "--no-such-option" in process.state().reason
    time.sleep(0.6)  # several pauses

    assert len(fake.starts()) == 1


def test_what_somebody_must_mend_is_tried_again_much_later(keep: Keep, fake: Fake) -> None:
    gated = {"says": "OSError: You are trying to access a gated repo.", "exit": 1}
    process = keep(gated, {}, timing=Timing(poll=0.05, first_pause=0.01, later=1.0))

    becomes(process, Status.FAILED)
    assert "gated" in process.state().reason
    becomes(process, Status.READY)

    assert fake.starts()[1] - fake.starts()[0] >= 1.0


def test_what_ran_once_is_started_again_soon_whatever_ended_it(keep: Keep, fake: Fake) -> None:
    process = keep({}, {})
    becomes(process, Status.READY)
    with Path(process.state().log).open("a") as log:
        log.write("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n")

    os.kill(fake.pids(0)[0], signal.SIGTERM)

    until(lambda: process.state().starts == 2)  # not after 60 s
    becomes(process, Status.READY)


def test_a_process_that_lives_and_is_not_well_is_started_again(keep: Keep, fake: Fake) -> None:
    process = keep({"well_s": 1.0}, {}, timing=replace(QUICK, unwell=0.6))
    becomes(process, Status.READY)

    until(lambda: process.state().starts == 2)
    assert "not said that it is well" in process.state().reason
    becomes(process, Status.READY)

    assert not is_alive(fake.pids(0)[0])


def test_it_can_be_asked_to_start_again(keep: Keep, fake: Fake) -> None:
    process = keep({}, {"load_s": 0.5})
    becomes(process, Status.READY)

    process.restart("it generates nothing")

    becomes(process, Status.RESTARTING)
    assert process.state().reason == "it generates nothing"
    becomes(process, Status.READY)
    assert not is_alive(fake.pids(0)[0])


def test_closing_ends_it_and_what_it_started_and_removes_its_sockets(
    keep: Keep, fake: Fake
) -> None:
    process = keep({})
    becomes(process, Status.READY)

    process.close()

    assert fake.left() == []
    assert process.state().status is Status.STOPPED
    assert not fake.private.exists()
    time.sleep(0.3)
    assert len(fake.starts()) == 1, "it was started again after it was closed"


def test_closing_does_not_wait_for_a_start(keep: Keep, fake: Fake) -> None:
    process = keep({"load_s": 60})
    fake.pids(0)
    began = time.monotonic()

    process.close()

    assert time.monotonic() - began < 5
    assert fake.left() == []


def test_closing_what_was_never_started_removes_its_sockets(fake: Fake, tmp_path: Path) -> None:
    process = VllmProcess(fake.launch({}), tmp_path / "vllm.log")

    process.close()

    assert process.state().status is Status.STOPPED
    assert not fake.private.exists()


def test_what_does_not_heed_its_end_is_killed(keep: Keep, fake: Fake) -> None:
    process = keep({"deaf": True, "load_s": 60}, timing=replace(QUICK, heed=1))
    pids = fake.pids(0)
    until(lambda: "deaf" in Path(process.state().log).read_text())
    began = time.monotonic()

    process.close()

    assert 1 <= time.monotonic() - began < 5
    assert not any(is_alive(pid) for pid in pids)


def test_nothing_is_left_behind_a_server_that_was_killed(fake: Fake, tmp_path: Path) -> None:
    launch = fake.launch({})
    program = (
        "import os, pathlib, sys, time\n"
        "from rag.engines.vllm.address import Address\n"
        "from rag.engines.vllm.launch import Launch\n"
        "from rag.engines.vllm.process import VllmProcess\n"
        f"folder = pathlib.Path({str(launch.folder)!r})\n"
        f"address = Address(path={launch.address.path!r})\n"
        f"launch = Launch({launch.command!r}, dict(os.environ), address, 'm', folder)\n"
        f"process = VllmProcess(launch, pathlib.Path({str(tmp_path / 'vllm.log')!r}))\n"
        "process.start()\n"
        "time.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: len(fake.starts()) == 1)
    pids = fake.pids(0)
    assert all(is_alive(pid) for pid in pids)

    server.kill()
    server.wait()

    until(lambda: not any(is_alive(pid) for pid in pids))


def test_its_log_is_kept_and_that_of_the_start_before(keep: Keep) -> None:
    process = keep({"says": "RuntimeError: the first is broken", "exit": 1}, {})
    becomes(process, Status.READY)
    log = Path(process.state().log)

    assert log.read_text().startswith("INFO hello from start 1\n")
    assert "the first is broken" in log.with_name("vllm.log.1").read_text()
    assert log.parts[-3:] == ("store", "logs", "vllm.log")


def test_a_log_that_grows_large_is_put_aside_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "LARGEST", 1000)
    log = logfile.LogFile(tmp_path / "logs" / "vllm.log")
    log.begin()
    with log.path.open("ab") as writer:
        writer.write(b"x" * 1001)
        writer.flush()
        log.limit()
        writer.write(b"later\n")

    assert log.path.read_bytes() == b"later\n"
    assert (tmp_path / "logs" / "vllm.log.1").read_bytes() == b"x" * 1001


def test_a_log_that_cannot_be_written_is_a_reason_and_not_the_end(
    fake: Fake, tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    process = VllmProcess(fake.launch({}), tmp_path / "logs" / "vllm.log", timing=QUICK)
    process.start()
    becomes(process, Status.RESTARTING)
    assert "cannot be started" in process.state().reason

    (tmp_path / "logs").unlink()

    becomes(process, Status.READY)
    process.close()


def test_whoever_is_told_and_fails_does_not_end_the_watch(
    keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_address: Address) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.CRITICAL):
        process = keep({}, on_ready=fail)
        becomes(process, Status.READY)
        process.restart("to see whether it is still watched")
        until(lambda: process.state().starts == 2)


def test_a_tethered_command_says_what_it_says_into_a_file_at_its_own_priority(
    tmp_path: Path,
) -> None:
    output = tmp_path / "said"
    output.write_text("before\n")
    code = "import os, sys; print(os.nice(0), os.environ['A']); print('no', file=sys.stderr)"
    command = [sys.executable, "-u", "-c", code]

    tethered = Tethered(command, nice=0, output=output, environment={**os.environ, "A": "b"})

    assert tethered.wait() == (0, "", "")
    assert tethered.poll() == 0
    assert output.read_text() == f"before\n{os.nice(0)} b\nno\n"
