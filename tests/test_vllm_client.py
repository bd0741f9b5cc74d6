"""The client of vLLM servers: what it sends, what it makes of what comes, how it leaves."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import (
    DeadlineExceeded,
    EngineBusy,
    EngineFailed,
    EngineUnavailable,
    GivenUp,
    SettingsError,
)
from rag.engines.vllm import client, events
from rag.engines.vllm.address import Address, parse
from rag.engines.vllm.client import Completion, Model
from rag.engines.vllm.events import Delta, Fault, Usage
from rag.scope import Scope
from tests.fake_vllm import FakeVllm

PROMPT = (1, 5, 9)
RUNS = 20
SOON_S = 1.0  # on a machine that has other things to do; test_vllm_faults is strict


def completion(**sampling: object) -> Completion:
    return Completion(PROMPT, "fake", sampling)


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def fake() -> Iterator[FakeVllm]:
    with FakeVllm(["Hello", " wörld"]) as fake:
        yield fake


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("http://gpu-1.lan:80/", Address("gpu-1.lan", 80)),
        ("http://[::1]:8000", Address("::1", 8000)),
        ("unix:/run/vllm.sock", Address(path="/run/vllm.sock")),
        ("unix:///run/vllm.sock", Address(path="/run/vllm.sock")),
    ],
)
def test_an_address_is_a_port_or_a_socket(text: str, address: Address) -> None:
    assert parse(text) == address
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://127.0.0.1:8000", "end TLS in front of vLLM"),
        ("http://127.0.0.1:8000/v1", "leave out '/v1'"),
        ("http://127.0.0.1:8000?key=x", "no address|leave out"),
        ("http://127.0.0.1", "no address of a server"),
        ("http://me:secret@127.0.0.1:8000", "no address|leave out"),
        ("http://127.0.0.1:99999", "ports go from 1 to 65535"),
        ("127.0.0.1:8000", "no address of a server"),
        ("http://a\r\nHost: b:80", "no address of a server"),
        ("unix:vllm.sock", "begins with one '/'"),
        ("unix://run/vllm.sock", "begins with one '/'"),
        ("unix:/" + "x" * 200, "107 bytes at most"),
        ("", "no address of a server"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse(text)


# What is sent and what comes back


def test_an_answer_comes_token_by_token_and_then_what_it_cost(fake: FakeVllm) -> None:
    assert list(client.stream(fake.address, completion(), Scope(5))) == [
        Delta("Hello", (101,)),
        Delta(" wörld", (102,)),
        Delta("", (2,), "stop"),
        Usage(3, 3),
    ]


def test_the_tokens_and_the_sampling_are_sent_as_they_are(fake: FakeVllm) -> None:
    asked = Completion(
        PROMPT,
        "fake",
        {
            "temperature": 0.5,
            "seed": None,
            "stop_token_ids": [2],
            "structured_outputs": {"regex": "a+"},
        },
        cache_salt="salt",
    )
    list(client.stream(fake.address, asked, Scope(5)))
    assert fake.requests == [
        {
            "model": "fake",
            "prompt": [1, 5, 9],
            "temperature": 0.5,
            "stop_token_ids": [2],
            "structured_outputs": {"regex": "a+"},
            "cache_salt": "salt",
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
        }
    ]


def test_sampling_cannot_change_the_form_of_the_stream(fake: FakeVllm) -> None:
    list(client.stream(fake.address, completion(stream=False, prompt="x", model="y"), Scope(5)))
    assert (fake.requests[0]["stream"], fake.requests[0]["prompt"]) == (True, [1, 5, 9])


def test_an_answer_that_is_cut_short_says_so(fake: FakeVllm) -> None:
    last = list(client.stream(fake.address, completion(max_tokens=1), Scope(5)))[-2]
    assert last == Delta("Hello", (101,), "length")


def test_a_unix_socket_does_as_well(tmp_path: Path) -> None:
    with FakeVllm(["Hi"], path=tmp_path / "vllm.sock") as fake:
        texts = [
            event.text
            for event in client.stream(fake.address, completion(), Scope(5))
            if isinstance(event, Delta)
        ]
        assert texts == ["Hi", ""]
        assert client.healthy(fake.address, 1)


def test_a_long_prompt_and_a_long_answer_arrive_whole() -> None:
    with FakeVllm([f" {number}" for number in range(5000)]) as fake:
        asked = Completion(tuple(range(30_000)), "fake", {"max_tokens": 10_000})
        generated = list(client.stream(fake.address, asked, Scope(30)))
        assert fake.requests[0]["prompt"] == list(range(30_000))
    text = "".join(event.text for event in generated if isinstance(event, Delta))
    assert text == "".join(f" {number}" for number in range(5000))
    assert generated[-1] == Usage(30_000, 5001)


def test_what_a_server_serves_can_be_asked(fake: FakeVllm) -> None:
    assert client.models(fake.address, 1) == (Model("fake", 4096, "/models/fake", None),)
    assert client.version(fake.address, 1) == "0.32.0"
    assert client.healthy(fake.address, 1)
    client.probe(fake.address, "fake", 1)
    assert fake.requests[0]["max_tokens"] == 1


def test_a_server_that_is_away_or_hangs_is_not_healthy(fake: FakeVllm) -> None:
    fake.fault = "hang"
    began = time.monotonic()
    assert not client.healthy(fake.address, 0.2)
    with pytest.raises(DeadlineExceeded):
        client.models(fake.address, 0.2)
    assert time.monotonic() - began < 0.4 + SOON_S
    fake.fault = "refuse"
    assert not client.healthy(fake.address, 1)


def test_an_unknown_model_is_refused_with_those_that_are_known(fake: FakeVllm) -> None:
    with pytest.raises(EngineFailed, match=r"no model 'other'; it serves 'fake'") as caught:
        list(client.stream(fake.address, Completion(PROMPT, "other"), Scope(5)))
    assert not caught.value.retryable


# What is not believed


def chunked(*events_: bytes) -> Callable[[int], bytes]:
    """A body that comes in these pieces."""
    pieces = iter(events_)
    return lambda _: next(pieces, b"")


def event(text: str = "a", finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish, "token_ids": [4], **more}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_events_may_be_cut_anywhere_and_hold_comments_between_them() -> None:
    body = b": keep-alive\n\n" + event("ä") + b": keep-alive\n\n" + event("b", "stop")
    whole = list(events.answer(chunked(body), PROMPT))
    assert whole == [Delta("ä", (4,)), Delta("b", (4,), "stop"), Usage(3, 2)]
    bytewise = chunked(*(body[at : at + 1] for at in range(len(body))))
    assert list(events.answer(bytewise, PROMPT)) == whole


def test_what_follows_the_last_word_cannot_spoil_an_answer() -> None:
    body = event("a", "stop") + b"data: {\n\n"
    assert list(events.answer(chunked(body), PROMPT))[-1] == Usage(3, 1)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "ends without saying why"),
        (event(), "ends without saying why"),
        (event() + b"data: [DONE]\n\n", "ends without saying why"),
        (event() + b'data: {"choices"', "breaks off"),
        (b"<html></html>\n\n", "no event: b'<html></html>'"),
        (b"data: {\xff\n\n", "not UTF-8"),
        (b"data: " + b"[" * 50_000 + b"\n\n", "not JSON"),
        (b"data: []\n\n", "no object"),
        (b"data: {}\n\n", "without a choice"),
        (b'data: {"choices": [1]}\n\n', "without a choice"),
        (b'data: {"choices": [], "usage": {"prompt_tokens": "x"}}\n\n', "without its counts"),
        (event(token_ids=["4"]), "without a choice"),
        (event(token_ids=[True]), "without a choice"),
        (event(stop_reason=1.5), "without a choice"),
        (event("\ud800"), "without a choice"),
        (event(finish="abort"), "gave up"),
        (event(prompt_token_ids=[1, 5, 8]), "another prompt .*: token 2 is 8, not 9"),
        (event(prompt_token_ids=[1, 5, 9, 9]), "another prompt .*: it has 4 tokens, not 3"),
        (event(prompt_token_ids=7), "without a choice"),
        (b"x" * 65_536, "no event|breaks off"),
    ],
)
def test_what_is_no_answer_is_told_by_what_it_is(body: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found) as caught:
        list(events.answer(chunked(body), PROMPT))
    assert len(str(caught.value)) < 250


def test_an_event_without_end_is_not_collected() -> None:
    taken = 0

    def read(most: int) -> bytes:
        nonlocal taken
        taken += most
        return b"x" * most

    with pytest.raises(ValueError, match="an event of more than 1048576 bytes"):
        list(events.answer(read, PROMPT))
    assert taken < 1_200_000


@given(st.data())
def test_whatever_comes_is_an_answer_or_is_told_to_be_none(data: st.DataObject) -> None:
    """Sound streams with bytes replaced, left out or put in, and cut anywhere."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    body = bytearray(event("ä", prompt_token_ids=[1, 5, 9]) + event("b", "stop") + usage)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.sampled_from([b"", b"\n\n", b"null", b"[]", b"{}", b"-1", b'"', b"\xff", b"1e999"])
        )
    cut = data.draw(st.integers(0, len(body)))
    try:
        *deltas, usage_ = events.answer(chunked(bytes(body[:cut]), bytes(body[cut:])), PROMPT)
    except ValueError:
        return
    assert isinstance(usage_, Usage | Fault)
    assert all(isinstance(delta, Delta) for delta in deltas)


