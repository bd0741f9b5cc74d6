"""When to refresh: at an interval, or by a cron expression in a time zone.

Runs never overlap, and what was missed while one took long, or while the machine slept, is
made up for by one run and not by many. Cron arithmetic and daylight saving are croniter's:
a time that a clock change skips or repeats is due once.
"""

from __future__ import annotations

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


class Schedule(Protocol):
    """Says when the next run is due."""

    def first(self, started: datetime) -> datetime:
        """When the first run is due after a start."""

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment; both are aware."""


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
        wall = croniter(self.expression, local.replace(tzinfo=None))
        while True:
            due = self._at(wall.get_next(datetime))
            if due > moment:
                return due

    def _at(self, wall: datetime) -> datetime:
        """The first moment at which the clock on the wall shows this, or would have."""
        placed = wall.replace(tzinfo=self.zone) if self.zone else wall.astimezone()
        return placed.astimezone(UTC).astimezone(self.zone)


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
) -> None:
    """Run a job whenever it is due, until told to stop.

    :param announce: told when the next run is due, before each wait.
    """
    due = schedule.first(datetime.now(UTC))
    while True:
        announce(due)
        while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
            if stopping.wait(min(left, _LONGEST_WAIT_S)):
                return
        if stopping.is_set():
            return
        job()
        due = schedule.after(datetime.now(UTC))
