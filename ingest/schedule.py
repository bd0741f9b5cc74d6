"""When to refresh: at an interval, or by a cron expression in a time zone.

Runs never overlap, and what was missed while one took long, or while the machine slept, is
made up for by one run and not by many. Cron arithmetic and daylight saving are croniter's:
a time that a clock change skips or repeats is due once. A window, from one due time to the
next, has one run: one that another process has done is not done again.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

from corpus.errors import SettingsError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INTERVAL = re.compile(r"(\d+)\s*([smhd])\s*")
_LONGEST_WAIT_S = 30.0  # so that a clock that is set, or a machine that slept, is noticed
_NOTICED = timedelta(minutes=1)
_LONGEST_SKIP = timedelta(hours=3)  # by which a clock is ever put forward

SET_BACK = timedelta(days=1)
"""A clock set back by less repeats no window; one set back by more was wrong altogether."""


class Schedule(Protocol):
    """Says when the next run is due."""

    def first(self, started: datetime) -> datetime:
        """When the first run is due after a start."""

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment; both are aware."""

    def window(self, due: datetime) -> datetime:
        """Since when a run does for the one that is due then."""


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval, counted from the run before."""

    interval: timedelta

    def first(self, started: datetime) -> datetime:
        """At once."""
        return started

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment."""
        return moment + self.interval

    def window(self, due: datetime) -> datetime:
        """Since it is due."""
        return due


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields in a time zone."""

    expression: str
    zone: ZoneInfo | None  # None: that of the machine

    def first(self, started: datetime) -> datetime:
        """Not before it is due: a restart is no reason to run."""
        return self.after(started)

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment.

        Where the expression names hours, they are those of the clock on the wall: one that a
        change repeats counts once, one that it skips is due right after. Where it runs at
        every hour, time that passes counts.
        """
        local = moment.astimezone(self.zone)
        if self.expression.split()[1].startswith("*"):
            passing: datetime = croniter(self.expression, local).get_next(datetime)
            return passing
        # From a while before: a time that was skipped is due later than the wall says.
        wall = croniter(self.expression, local.replace(tzinfo=None) - _LONGEST_SKIP)
        while True:
            due = self._at(wall.get_next(datetime))
            if due > moment.astimezone(UTC):  # two of one zone are compared by their walls
                return due

    def window(self, due: datetime) -> datetime:
        """Since it is due."""
        return due

    def _at(self, wall: datetime) -> datetime:
        """The first moment at which the clock on the wall shows this, or would have."""
        placed = wall.replace(tzinfo=self.zone) if self.zone else wall.astimezone()
        return placed.astimezone(UTC).astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class Spread:
    """Another schedule, each start put off by a part of a span that looks random.

    It follows from the key and the due time, so a restart changes nothing. A start never
    leaves its window.
    """

    schedule: Schedule
    span: timedelta
    key: str

    def first(self, started: datetime) -> datetime:
        """The first start: a window that has begun still has its own."""
        if isinstance(self.schedule, Every):
            return self._put_off(self.schedule.first(started), self.schedule.interval)
        return self.after(started)

    def after(self, moment: datetime) -> datetime:
        """The first start after a moment."""
        if isinstance(self.schedule, Every):  # counted from the run before, so spread already
            return self.schedule.after(moment)
        moment = moment.astimezone(UTC)
        due = self._due(moment - self.span)
        while (start := self._start(due)) <= moment:
            due = self._due(due)
        return start

    def window(self, due: datetime) -> datetime:
        """Since the time from which this start was put off."""
        if isinstance(self.schedule, Every):
            return self.schedule.window(due)
        due = due.astimezone(UTC)
        found = self._due(due - self.span - timedelta(seconds=1))
        while self._start(found) < due:
            found = self._due(found)
        return found

    def _due(self, moment: datetime) -> datetime:
        """In UTC, because sums and differences within a zone leave out its changes."""
        return self.schedule.after(moment).astimezone(UTC)

    def _start(self, due: datetime) -> datetime:
        return self._put_off(due, self._due(due) - due)

    def _put_off(self, due: datetime, window: timedelta) -> datetime:
        """Whole seconds, and never into the next window."""
        said = f"{self.key} {due.astimezone(UTC).isoformat('T', 'seconds')}".encode()
        part = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest()) / 2**64
        return due + timedelta(seconds=int(min(self.span, window).total_seconds() * part))


def spread(schedule: Schedule, jitter: str, key: str) -> Schedule:
    """Put off the starts of a schedule by up to the setting ``schedule.jitter``.

    :param jitter: an interval; empty for none.
    :param key: what is different wherever starts are to be: machine and store.
    :raises SettingsError: when it is no interval.
    """
    return Spread(schedule, parse_interval(jitter).interval, key) if jitter else schedule


def parse_interval(text: str) -> Every:
    """Read an interval such as ``15m``, ``1h30m`` or ``90s``.

    :raises SettingsError: when it is none, or shorter than a second.
    """
    parts = _INTERVAL.findall(text)
    if not parts or _INTERVAL.sub("", text).strip():
        raise SettingsError(f"{text!r} is not an interval; expected something like 15m or 1h30m")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if seconds < 1:
        raise SettingsError(f"the interval {text!r} is too short; expected at least 1s")
    try:
        return Every(timedelta(seconds=seconds))
    except OverflowError:
        raise SettingsError(f"the interval {text!r} is longer than any calendar") from None


def parse_cron(expression: str, zone: str = "") -> Cron:
    """Read a cron expression such as ``0 * * * *``.

    :param zone: an IANA name such as ``Europe/Berlin``; empty for that of the machine.
    :raises SettingsError: when either is not understood.
    """
    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        raise SettingsError(
            f"{expression!r} is not a cron expression; expected five fields such as '0 * * * *'"
        )
    try:
        cron = Cron(expression, ZoneInfo(zone) if zone else None)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"{zone[:60]!r} is not a time zone; expected a name such as Europe/Berlin"
        ) from error
    try:
        cron.after(datetime.now(UTC))
    except CroniterBadDateError as error:
        raise SettingsError(f"{expression!r} is never due: there is no such day") from error
    return cron


def keep(
    schedule: Schedule,
    job: Callable[[], None],
    announce: Callable[[datetime], None],
    stopping: threading.Event,
    has_run: Callable[[datetime], bool] = lambda _: False,
) -> None:
    """Run a job whenever it is due, until told to stop.

    :param announce: told when the next run is due, before each wait.
    :param has_run: whether a run since this moment is known, so that none is needed.
    """
    due = schedule.first(datetime.now(UTC))
    while (reached := _reached(schedule, due, announce, stopping)) is not None:
        if not has_run(schedule.window(reached)):
            job()
        due, reached = schedule.after(datetime.now(UTC)), reached.astimezone(UTC)
        if due <= reached < due + SET_BACK:  # the clock was set back: no window runs twice
            due = schedule.after(reached)


def _reached(
    schedule: Schedule,
    due: datetime,
    announce: Callable[[datetime], None],
    stopping: threading.Event,
) -> datetime | None:
    """Wait until it is due. None when told to stop; another time when the clock is set back."""
    announce(due)
    before = now = datetime.now(UTC)
    while (left := (due - now).total_seconds()) > 0:
        if now < before - _NOTICED:
            due = min(due, schedule.after(now))
            announce(due)
        if stopping.wait(min(left, _LONGEST_WAIT_S)):
            return None
        before, now = now, datetime.now(UTC)
    return None if stopping.is_set() else due