@pytest.mark.parametrize(
    ("code", "before", "kind", "retryable"),
    [
        (400, b"", EngineFailed, False),  # as for a constraint that is no regular expression
        (503, b"", EngineBusy, True),
        (503, event(), EngineFailed, True),  # part of the answer is told already
        (500, b"", EngineFailed, True),
    ],
)
def test_an_error_inside_a_stream_is_what_its_code_says(
    code: int, before: bytes, kind: type[EngineFailed], retryable: bool
) -> None:
    error = b'data: {"error": {"message": "no", "code": %d}}\n\ndata: [DONE]\n\n' % code
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    with said(head + before + error) as address, pytest.raises(EngineFailed) as caught:
        list(client.stream(address, completion(), Scope(2)))
    assert (type(caught.value), caught.value.retryable) == (kind, retryable)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\n" * 9, b"SSH-2.0-OpenSSH_9.7\r\n", b"\0"])
def test_what_speaks_no_http_is_told_so(garbage: bytes) -> None:
    with said(garbage) as address, pytest.raises(EngineFailed, match="is it a vLLM server"):
        list(client.stream(address, completion(), Scope(2)))


def test_a_server_that_closes_at_once_is_not_there() -> None:
    with said(b"") as address, pytest.raises(EngineUnavailable, match="before its first token"):
        list(client.stream(address, completion(), Scope(2)))


