"""Several vLLM servers as one: who is asked, who is not, and how soon one is back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from corpus.errors import DeadlineExceeded, EngineFailed, EngineUnavailable, GivenUp
from rag.engines.vllm.address import Address
from rag.engines.vllm.breaker import Breaker, State
from rag.engines.vllm.client import Completion
from rag.engines.vllm.events import Delta
from rag.engines.vllm.upstream import Upstream
from rag.engines.vllm.upstreams import Upstreams, choose
from rag.scope import Scope
from tests.fake_vllm import FakeVllm

ASKED = Completion((1, 2, 3), "fake")
BACK_S = 5.0


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


def text(upstreams: Upstreams, completion: Completion = ASKED, seconds: float = 5) -> str:
    generated = upstreams.stream(completion, Scope(seconds))
    return "".join(event.text for event in generated if isinstance(event, Delta))


def watches() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith("watch ")}


def first(upstreams: Upstreams) -> None:
    """Take the first token and leave it at that."""
    stream = upstreams.stream(ASKED, Scope(5))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator


def fails(upstreams: Upstreams, kind: type[EngineFailed] = EngineFailed) -> str:
    with pytest.raises(kind) as caught:
        text(upstreams, seconds=0.2)
    return str(caught.value)


@pytest.fixture
def fakes() -> Iterator[list[FakeVllm]]:
    with ExitStack() as stack:
        yield [stack.enter_context(FakeVllm([name])) for name in "abc"]


@contextmanager
def watched(*fakes: FakeVllm) -> Iterator[Upstreams]:
    upstreams = Upstreams([fake.address for fake in fakes], patience_s=0.0)
    upstreams.start()
    try:
        yield upstreams
    finally:
        upstreams.close()


# The breaker


def test_a_breaker_opens_after_five_failures_in_a_row() -> None:
    breaker = Breaker(Clock())
    for good in [False] * 4 + [True] + [False] * 4:
        breaker.record(good=good)
    assert breaker.state is State.CLOSED
    breaker.record(good=False)
    assert breaker.state is State.OPEN


def test_a_breaker_opens_when_more_than_half_of_the_latest_twenty_failed() -> None:
    breaker = Breaker(Clock())
    for good in [True, False] * 10:
        breaker.record(good=good)
    assert breaker.state is State.CLOSED  # half of them
    breaker.record(good=False)
    assert breaker.state is State.OPEN


def test_a_few_outcomes_say_nothing_about_a_share() -> None:
    breaker = Breaker(Clock())
    for good in [False, False, True] * 3:
        breaker.record(good=good)
    assert breaker.state is State.CLOSED
    breaker.record(good=False)  # the tenth
    assert breaker.state is State.OPEN


def test_an_open_breaker_lets_one_probe_through_and_its_outcome_decides() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    assert not breaker.try_probe()
    for _ in range(5):
        breaker.record(good=False)
    assert breaker.try_probe()
    assert not breaker.try_probe()
    assert breaker.state is State.HALF_OPEN
    clock.now += 7
    breaker.probed(good=False)
    assert breaker.state is State.OPEN
    assert breaker.seconds == 7
    assert breaker.try_probe()
    breaker.probed(good=True)
    assert breaker.state is State.CLOSED
    assert breaker.seconds == 0


def test_requests_that_began_earlier_neither_close_nor_spoil_a_breaker() -> None:
    breaker = Breaker(Clock())
    for _ in range(5):
        breaker.record(good=False)
    breaker.record(good=True)
    assert breaker.state is State.OPEN
    breaker.try_probe()
    for _ in range(5):
        breaker.record(good=False)
    assert breaker.state is State.HALF_OPEN
    breaker.probed(good=True)
    for _ in range(4):
        breaker.record(good=False)
    assert breaker.state is State.CLOSED  # with a clean slate


# Who is asked


def prompts(count: int) -> list[Completion]:
    return [Completion((7, 8, number), "fake") for number in range(count)]


def test_equal_prompts_meet_the_same_server_and_others_are_spread() -> None:
    upstreams = [Upstream(Address("127.0.0.1", port)) for port in (1, 2, 3)]
    chosen = [choose(upstreams, each).address for each in prompts(300)]
    assert chosen == [choose(upstreams[::-1], each).address for each in prompts(300)]
    shares = Counter(chosen)
    assert len(shares) == 3
    assert min(shares.values()) > 60


def test_a_server_that_goes_moves_only_its_own_prompts() -> None:
    upstreams = [Upstream(Address("127.0.0.1", port)) for port in (1, 2, 3)]
    for each in prompts(300):
        before = choose(upstreams, each)
        after = choose(upstreams[:2], each)
        assert after is before or before is upstreams[2]


def test_a_favourite_that_is_busier_by_two_is_passed_over() -> None:
    upstreams = [Upstream(Address("127.0.0.1", port)) for port in (1, 2, 3)]
    favourite = choose(upstreams, ASKED)
    favourite.in_flight = 1
    assert choose(upstreams, ASKED) is favourite
    favourite.in_flight = 2
    assert choose(upstreams, ASKED) is not favourite
    for upstream in upstreams:
        upstream.in_flight += 1
    assert choose(upstreams, ASKED) is not favourite


def test_requests_under_way_are_counted_and_spread(fakes: list[FakeVllm]) -> None:
    for fake in fakes:
        fake.fault = "slow_drip"
    upstreams = Upstreams([fake.address for fake in fakes])
    streams = [upstreams.stream(ASKED, Scope(30)) for _ in range(9)]
    for stream in streams:
        next(stream)
    busy = sorted(int(str(state["in_flight"])) for state in upstreams.state())
    assert sum(busy) == 9
    assert busy[-1] - busy[0] <= 2
    for stream in streams:
        stream.close()  # type: ignore[attr-defined]  # generators, all of them
    assert [state["in_flight"] for state in upstreams.state()] == [0, 0, 0]


def test_the_more_answers_come_at_once_the_more_tokens_are_sent_together() -> None:
    with FakeVllm() as fake:
        fake.fault = "slow_drip"
        upstreams = Upstreams([fake.address])
        streams = [upstreams.stream(ASKED, Scope(30)) for _ in range(40)]
        for stream in streams:
            next(stream)
        for stream in streams:
            stream.close()  # type: ignore[attr-defined]  # generators, all of them

    asked_for = [request.get("stream_interval", 1) for request in fake.requests]
    together = [1] * 3 + [one for one in range(2, 8) for _ in range(4)] + [8] * 13
    assert asked_for == together


def test_a_server_that_is_down_is_replaced_before_the_first_token(fakes: list[FakeVllm]) -> None:
    upstreams = Upstreams([fake.address for fake in fakes[:2]])
    favourite, other = fakes[:2] if text(upstreams) == "a" else fakes[1::-1]
    for fault in ("reset_early", "503", "refuse"):
        favourite.fault = fault
        assert text(upstreams) == other.says[0]  # type: ignore[index]  # a list


def test_one_server_is_asked_once_more_and_then_no_more() -> None:
    with FakeVllm(["fine"]) as fake:
        fake.once.append("reset_early")
        assert text(Upstreams([fake.address])) == "fine"
        assert len(fake.requests) == 2
        fake.fault = "503"
        began = time.monotonic()
        assert "its queue is full" in fails(Upstreams([fake.address]), EngineUnavailable)
        assert len(fake.requests) == 4
        assert 0.02 < time.monotonic() - began < 1


@pytest.mark.parametrize("fault", ["reset", "error_event", "500", "wrong_model", "bad_json"])
def test_nothing_else_is_asked_for_again(fault: str) -> None:
    with FakeVllm() as fake:
        fake.fault = fault
        fails(Upstreams([fake.address]))
        assert len(fake.requests) == 1


def test_the_second_try_has_what_is_left_of_the_time_for_the_first_token() -> None:
    with FakeVllm() as fake:
        fake.once.append("503")
        fake.fault = "slow_first_token"
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"no token within 0\.[0-3]"):
            list(Upstreams([fake.address]).stream(ASKED, Scope(30), first_token_s=0.4))
        assert 0.3 < time.monotonic() - began < 1.4


def test_whoever_leaves_is_not_asked_for_again() -> None:
    with FakeVllm() as fake:
        fake.fault = "503"
        scope = Scope(30)
        stream = Upstreams([fake.address]).stream(ASKED, scope)
        thread = threading.Thread(target=lambda: (until(lambda: fake.finished), scope.cancel()))
        thread.start()
        with pytest.raises(GivenUp):
            list(stream)
        thread.join()
        assert len(fake.requests) == 1


# Who is not


def test_servers_that_keep_failing_are_not_waited_for() -> None:
    with FakeVllm() as fake:
        fake.fault = "hang"
        upstreams = Upstreams([fake.address], patience_s=0.0)
        for _ in range(5):
            fails(upstreams, DeadlineExceeded)
        asked = len(fake.requests)
        began = time.perf_counter()
        message = fails(upstreams, EngineUnavailable)
        assert time.perf_counter() - began < 0.01
        assert message.startswith(f"no vLLM server can be asked now: {fake.url}: the deadline")
        assert len(fake.requests) == asked
        (state,) = upstreams.state()
        assert (state["state"], state["address"]) == ("open", fake.url)
        assert "deadline" in str(state["last_error"])


def test_a_server_that_keeps_failing_leaves_its_prompts_to_the_others(
    fakes: list[FakeVllm],
) -> None:
    upstreams = Upstreams([fake.address for fake in fakes[:2]])
    bad = fakes["ab".index(text(upstreams))]
    bad.fault = "500"
    for _ in range(5):
        fails(upstreams)
    assert text(upstreams) == ("b" if bad is fakes[0] else "a")


def test_requests_that_are_refused_say_nothing_against_the_server() -> None:
    with FakeVllm(["fine"]) as fake:
        upstreams = Upstreams([fake.address])
        fake.fault = "wrong_model"
        for _ in range(10):
            fails(upstreams)
        fake.fault = ""
        assert text(upstreams) == "fine"


@pytest.mark.parametrize("fault", ["slow_first_token", "slow_drip", "429", "503"])
def test_requests_with_little_time_and_a_full_queue_say_nothing_against_the_server(
    fault: str,
) -> None:
    """Else five requests with a deadline of a millisecond would close it to everybody."""
    with FakeVllm(["fine"]) as fake:
        upstreams = Upstreams([fake.address])
        fake.fault = fault
        for _ in range(10):
            fails(upstreams)
        fake.fault = ""
        assert text(upstreams) == "fine"


def test_answers_that_were_given_or_begun_speak_for_the_server() -> None:
    with FakeVllm(["fine"]) as fake:
        upstreams = Upstreams([fake.address])
        for enough in (lambda: text(upstreams), lambda: first(upstreams)) * 3:
            fake.fault = "500"
            for _ in range(2):
                fails(upstreams)
            fake.fault = ""
            for _ in range(3):
                enough()
        assert text(upstreams) == "fine"


def test_callers_that_leave_say_nothing_against_the_server() -> None:
    with FakeVllm(["fine"]) as fake:
        upstreams = Upstreams([fake.address])
        fake.fault = "slow_first_token"
        for _ in range(10):
            scope = Scope(30)
            threading.Timer(0.02, scope.cancel).start()
            with pytest.raises(GivenUp):
                list(upstreams.stream(ASKED, scope))
        fake.fault = ""
        assert text(upstreams) == "fine"


def test_without_a_server_there_is_nothing_to_wait_for() -> None:
    upstreams = Upstreams()
    assert fails(upstreams, EngineUnavailable) == "there is no vLLM server to ask yet"
    assert not upstreams.ready()


# Looking after them


def test_what_is_served_is_learned_and_learned_anew_after_a_return() -> None:
    with FakeVllm(context=1000) as fake, watched(fake) as upstreams:
        until(upstreams.ready)
        assert upstreams.context() == 1000
        assert [model.id for model in upstreams.served()] == ["fake"]
        fake.stop()
        for _ in range(3):  # each of them two tries
            fails(upstreams, EngineUnavailable)
        assert not upstreams.ready()
        assert upstreams.context() is None
        assert upstreams.served() == ()
        fake.context, fake.model = 500, "newer"
        fake.start()
        until(upstreams.ready, BACK_S)
        assert upstreams.context() == 500
        assert [model.id for model in upstreams.served()] == ["newer"]


def test_the_shortest_context_counts_for_all() -> None:
    with (
        FakeVllm(context=900) as one,
        FakeVllm(context=700) as two,
        watched(one, two) as upstreams,
    ):
        until(lambda: upstreams.context() == 700)


def test_addresses_can_be_given_later_and_taken_away(fakes: list[FakeVllm]) -> None:
    with watched() as upstreams:
        upstreams.set([fakes[0].address])
        until(upstreams.ready)
        assert text(upstreams) == "a"
        upstreams.set([fakes[1].address])
        until(upstreams.ready)
        assert text(upstreams) == "b"
        assert [state["address"] for state in upstreams.state()] == [fakes[1].url]
        until(lambda: watches() == {f"watch {fakes[1].url}"})
    assert watches() == set()


def test_what_is_known_of_a_server_that_stays_is_kept(fakes: list[FakeVllm]) -> None:
    upstreams = Upstreams([fakes[0].address])
    fakes[0].fault = "500"
    for _ in range(5):
        fails(upstreams)
    upstreams.set([fakes[0].address, fakes[1].address])
    assert [state["state"] for state in upstreams.state()] == ["open", "closed"]
    assert text(upstreams) == "b"


def test_a_server_that_nobody_asks_is_found_to_be_down_as_well() -> None:
    with FakeVllm() as fake:
        upstream = Upstream(fake.address)
        upstream.look()
        assert upstream.is_well
        fake.fault = "refuse"
        upstream.look()
        assert upstream.usable
        assert not upstream.is_well
        for _ in range(4):
            upstream.look()
        assert not upstream.usable


def test_a_server_that_was_away_for_a_moment_may_serve_something_else() -> None:
    with FakeVllm(context=1000) as fake:
        upstream = Upstream(fake.address)
        upstream.look()
        fake.fault = "refuse"
        upstream.look()
        fake.fault, fake.context = "", 500
        upstream.look()
        assert [model.context for model in upstream.models] == [500]


def test_being_well_is_no_proof_of_generating() -> None:
    with FakeVllm() as fake, watched(fake) as upstreams:
        fake.fault = "500"  # its health page says all is well
        for _ in range(5):
            fails(upstreams)
        until(lambda: len(fake.requests) >= 7)  # two probes
        assert not upstreams.ready()


def test_a_server_is_used_again_within_five_seconds_of_its_return() -> None:
    faults = ["refuse", "hang", "500", "slow_first_token", "html"]
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeVllm(["fine"])) for _ in faults]
        all_of_them = [stack.enter_context(watched(fake)) for fake in fakes]
        for fake, fault, upstreams in zip(fakes, faults, all_of_them, strict=True):
            fake.fault = fault
            for _ in range(5):
                fails(upstreams)
            assert "can be asked now" in fails(upstreams, EngineUnavailable)
        time.sleep(0.7)  # looks are under way
        returned = time.monotonic()
        for fake in fakes:
            fake.fault = ""
        took = {}
        for fault, upstreams in zip(faults, all_of_them, strict=True):
            until(upstreams.ready, BACK_S)
            assert text(upstreams) == "fine"
            took[fault] = time.monotonic() - returned
        assert max(took.values()) < BACK_S


def test_closing_does_not_wait_for_a_server_that_hangs() -> None:
    with FakeVllm() as fake, watched(fake) as upstreams:
        fake.fault = "hang"
        until(lambda: bool(fake.asked))
        began = time.monotonic()
        upstreams.close()
        assert time.monotonic() - began < 1.5
