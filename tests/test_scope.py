"""The time and the life of one request."""

from __future__ import annotations

import threading
import time

import pytest

from corpus.errors import DeadlineExceeded, GivenUp
from rag.scope import Scope


def test_time_that_is_over_ends_the_request() -> None:
    scope = Scope(0.02)
    scope.check()
    time.sleep(0.03)

    assert scope.remaining() < 0
    with pytest.raises(DeadlineExceeded):
        scope.check()


def test_without_a_deadline_there_is_always_time() -> None:
    scope = Scope()

    assert scope.remaining() > 1e9
    scope.check()


def test_whoever_waits_is_woken_when_the_caller_leaves() -> None:
    scope, woken = Scope(), threading.Event()
    threading.Timer(0.05, scope.cancel).start()

    with scope.ending(woken.set):
        assert woken.wait(5)

    assert scope.cancelled
    with pytest.raises(GivenUp):
        scope.check()


def test_whoever_begins_to_wait_too_late_is_woken_at_once() -> None:
    scope, woken = Scope(), threading.Event()
    scope.cancel()

    with scope.ending(woken.set):
        assert woken.is_set()


def test_who_has_stopped_waiting_is_not_woken() -> None:
    scope, woken = Scope(), threading.Event()
    with scope.ending(woken.set):
        pass
    scope.cancel()

    assert not woken.is_set()


def test_a_step_ends_with_its_time_or_with_the_whole() -> None:
    whole = Scope(10)
    with whole.within(0.5) as step:
        assert step.remaining() < 0.51
    with whole.within(60) as step:
        assert step.remaining() < 10.01
        whole.cancel()
        assert step.cancelled