# Leaving


def test_the_first_token_has_a_time_of_its_own(fake: FakeVllm) -> None:
    fake.fault = "slow_first_token"
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"sent no token within 0\.3 s"):
        list(client.stream(fake.address, completion(), Scope(30), first_token_s=0.3))
    assert time.monotonic() - began < 0.3 + SOON_S


def test_later_tokens_may_take_longer_than_the_first() -> None:
    with FakeVllm(["a"]) as fake:
        fake.pace_s = 1.1
        generated = client.stream(fake.address, completion(), Scope(30), first_token_s=1.0)
        assert len(list(generated)) == 3


def test_a_flood_ends_by_its_deadline() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    with said(head + event() * 1_000_000) as address:
        began, count = time.monotonic(), 0
        with pytest.raises(DeadlineExceeded):
            for _ in client.stream(address, completion(), Scope(0.5)):
                count += 1
        assert time.monotonic() - began < 0.5 + SOON_S
        assert count > 100


@pytest.mark.parametrize("fault", ["hang", "slow_first_token", "slow_drip", "byte_drip"])
def test_whoever_leaves_is_gone_for_the_server_within_a_second(fake: FakeVllm, fault: str) -> None:
    fake.fault = fault
    scopes = [Scope(60) for _ in range(RUNS)]

    def ask(scope: Scope) -> float:
        with pytest.raises(GivenUp):
            list(client.stream(fake.address, completion(), scope))
        return time.monotonic()

    with ThreadPoolExecutor(RUNS) as pool:
        asked = [pool.submit(ask, scope) for scope in scopes]
        until(lambda: len(fake.requests) == RUNS)
        time.sleep(0.1)  # some tokens, where there are any
        left = time.monotonic()
        for scope in scopes:
            scope.cancel()
        given_up = max(each.result() for each in asked)
    until(lambda: fake.aborted == RUNS)
    assert given_up - left < SOON_S
    assert max(fake.went_away) - left < 1
    assert fake.finished == 0


def test_a_stream_that_is_closed_early_is_gone_for_the_server_within_a_second(
    fake: FakeVllm,
) -> None:
    fake.fault = "slow_drip"
    for _ in range(RUNS):
        with closing(client.stream(fake.address, completion(), Scope(60))) as generated:
            next(generated)
    left = time.monotonic()
    until(lambda: fake.aborted == RUNS)
    assert max(fake.went_away) - left < 1


def test_a_caller_that_has_left_already_is_not_asked_for() -> None:
    with FakeVllm() as fake:
        scope = Scope(5)
        scope.cancel()
        with pytest.raises(GivenUp):
            list(client.stream(fake.address, completion(), scope))
        assert fake.requests == []


def test_no_time_left_is_no_time_to_ask(fake: FakeVllm) -> None:
    with pytest.raises(DeadlineExceeded):
        list(client.stream(fake.address, completion(), Scope(0)))
    assert fake.requests == []


def test_connecting_ends_with_the_deadline_and_with_the_caller() -> None:
    with deaf() as address:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            list(client.stream(address, completion(), Scope(0.3)))
        assert time.monotonic() - began < 0.3 + SOON_S

        scope = Scope(30)
        threading.Timer(0.2, scope.cancel).start()
        began = time.monotonic()
        with pytest.raises(GivenUp):
            list(client.stream(address, completion(), scope))
        assert time.monotonic() - began < 0.2 + SOON_S

        began = time.monotonic()
        with pytest.raises(EngineUnavailable, match="nothing came in time"):
            list(client.stream(address, completion(), Scope(30)))
        assert 1.5 < time.monotonic() - began < 2 + SOON_S


@pytest.mark.parametrize("name", ["nowhere.invalid", "no..where", "x" * 70])
def test_a_name_that_nobody_has_is_not_there(name: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"no vLLM server answers at http://{name}"):
        list(client.stream(Address(name, 80), completion(), Scope(5)))


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"unix:.*: No such file"):
        client.check(Address(path=str(tmp_path / "none.sock")), 1)


@contextmanager
def said(data: bytes) -> Iterator[Address]:
    """A server that says the same to everybody and closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked = b""
            while not asked.endswith(b"}"):
                asked += connection.recv(65_536)
            with suppress(OSError):  # who has heard enough leaves
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        thread.join()


@contextmanager
def deaf() -> Iterator[Address]:
    """A port whose queue of connections is full, so that nobody gets through."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield Address("127.0.0.1", listener.getsockname()[1])
