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
from ingest.schedule import Every, Schedule, keep, parse_cron, parse_interval, spread

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


def test_a_start_right_after_the_clock_went_forward_does_not_miss_what_was_skipped() -> None:
    """Half past two is not on the wall that night; it is due at half past three."""
    ten_past_three = datetime(2026, 3, 29, 1, 10, tzinfo=UTC)

    due = parse_cron("30 2 * * *", "Europe/Berlin").first(ten_past_three)

    assert due.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


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


# --- jitter -------------------------------------------------------------------------------------


def started(due: Schedule, start: datetime, days: int) -> list[datetime]:
    found, end = [due.first(start)], start + timedelta(days=days)
    while found[-1] < end:
        found.append(due.after(found[-1]))
    return found[:-1]


@pytest.mark.parametrize("expression", ["0 * * * *", "*/15 * * * *", "30 2 * * *"])
@pytest.mark.parametrize("jitter", ["1m", "10m", "2h"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_every_window_has_exactly_one_start_within_its_jitter(
    expression: str, jitter: str, change: datetime
) -> None:
    plain = parse_cron(expression, "Europe/Berlin")
    jittered = spread(plain, jitter, "mars /store")
    begin = change.astimezone(UTC) - timedelta(days=1)

    starts = started(jittered, begin, 3)

    windows = [jittered.window(one) for one in starts]
    assert all(earlier < later for earlier, later in pairwise(windows))
    ends = [plain.after(window).astimezone(UTC) for window in windows]
    assert ends[:-1] == windows[1:]
    for window, one, end in zip(windows, starts, ends, strict=True):
        assert window <= one < end
        assert one - window <= parse_interval(jitter).interval


def test_starts_are_spread_over_machines_stores_and_days() -> None:
    plain = parse_cron("0 6 * * *", "UTC")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    keys = [f"host{n} /srv/store" for n in range(300)]

    minutes = [spread(plain, "1h", key).first(now).minute for key in keys]

    assert {minute // 10 for minute in minutes} == set(range(6))
    assert max(minutes.count(minute) for minute in set(minutes)) < 20
    assert len({one.minute for one in started(spread(plain, "1h", "mars"), now, 20)}) > 5


def test_a_restart_between_due_time_and_start_changes_nothing() -> None:
    jittered = spread(parse_cron("0 6 * * *", "UTC"), "1h", "mars /store")
    due = datetime(2026, 1, 2, 6, tzinfo=UTC)
    start = jittered.after(due - timedelta(hours=5))
    assert due < start

    assert jittered.first(due + (start - due) / 2) == start
    assert jittered.first(start) > start + timedelta(hours=20), "it has run"


def test_a_jittered_interval_is_put_off_once_and_keeps_its_length() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    starts = {spread(parse_interval("15m"), "5m", f"host{n}").first(now) for n in range(50)}

    assert min(starts) < now + timedelta(minutes=1)
    assert now + timedelta(minutes=4) < max(starts) < now + timedelta(minutes=5)
    jittered = spread(parse_interval("15m"), "5m", "mars")
    assert jittered.after(now) == now + timedelta(minutes=15)


def test_no_jitter_is_no_change_and_a_wrong_one_is_refused() -> None:
    plain = parse_interval("15m")
    assert spread(plain, "", "mars") is plain
    with pytest.raises(SettingsError):
        spread(plain, "soon", "mars")


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


def test_a_window_that_another_process_has_seen_to_is_not_done_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, datetime(2026, 1, 1, 11, 55, tzinfo=UTC))
    asked: list[datetime] = []
    ran: list[datetime] = []

    def has_run(since: datetime) -> bool:
        asked.append(since)
        return since.hour == 13

    def job() -> None:
        ran.append(clock.now)
        if len(ran) == 2:
            clock.stopping.set()

    keep(parse_cron("0 * * * *", "UTC"), job, lambda _: None, clock.stopping, has_run)

    assert [moment.hour for moment in asked] == [12, 13, 14]
    assert [moment.hour for moment in ran] == [12, 14]


def test_a_clock_that_is_set_back_during_a_run_repeats_no_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back = [timedelta(minutes=-90), timedelta(0), timedelta(0)]
    ran, _ = kept(monkeypatch, parse_cron("0 * * * *", "UTC"), back)

    assert [moment.hour for moment in ran] == [12, 13, 14]


def test_a_clock_that_was_a_year_ahead_does_not_stop_the_runs_for_a_year(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back = [timedelta(days=-365), timedelta(0), timedelta(0)]
    ran, _ = kept(monkeypatch, parse_cron("0 * * * *", "UTC"), back)

    assert [(moment.year, moment.hour) for moment in ran] == [(2026, 12), (2025, 13), (2025, 14)]


@pytest.mark.parametrize("due", [parse_cron("0 * * * *", "UTC"), parse_interval("1h")])
def test_a_clock_that_is_set_back_during_the_wait_makes_nobody_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, due: Schedule
) -> None:
    clock = Clock(monkeypatch, datetime(2026, 1, 1, 11, 5, tzinfo=UTC))
    waited, announced, ran = [0], list[datetime](), list[datetime]()
    plain = clock.stopping.wait

    def wait(seconds: float | None = None) -> bool:
        waited[0] += 1
        if waited[0] == 3:
            clock.now -= timedelta(days=365)
        return plain(seconds)

    def job() -> None:
        ran.append(clock.now)
        if len(ran) == 2:
            clock.stopping.set()

    monkeypatch.setattr(clock.stopping, "wait", wait)
    keep(due, job, announced.append, clock.stopping)

    assert ran[-1] < datetime(2025, 1, 1, 13, 30, tzinfo=UTC)
    assert announced[-2] == ran[-1]


def test_a_clock_that_jumps_a_year_ahead_makes_up_with_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = [timedelta(days=365), timedelta(0), timedelta(0)]
    ran, _ = kept(monkeypatch, parse_cron("0 * * * *", "UTC"), ahead)

    assert [(moment.year, moment.hour) for moment in ran] == [(2026, 12), (2027, 13), (2027, 14)]
