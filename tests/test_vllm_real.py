"""The real vLLM, on a CPU, with a model made on the spot: its words have no sense, all else has.

`make test-vllm` installs vLLM into an environment of its own and runs this. One server is
started for the whole file, which takes about a minute. ``tests/test_vllm_process.py`` has what
needs no vLLM.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from corpus.errors import GivenUp
from corpus.settings import GenerationSettings, VllmSettings, load
from rag.answerer import Answerer
from rag.api.app import create_app
from rag.api.context import Context
from rag.engines.extractive import ExtractiveEngine
from rag.engines.vllm import client
from rag.engines.vllm.address import Address
from rag.engines.vllm.events import Delta
from rag.engines.vllm.generation import Generation
from rag.engines.vllm.launch import Launch, prepare
from rag.engines.vllm.process import Status, VllmProcess
from rag.jobs import Jobs
from rag.live import LiveCorpus
from rag.scope import Scope
from tests.conftest import Workbench
from tests.serving import events_of
from tests.test_jobs import is_alive
from tests.test_server import until
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
    return prepare(GenerationSettings(model=str(model)), VllmSettings(**vllm), environ)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that is ready; nothing of it may be left when it was closed."""
    folder = tmp_path_factory.mktemp("vllm")
    model = tiny_model(folder / "model")
    adapter = tiny_adapter(folder / "adapter", model)
    narrow = {"max_requests": 8, "arguments": ("--max-num-seqs", "2")}
    launch = launch_of(model, adapters={ADAPTER: str(adapter)}, **narrow)
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
            with suppress(FileNotFoundError):  # closed meanwhile
                if (target := os.readlink(link)).startswith("socket:["):
                    inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].partition(":")[0])

    assert inodes
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    assert set(listening) <= {loopback}
    assert Path(served.launch.address.path).parent.stat().st_mode & 0o077 == 0


# ---- the engine over it --------------------------------------------------------------------------

QUESTION = "What is a chat template?"


