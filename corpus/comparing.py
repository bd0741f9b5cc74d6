"""How one value of a field is compared: as text, as a number, as a date.

Values are texts, as documents write them. What they are compared as follows from how both
sides are written:

* ``=``: the same text, without case; a number is the text it is written as (``1.10`` is not
  ``1.1``). A date also equals each day, month or year that it lies in: ``date = 2024-03``.
* ``<`` and the like: two numbers by their values, two dates by time, anything else never.
  Dates are ISO 8601: ``2024``, ``2024-03``, ``2024-03-05``, ``2024-03-05T10:00:00+02:00``; one that
  names no time zone is UTC. A value without day or month counts as its first; a bound
  without them is the whole of it: ``date <= 2024-03`` includes the last of March.
* Lists are kept as one text with commas, so a value is compared whole, and part by part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from corpus import globs
from corpus.where import FORMAT, ID, PATH, TITLE, Compare, Glob, Leaf, OneOf, Op, folded

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)([T ].{4,30})?)?)?", re.ASCII)
_COMMA = re.compile(r"(?<!\d),|,(?!\d)", re.ASCII)  # not that of 1,000
_PATHS = (ID, PATH)
_INSTANT = timedelta(microseconds=1)

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Span:
    """A time: from its start to before its end, both UTC."""

    start: datetime
    end: datetime

    def holds(self, other: Span) -> bool:
        """Whether the other lies in this one."""
        return self.start <= other.start and other.end <= self.end


def test_of(leaf: Leaf) -> Test:
    """Whether a value fulfils a leaf. Files are named with case, everything else is not.

    :raises corpus.globs.BadPattern: when a pattern means nothing.
    """
    if leaf.field in _PATHS:
        return _of_path(leaf)
    test = _of_text(leaf)
    if leaf.field in (TITLE, FORMAT):
        return test
    return lambda value: any(map(test, parts_of(value)))


def is_ordered(literal: str) -> bool:
    """Whether anything can be less or greater than this: a number or a date."""
    return number_of(literal) is not None or span_of(literal) is not None


def parts_of(value: str) -> list[str]:
    """A value, and the parts of it where it may be a list."""
    parts = _COMMA.split(value)
    if len(parts) == 1:
        return parts
    return [value, *filter(None, map(str.strip, parts))]


def number_of(text: str) -> Decimal | None:
    """The number that a text is, if it is one."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def span_of(text: str) -> Span | None:
    """The time that a text names in ISO 8601, if it names one."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, time = found.groups()
    try:
        if time is not None:
            return _instant(text)
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        return Span(start, _end(start, month, day))
    except (ValueError, OverflowError):  # a month 13; a time zone before the first year
        return None


def _instant(text: str) -> Span:
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Span(moment, moment + _INSTANT)


def _end(start: datetime, month: str | None, day: str | None) -> datetime:
    try:
        if day:
            return start + timedelta(days=1)
        later = start + timedelta(days=31 if month else 366)
    except OverflowError:  # the last of the last year there is: often means "for ever"
        return datetime.max.replace(tzinfo=UTC)
    return later.replace(day=1) if month else later.replace(month=1, day=1)


def _of_path(leaf: Leaf) -> Test:
    if isinstance(leaf, Glob):
        return globs.path_matcher(leaf.pattern)
    if isinstance(leaf, OneOf):
        return frozenset(leaf.values).__contains__
    return leaf.value.__eq__ if leaf.op is Op.EQUAL else _ordered(leaf)


def _of_text(leaf: Leaf) -> Test:
    if isinstance(leaf, Glob):
        matches = globs.text_matcher(folded(leaf.pattern))
        return lambda value: matches(folded(value))
    if isinstance(leaf, OneOf):
        return _equal(leaf.values)
    return _equal((leaf.value,)) if leaf.op is Op.EQUAL else _ordered(leaf)


def _equal(literals: tuple[str, ...]) -> Test:
    texts = frozenset(map(folded, literals))
    spans = [span for literal in literals if (span := span_of(literal)) is not None]

    def equals(value: str) -> bool:
        if folded(value) in texts:
            return True
        time = span_of(value) if spans else None
        return time is not None and any(span.holds(time) for span in spans)

    return equals


def _ordered(leaf: Compare) -> Test:
    number, span = number_of(leaf.value), span_of(leaf.value)
    by_number, by_time = _BY_NUMBER[leaf.op], _BY_TIME[leaf.op]

    def stands_so(value: str) -> bool:
        found = number_of(value) if number is not None else None
        if number is not None and found is not None:
            return by_number(found, number)
        time = span_of(value) if span is not None else None
        return span is not None and time is not None and by_time(time.start, span)

    return stands_so


_BY_NUMBER: dict[Op, Callable[[Decimal, Decimal], bool]] = {
    Op.LESS: lambda value, bound: value < bound,
    Op.AT_MOST: lambda value, bound: value <= bound,
    Op.GREATER: lambda value, bound: value > bound,
    Op.AT_LEAST: lambda value, bound: value >= bound,
}
_BY_TIME: dict[Op, Callable[[datetime, Span], bool]] = {
    Op.LESS: lambda value, bound: value < bound.start,
    Op.AT_MOST: lambda value, bound: value < bound.end,
    Op.GREATER: lambda value, bound: value >= bound.end,
    Op.AT_LEAST: lambda value, bound: value >= bound.start,
}
