"""The real vLLM, on a CPU, with a model made on the spot: its words have no sense, all else has.

`make test-vllm` installs vLLM into an environment of its own and runs this. One server is
started for the whole file, which takes about a minute. ``tests/test_vllm_process.py`` has what
needs no vLLM.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.settings import GenerationSettings, VllmSettings
from rag.engines.vllm import client
from rag.engines.vllm.events import Delta
from rag.engines.vllm.launch import Launch, prepare
from rag.engines.vllm.process import Status, VllmProcess
from rag.scope import Scope
from tests.test_jobs import is_alive
from tests.tiny_model import CONTEXT, tiny_adapter, tiny_model

ROOT = Path(__file__).parent.parent
BIN = Path(os.environ.get("VLLM_BIN_FOR_TESTS", ROOT / ".venv-vllm" / "bin" / "vllm"))
ADAPTER = "odd"
START_S = 300  # on a busy machine; 40 s on a free one

pytestmark = pytest.mark.skipif(
    not BIN.is_file(), reason=f"there is no vLLM at {BIN}; `make test-vllm` installs it"
)


@dataclass(frozen=True)
class Served:
    """The server, and what it serves."""

    process: VllmProcess
    launch: Launch
    model: Path
    adapter: Path


def launch_of(model: Path, **settings: object) -> Launch:
    vllm = {"bin": str(BIN), "dtype": "float32", **settings}
    environ = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    return prepare(GenerationSettings(model=str(model)), VllmSettings.model_validate(vllm), environ)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that is ready; nothing of it may be left when it was closed."""
    folder = tmp_path_factory.mktemp("vllm")
    model = tiny_model(folder / "model")
    adapter = tiny_adapter(folder / "adapter", model)
    launch = launch_of(model, adapters={ADAPTER: str(adapter)})
    process = VllmProcess(launch, folder / "store" / "logs" / "vllm.log")
    process.start()
    try:
        becomes(process, Status.READY)
        yield Served(process, launch, model, adapter)
    finally:
        last = processes(launch)
        process.close()
    assert len(last) >= 4, "the tether, the server, its engine and its worker were expected"
    assert left_of(last) == {}, "closing it left processes behind"
    assert not launch.folder.exists(), "closing it left its sockets behind"


def becomes(process: VllmProcess, status: Status, seconds: float = START_S) -> None:
    end = time.monotonic() + seconds
    while (state := process.state()).status is not status:
        if state.status is Status.FAILED or time.monotonic() > end:
            pytest.fail(f"{state}\n{Path(state.log).read_text()[-5000:]}")
        time.sleep(0.1)


def processes(launch: Launch) -> dict[int, str]:
    """Every process of a launch that lives, at whatever depth, by what it calls itself.

    They share the session of the first, whose command line names the folder of the sockets;
    what they call themselves and their environment they overwrite.
    """
    sessions, living = set(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes()
            name, _, stat = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has just ended
            continue
        state, _, _, session = stat.split()[:4]
        if state != "Z":
            living[int(folder.name)] = (session, name)
        if os.fsencode(launch.folder) in said and b"rag.tether" in said:
            sessions.add(session)
    return {pid: name for pid, (session, name) in living.items() if session in sessions}


def left_of(before: dict[int, str]) -> dict[int, str]:
    """Those that still live."""
    return {pid: name for pid, name in before.items() if is_alive(pid)}


def generated(served: Served, model: str) -> list[int]:
    """The eight tokens that are likeliest after a short prompt."""
    asked = client.Completion((0, 2, 100, 200), model, {"max_tokens": 8, "temperature": 0.0})
    events = client.stream(served.process.address, asked, Scope(30))
    return [token for event in events if isinstance(event, Delta) for token in event.token_ids]


def test_it_serves_the_model_under_the_name_of_the_settings_and_its_adapter(served: Served) -> None:
    base, adapter = client.models(served.process.address, 5)

    assert (base.id, base.context, base.parent) == (str(served.model), CONTEXT, None)
    assert (adapter.id, adapter.parent) == (ADAPTER, str(served.model))


def test_it_generates_and_the_adapter_generates_something_else(served: Served) -> None:
    base, again, adapted = (
        generated(served, model) for model in (str(served.model), str(served.model), ADAPTER)
    )

    assert base == again
    assert len(base) == len(adapted) == 8
    assert base != adapted


def test_nobody_but_this_user_can_reach_it(served: Served) -> None:
    """No port of any of its processes is open to other machines, no socket to other users."""
    inodes = set()
    for pid in processes(served.launch):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if (target := os.readlink(link)).startswith("socket:["):
                inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].partition(":")[0])

    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    assert set(listening) <= {loopback}
    assert Path(served.launch.address.path).parent.stat().st_mode & 0o077 == 0


def test_an_engine_that_is_killed_is_started_again_and_serves(served: Served) -> None:
    before = processes(served.launch)
    engine = next(pid for pid, name in before.items() if name.startswith("VLLM::Engine"))

    os.kill(engine, signal.SIGKILL)

    becomes(served.process, Status.RESTARTING, 30)
    assert "killed or crashed" in served.process.state().reason
    becomes(served.process, Status.READY)
    assert left_of(before) == {}
    client.probe(served.process.address, str(served.model), 30)


def test_a_context_that_is_too_long_is_told_and_not_tried_again(tmp_path: Path) -> None:
    launch = launch_of(tiny_model(tmp_path / "model"), max_model_len=2 * CONTEXT)
    process = VllmProcess(launch, tmp_path / "vllm.log")
    process.start()
    end = time.monotonic() + 60
    while process.state().status is Status.STARTING and time.monotonic() < end:
        time.sleep(0.1)
    state = process.state()
    process.close()

    assert state.status is Status.FAILED
    assert f"has a context of {CONTEXT} tokens" in state.reason
    assert state.starts == 1
