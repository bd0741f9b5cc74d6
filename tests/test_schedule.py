"""When a refresh is due: at intervals, by the clock, and through both changes of the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from corpus.errors import SettingsError
from ingest import schedule
from ingest.schedule import Every, Schedule, keep, parse_cron, parse_interval

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)


def runs(due: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """When a scheduler whose runs take no time runs between two moments."""
    found, moment = [], due.after(start)
    while moment < end:
        found.append(moment.astimezone(BERLIN))
        moment = due.after(moment)
        assert len(found) < 10_000
    return found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15m", 900), ("1h30m", 5400), ("90s", 90), (" 2 d ", 172800), ("1h 5s", 3605), ("1s", 1)],
)
def test_intervals(text: str, seconds: int) -> None:
    assert parse_interval(text) == Every(timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "text", ["", "15", "m", "0s", "15 minutes", "-5m", "1.5h", "15m!", "1w", "9" * 30 + "d"]
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_interval(text)


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("", ""),
        ("* * * *", ""),
        ("* * * * * *", ""),
        ("61 * * * *", ""),
        ("@hourly", ""),
        ("0 0 31 2 *", ""),  # never
        ("0 * * * *", "Europe/Atlantis"),
        ("0 * * * *", "../../etc/passwd"),
        ("0 * * * *", "Europe"),
        ("0 * * * *", "x" * 300),
    ],
)
def test_what_is_no_cron_expression_or_no_zone_is_refused(expression: str, zone: str) -> None:
    with pytest.raises(SettingsError):
        parse_cron(expression, zone)


def test_an_interval_runs_at_once_and_counts_from_the_run_before() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    every = parse_interval("15m")

    assert every.first(now) == now
    assert every.after(now) == now + timedelta(minutes=15)


def test_a_restart_is_no_reason_to_run_before_the_time() -> None:
    now = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
    assert parse_cron("0 * * * *", "UTC").first(now) == datetime(2026, 1, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 2 * * *", "0 3 * * *", "30 6 * * *"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_daily_run_happens_once_a_day_through_both_changes_of_the_clock(
    expression: str, change: datetime
) -> None:
    found = runs(
        parse_cron(expression, "Europe/Berlin"),
        change - timedelta(days=3),
        change + timedelta(days=4),
    )

    days = [moment.date() for moment in found]
    assert days == [(change + timedelta(days=n)).date() for n in range(-3, 4)]
    minute, hour = expression.split()[:2]
    exact = [moment for moment in found if moment.date() != change.date()]
    assert {(moment.hour, moment.minute) for moment in exact} == {(int(hour), int(minute))}


@pytest.mark.parametrize("expression", ["0 * * * *", "*/15 * * * *"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_an_hourly_run_happens_every_hour_that_passes(expression: str, change: datetime) -> None:
    found = runs(
        parse_cron(expression, "Europe/Berlin"),
        change.astimezone(UTC) - timedelta(hours=2),
        change.astimezone(UTC) + timedelta(hours=9),
    )

    gaps = {later.astimezone(UTC) - earlier.astimezone(UTC) for earlier, later in pairwise(found)}
    assert gaps == {timedelta(hours=1) if expression[0] == "0" else timedelta(minutes=15)}


@pytest.fixture
def machine_in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_in_berlin")
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_the_zone_of_the_machine_changes_its_clock_as_a_named_one_does(change: datetime) -> None:
    span = (change - timedelta(days=2), change + timedelta(days=3))

    assert runs(parse_cron("30 6 * * *"), *span) == runs(
        parse_cron("30 6 * * *", "Europe/Berlin"), *span
    )


# --- keeping a schedule -------------------------------------------------------------------------


class Clock:
    """A clock that moves only while somebody waits for it, or works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, start: datetime) -> None:
        self.now = start
        self.stopping = threading.Event()
        clock = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # as called
                return clock.now

        def wait(seconds: float | None = None) -> bool:
            clock.now += timedelta(seconds=seconds or 0)
            return clock.stopping.is_set()

        monkeypatch.setattr(schedule, "datetime", Now)
        monkeypatch.setattr(self.stopping, "wait", wait)


def kept(
    monkeypatch: pytest.MonkeyPatch, due: Schedule, works: list[timedelta]
) -> tuple[list[datetime], list[datetime]]:
    """Start of each job and what was announced, when the jobs take this long."""
    clock = Clock(monkeypatch, datetime(2026, 1, 1, 11, 55, tzinfo=UTC))
    started: list[datetime] = []
    announced: list[datetime] = []
    left = iter(works)

    def job() -> None:
        started.append(clock.now)
        clock.now += next(left)
        if len(started) == len(works):
            clock.stopping.set()

    keep(due, job, announced.append, clock.stopping)
    return started, announced


def test_runs_come_when_they_are_due_and_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    minute = timedelta(minutes=1)
    started, announced = kept(monkeypatch, parse_cron("0 * * * *", "UTC"), [minute] * 3)

    assert [moment.strftime("%H:%M") for moment in started] == ["12:00", "13:00", "14:00"]
    assert announced[:3] == started


def test_runs_that_were_missed_are_made_up_for_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = timedelta(hours=3, minutes=10), timedelta(minutes=1)
    started, _ = kept(monkeypatch, parse_cron("0 * * * *", "UTC"), [long, short, short])

    assert [moment.strftime("%H:%M") for moment in started] == ["12:00", "16:00", "17:00"]


def test_an_interval_leaves_its_length_between_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    works = [timedelta(hours=2), timedelta(minutes=1), timedelta(0)]
    started, _ = kept(monkeypatch, parse_interval("15m"), works)

    assert [moment.strftime("%H:%M") for moment in started] == ["11:55", "14:10", "14:26"]


def test_stopping_ends_the_wait_and_runs_nothing() -> None:
    stopping, ran = threading.Event(), list[int]()
    thread = threading.Thread(
        target=keep,
        args=(parse_cron("0 0 1 1 *", "UTC"), lambda: ran.append(1), lambda _: None, stopping),
    )
    thread.start()
    stopping.set()
    thread.join(timeout=5)

    assert not thread.is_alive()
    assert ran == []


def test_a_schedule_that_is_stopped_before_it_starts_runs_nothing() -> None:
    stopping, ran = threading.Event(), list[int]()
    stopping.set()
    keep(parse_interval("1s"), lambda: ran.append(1), lambda _: None, stopping)

    assert ran == []
