"""What a run says of itself while it goes on."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.commands.bar import Bar
from rag.commands.pace import Pace
from rag.commands.progress import Lines, progress_for
from rag.console import Console, printable
from rag.job_progress import JobProgress, line_of, parted


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


def test_after_the_last_step_nobody_knows_how_long_it_goes_on(clock: list[float]) -> None:
    running = Pace(4)
    clock[0] += 8
    running.done, running.chunks, running.tokens = 4, 40, 4000

    assert running.told() == "4 of 4, 5 chunks/s, 500 tokens/s"


def test_a_bar_names_the_folder_that_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with Bar() as bar:
        bar.stage("looking", None, "/srv/[red]\x1bdocs")

    assert "/srv/[red]\\x1bdocs" in capsys.readouterr().err


def test_a_service_is_told_of_each_stage_of_its_last_step_and_a_few_times_a_second(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_for(Console(quiet=True), watched=True) as updates:
        updates.stage("looking", None, "/srv/docs")
        updates.stage("taking in", 3)
        clock[0] += 0.1
        updates.step("a.md")
        clock[0] += 0.3
        updates.embedded(22, 2211)
        updates.step("b.md")
        updates.step("c.md")

    said, told = zip(*map(parted, capsys.readouterr().err.split("\n")), strict=True)
    assert set(said) == {""}
    assert told == (
        JobProgress("looking", 0, None, 0, 0, None, None, None),
        JobProgress("taking in", 0, 3, 0, 0, None, None, None),
        JobProgress("taking in", 1, 3, 22, 2211, 55.0, 5527.5, 0.8),
        JobProgress("taking in", 3, 3, 22, 2211, 55.0, 5527.5, None),
        None,
    )


COUNTS = st.integers(0, 2**60)
NUMBERS = st.none() | st.floats(0, allow_infinity=False, allow_nan=False)
PROGRESS = st.builds(
    JobProgress,
    stage=st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    done=COUNTS,
    total=st.none() | COUNTS,
    chunks=COUNTS,
    tokens=COUNTS,
    chunks_per_s=NUMBERS,
    tokens_per_s=NUMBERS,
    left_s=NUMBERS,
)


@given(PROGRESS)
def test_progress_comes_out_of_its_line_as_it_went_in(progress: JobProgress) -> None:
    line = line_of(progress)

    assert not {"\n", "\r"} & {*line}, "one line"
    assert parted(f"{line}\n") == ("", progress)


def test_progress_behind_a_line_without_an_end_leaves_that() -> None:
    line = line_of(TOLD)

    assert parted(f"Loading weights: 40%{line}\n") == ("Loading weights: 40%", TOLD)


TOLD = JobProgress("taking in", 12, 468, 80, 10_400, 80.1, 10_400.0, 37.5)


def update(**changes: object) -> str:
    return "\x1e" + json.dumps(asdict(TOLD) | changes)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "rag: the disk is full",
        update()[1:],
        update()[:-1],
        update() + update(),
        "\x1e",
        "\x1e[]",
        "\x1enull",
        "\x1e{}",
        update(done="12"),
        update(done=-1),
        update(done=True),
        update(total=1.5),
        update(left_s=float("nan")),
        update(left_s=float("inf")),
        update(stage=None),
        update(stage="s" * 41),
        update(stage="\udc80"),
        update(more="m" * 1000),
        "\x1e" + "[" * 499,
        "\x1e" + '{"more":' + "[" * 450 + "]" * 30,
        "\x1e" + '{"stage":' * 50,
        "\x1e" + "[" * 1_000_000,
        update().replace("12", "9" * 400),
        update().replace("37.5", "1e999"),
        update(stage="\N{REPLACEMENT CHARACTER}") + "\N{REPLACEMENT CHARACTER}",
    ],
)
def test_a_line_that_is_no_progress_stays_as_it_is(line: str) -> None:
    assert parted(f"{line}\n") == (f"{line}\n", None)


def test_no_name_of_a_file_is_taken_for_progress() -> None:
    line = f"a.md\n{update()}: not UTF-8"

    assert parted(printable(line)) == (printable(line), None)
