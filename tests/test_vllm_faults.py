"""A vLLM server that fails in every way there is: each call ends in time, and says why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from corpus.errors import DeadlineExceeded, EngineBusy, EngineFailed, EngineUnavailable
from rag.engines.vllm import client
from rag.engines.vllm.client import Completion
from rag.engines.vllm.events import Delta, Event
from rag.engines.vllm.upstreams import Upstreams
from rag.scope import Scope
from tests.fake_vllm import FAULTS, FakeVllm

RUNS = 20
DEADLINE_S = 0.5
GRACE_S = 0.25

ENDS = {
    "refuse": (EngineUnavailable, "Connection refused; is it running"),
    "hang": (DeadlineExceeded, "the deadline of this request is over"),
    "slow_first_token": (DeadlineExceeded, "the deadline of this request is over"),
    "slow_drip": (DeadlineExceeded, "the deadline of this request is over"),
    "byte_drip": (DeadlineExceeded, "the deadline of this request is over"),
    "endless": (DeadlineExceeded, "the deadline of this request is over"),
    "reset_early": (EngineUnavailable, "went away before its first token: Connection reset"),
    "reset": (EngineFailed, "went away in the middle of its answer: Connection reset"),
    "no_finish": (EngineFailed, "sent an answer that ends without saying why"),
    "500": (EngineFailed, r"failed \(500\): Internal server error"),
    "429": (EngineBusy, r"its queue is full \(429\): Too many requests"),
    "503": (EngineBusy, r"its queue is full \(503\): The engine is currently busy"),
    "wrong_model": (EngineFailed, r"refuses the request \(404\): it has no model 'fake'"),
    "html": (EngineFailed, "sent text/html where .*It works!"),
    "error_body": (EngineFailed, r"failed \(500\): The engine is dead"),
    "error_event": (EngineFailed, r"failed \(500\): Internal server error"),
    "bad_utf8": (EngineFailed, "sent bytes that are not UTF-8"),
    "bad_json": (EngineFailed, "sent what is not JSON"),
    "bad_shape": (EngineFailed, "sent an event without a choice as it should be"),
    "huge_token": (EngineFailed, "sent an event of more than 1048576 bytes"),
    "wrong_prompt": (EngineFailed, "sent an answer to another prompt"),
    "aborted": (EngineFailed, "sent an answer that it gave up"),
}
SPEAKS_FIRST = {"slow_drip", "endless", "reset", "no_finish", "error_event", "huge_token"}
SPEAKS_FIRST |= {"bad_utf8", "bad_json", "bad_shape", "aborted"}

Ask = Callable[[FakeVllm, Scope], Iterator[Event]]
ASKED = Completion((1, 2, 3), "fake", {"max_tokens": 1000})


@dataclass(frozen=True)
class Ending:
    """How one call ended."""

    error: BaseException | None
    late_s: float  # after its deadline
    texts: list[str]


def directly(fake: FakeVllm, scope: Scope) -> Iterator[Event]:
    return client.stream(fake.address, ASKED, scope)


def among_servers(fake: FakeVllm, scope: Scope) -> Iterator[Event]:
    return Upstreams([fake.address]).stream(ASKED, scope)


def ended(ask: Ask, fake: FakeVllm) -> Ending:
    scope, texts = Scope(DEADLINE_S), []
    until = time.monotonic() + DEADLINE_S
    error: BaseException | None = None
    try:
        for event in ask(fake, scope):
            texts += [event.text] if isinstance(event, Delta) else []
    except BaseException as caught:
        error = caught
    return Ending(error, time.monotonic() - until, texts)


def test_every_fault_is_expected_to_end_somehow() -> None:
    assert set(ENDS) == set(FAULTS)


@pytest.mark.parametrize("ask", [directly, among_servers])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_ends_in_time_with_its_reason(fault: str, ask: Ask) -> None:
    kind, words = ENDS[fault]
    with FakeVllm() as fake, ThreadPoolExecutor(RUNS) as pool:
        fake.fault = fault
        endings = [pool.submit(ended, ask, fake) for _ in range(RUNS)]
        for ending in [each.result() for each in endings]:
            assert type(ending.error) is kind
            assert ending.late_s < GRACE_S
            assert bool(ending.texts) is (fault in SPEAKS_FIRST)
            with pytest.raises(kind, match=words):
                raise ending.error
        left = time.monotonic()
        while fake.open:
            assert time.monotonic() - left < 1, "a connection was left open"
            time.sleep(0.005)


def test_after_every_fault_the_same_server_answers_again() -> None:
    with FakeVllm(["fine"]) as fake:
        for fault in FAULTS:
            fake.fault = fault
            assert ended(directly, fake).error is not None
            fake.fault = ""
            ending = ended(directly, fake)
            assert (ending.error, ending.texts) == (None, ["fine", ""])