@dataclass(frozen=True)
class Answering:
    """The whole service over the real server."""

    app: Flask
    generation: Generation
    address: Address

    def ask(self, **fields: object) -> Any:
        body = {"question": QUESTION, "max_tokens": 24, "temperature": 0, **fields}
        return self.app.test_client().post("/v1/ask", json=body)

    def answer(self, **fields: object) -> dict[str, Any]:
        response = self.ask(**fields)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.get_json()
        return found

    def explain(self) -> dict[str, Any]:
        body = {"question": QUESTION, "temperature": 0}
        found: dict[str, Any] = self.app.test_client().post("/v1/explain", json=body).get_json()
        return found

    def vllm(self, method: str, path: str, body: object = None) -> bytes:
        """What vLLM itself says."""
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.address.path)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            told = response.read()
            assert response.status == 200, told
            return told
        finally:
            connection.close()

    def running(self) -> float:
        """Requests that vLLM works on or holds in its queue, by its own metrics."""
        metrics = self.vllm("GET", "/metrics").decode()
        names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
        lines = [
            line for line in metrics.splitlines() if line.startswith(tuple(f"{n}{{" for n in names))
        ]
        assert lines
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@pytest.fixture(scope="module")
def answering(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    bench = Workbench(tmp_path_factory.mktemp("answering"))
    for path in sorted((ROOT / "corpus" / "documents").iterdir()):
        bench.write(path.name, path.read_text(encoding="utf-8"))
    bench.ingest()
    flags = {
        "store": bench.store.path,
        "answer": {"engine": "vllm"},
        "generation": {"model": str(served.model)},
        "vllm": {"urls": str(served.process.address), "adapters": {ADAPTER: str(served.adapter)}},
    }
    settings = load({}, flags)
    generation = Generation(settings)
    generation.start()
    until(lambda: not generation.problem(), 30)
    live = LiveCorpus(bench.store, bench.encoder)
    engines = [generation.engine, ExtractiveEngine()]
    answerer = Answerer(live, bench.encoder, engines, settings.retrieval)
    jobs = Jobs([sys.executable, "-c", ""])
    context = Context(answerer, live, bench.store, jobs, settings, None, generation.state)
    yield Answering(create_app(context), generation, served.process.address)
    generation.close()


def test_the_prompt_is_what_vllm_says_it_saw_and_what_it_would_have_written_itself(
    answering: Answering, served: Served
) -> None:
    told = answering.explain()
    seen = answering.vllm(
        "POST",
        "/v1/completions",
        {
            "model": str(served.model),
            "prompt": told["token_ids"],
            "max_tokens": 1,
            "return_token_ids": True,
        },
    )
    rendered = answering.vllm(
        "POST", "/tokenize", {"model": str(served.model), "messages": told["messages"]}
    )

    assert json.loads(seen)["choices"][0]["prompt_token_ids"] == told["token_ids"]
    assert json.loads(rendered)["tokens"] == told["token_ids"]


def test_the_answer_is_what_vllm_generates_for_these_tokens(
    answering: Answering, served: Served
) -> None:
    told, body = answering.explain(), answering.answer()
    raw = answering.vllm(
        "POST",
        "/v1/completions",
        {
            "model": str(served.model),
            "prompt": told["token_ids"],
            "max_tokens": 24,
            "temperature": 0,
            "stop_token_ids": [one["id"] for one in told["stops"]["ids"]],
        },
    )

    assert body["answer"].strip() == json.loads(raw)["choices"][0]["text"].strip()
    assert body["usage"]["completion_tokens"] == json.loads(raw)["usage"]["completion_tokens"]
    assert body["usage"]["prompt_tokens"] == len(told["token_ids"])
    assert body["finish_reason"] == json.loads(raw)["choices"][0]["finish_reason"]
    assert (body["engine"], body["degraded"]) == ("vllm", False)


def test_a_stream_of_the_real_engine_is_its_answer(answering: Answering) -> None:
    events = events_of(answering.ask(stream=True).text)

    text = "".join(str(data["text"]) for name, data in events if name == "token")
    assert dict(events)["done"]["answer"] == text == answering.answer()["answer"]


def test_a_stop_string_and_a_seed_reach_the_engine(answering: Answering) -> None:
    whole = answering.answer()["answer"]
    word = whole.split()[3]

    cut = answering.answer(stop=[word])

    assert cut["answer"].strip() == whole.partition(word)[0].strip()
    assert cut["finish_reason"] == "stop"
    drawn = [answering.answer(temperature=1.5, seed=seed)["answer"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_quotes_of_a_model_that_says_nonsense_are_sentences_all_the_same(
    answering: Answering,
) -> None:
    quoted = 0
    for seed in range(12):
        adapter = ADAPTER if seed % 2 else None
        drawn = {"temperature": 2, "seed": seed, "max_tokens": 80, "adapter": adapter}
        body = answering.answer(style="quotes", **drawn, question=f"{QUESTION} {seed}?")
        assert {one["verdict"] for one in body["citations"]} <= {"verbatim"}
        lines = body["answer"].split("\n") if body["citations"] else []
        assert body["citations"] or body["status"] == "abstained"
        assert len(lines) >= len(body["citations"])
        quoted += bool(body["citations"])
    assert quoted


def test_an_adapter_answers_by_name(answering: Answering) -> None:
    assert answering.answer(adapter=ADAPTER)["answer"] != answering.answer()["answer"]
    refused = answering.ask(adapter="other")
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "adapter")


@pytest.mark.parametrize("deltas", [0, 5])
def test_a_request_that_is_given_up_frees_the_engine_within_a_second(
    answering: Answering, served: Served, deltas: int
) -> None:
    """Before the first token, and in the middle."""
    told = answering.explain()
    sampling = {"max_tokens": 2000, "ignore_eos": True, "temperature": 1.0}
    asked = client.Completion(tuple(told["token_ids"]), str(served.model), sampling)
    came = threading.Semaphore(0)

    def generate(scope: Scope) -> None:
        with suppress(GivenUp):
            for _ in client.stream(served.process.address, asked, scope):
                came.release()

    def has_begun() -> bool:
        return came.acquire(blocking=False) if deltas else answering.running() >= 1

    for _ in range(5):  # a fast engine may be through before its metrics were seen to say so
        scope = Scope(60)
        thread = threading.Thread(target=generate, args=(scope,))
        thread.start()
        until(lambda: has_begun() or not thread.is_alive(), 30)  # noqa: B023
        if thread.is_alive():
            break
    assert thread.is_alive()
    for _ in range(deltas - 1):
        came.acquire()
    left = time.monotonic()
    scope.cancel()

    until(lambda: answering.running() == 0, 5)
    assert time.monotonic() - left < 1.0
    thread.join(5)


def test_more_requests_than_the_queue_holds_are_answered_extractively(
    answering: Answering,
) -> None:
    def ask(number: int) -> dict[str, Any]:
        return answering.answer(temperature=1.0, seed=number, max_tokens=400)

    bodies: list[dict[str, Any]] = []
    for burst in range(4):  # vLLM looks at its queue between two steps: a burst may slip through
        with ThreadPoolExecutor(32) as pool:
            bodies += pool.map(ask, range(32 * burst, 32 * burst + 32))
        if any(body["degraded"] for body in bodies):
            break

    engines = {body["engine"] for body in bodies}
    full = [body for body in bodies if body["degraded"]]
    assert engines == {"vllm", "extractive"}
    assert all("queue is full" in body["degraded_reason"] for body in full)
    assert answering.answer()["engine"] == "vllm"


# ---- what ends it ------------------------------------------------------------------------------


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


def test_an_engine_that_is_killed_is_started_again_and_serves(served: Served) -> None:
    before = processes(served.launch)
    engine = next(pid for pid, name in before.items() if name.startswith("VLLM::Engine"))

    os.kill(engine, signal.SIGKILL)

    becomes(served.process, Status.RESTARTING, 30)
    assert "killed or crashed" in served.process.state().reason
    becomes(served.process, Status.READY)
    assert left_of(before) == {}
    client.probe(served.process.address, str(served.model), 30)
