"""What a run says of itself while it goes on."""

from __future__ import annotations

import pytest

from rag.commands.pace import Pace
from rag.commands.progress import Lines
from rag.console import Console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_the_pace_of_a_run_in_words(clock: list[float]) -> None:
    running = Pace(468)
    assert running.told() == "0 of 468"

    clock[0] += 10
    running.done, running.chunks, running.tokens = 117, 805, 104_321

    assert running.told() == "117 of 468, 80 chunks/s, 10,432 tokens/s, 30 s left"


def test_a_line_every_ten_seconds_where_there_is_no_terminal(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(Console())
    lines.stage("taking in", 4)
    lines.step("a.md")
    clock[0] += 11
    lines.embedded(22, 2200)
    lines.step("b.md")

    assert capsys.readouterr().err == ("taking in: 2 of 4, 2 chunks/s, 200 tokens/s, 11 s left\n")
