"""The state machine of the store for longer: 500 examples of 30 steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.test_store_machine import (
    DIED,
    DONE,
    NOT_WRITTEN,
    REFUSED,
    Disturbance,
    State,
    StoreMachine,
)

ENDS = {DONE: "not_hit", REFUSED: "refused", NOT_WRITTEN: "not_written", DIED: "died"}
AT_ONCE = 25  # examples; between them the time is looked at


def measure(examples: int = 500, steps: int = 30, within_s: float = inf) -> dict[str, Any]:
    """No counterexample, or what broke and the shortest example of it that was found.

    :param within_s: begin no more examples after that.
    """
    began = time.monotonic()
    counted: Counter[str] = Counter()

    class Counting(StoreMachine):
        """Counts what happened."""

        def teardown(self) -> None:
            counted["examples"] += 1
            super().teardown()

        def _run(self, act: Callable[[], None], walked: set[str]) -> bool:
            done = super()._run(act, walked)
            counted["runs" if done else "refused"] += 1
            return done

        def _adopt(self, expected: State) -> None:
            super()._adopt(expected)
            counted["states"] += 1

        def in_child(self, act: Callable[[], None], disturb: Disturbance) -> int:
            end = super().in_child(act, disturb)
            counted[ENDS[end]] += 1
            return end

    while counted["examples"] < examples and time.monotonic() < began + within_s:
        run_state_machine_as_test(
            Counting,
            settings=settings(
                max_examples=min(AT_ONCE, examples),
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    return {"steps": steps, "counterexamples": 0, **dict(sorted(counted.items()))}
