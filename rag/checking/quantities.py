"""Numbers and dates of a text, so that the same one is recognised however it is written.

``1,000``, ``1 000`` and ``one thousand``; ``5.0`` and ``5``; ``3rd`` and ``third``;
``10 July 2025``, ``July 10, 2025`` and ``2025-07-10``. A number within a longer run of
digits or letters is none. A unit stays with its number where it is one of a short list, so
that 27 days are not 27 weeks. Number words and month names are English; calendars,
currencies and units are not converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rag.checking.numerals import NUMBER_WORDS, POWERS, SUFFIXES, Reading, readings, shifted, spoken


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or a date as it stands in a text."""

    text: str
    start: int
    end: int
    readings: tuple[Reading, ...]  # any may be meant; a date is ("10", "#7", "2025"), # a month
    unit: str | None = None  # of a short list, else None
    weak: bool = False  # "one", "first": counts where it stands, proves nothing where it does not

    def stands_in(self, values: Mapping[str, set[str | None]]) -> bool:
        """Whether a text with these values (see :func:`values_of`) says this one."""
        return any(
            all(value in values and self._fits(values[value]) for value in reading)
            for reading in self.readings
        )

    def _fits(self, units: set[str | None]) -> bool:
        return self.unit is None or None in units or self.unit in units


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:(?i:january|february|april|june|july|august|september|october|november|december)"
    r"|March|MARCH|May|MAY|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_WEAK = ("one", "first", "second")
_UNIT_LINES = """
    %: % percent pct percentage | day: day days | week: week weeks | month: month months
    | year: year years yr yrs | hour: hour hours hr hrs | minute: minute minutes min mins
    | second: second seconds sec secs | decade: decade decades | century: century centuries
    | km: km kilometre kilometres kilometer kilometers | m: metre metres meter meters
    | cm: cm centimetre centimetres centimeter centimeters | mile: mile miles mi
    | mm: mm millimetre millimetres millimeter millimeters | foot: foot feet ft
    | inch: inch inches | kg: kg kilogram kilograms kilo kilos | gram: gram grams
    | tonne: tonne tonnes ton tons | litre: litre litres liter liters | am: am | pm: pm
    | kb: kb kilobyte kilobytes | mb: mb megabyte megabytes | gb: gb gigabyte gigabytes
    | tb: tb terabyte terabytes | kw: kw kilowatt kilowatts | mw: mw megawatt megawatts
    | gw: gw gigawatt gigawatts | °c: °c | °f: °f
    | $: $ dollar dollars usd | €: € euro euros eur | £: £ gbp | ¥: ¥ yen jpy
"""
_UNITS = {
    word: name.strip()
    for line in _UNIT_LINES.split("|")
    for name, _, words in [line.partition(":")]
    for word in words.split()
} | {"per cent": "%"}
_UNIT_AHEAD = r"(?:(?=[ -]?(?P<{}>per\ cent|[%°]?[A-Za-z]+|%)))?"
_WORD = "|".join(NUMBER_WORDS)
_DAY = r"\d\d?(?:st|nd|rd|th)?"
_SCAN = re.compile(
    rf"""
      (?<![\w.,:/]) (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) (?!\w)
    | (?<![\w.,:/]) (?P<first>\d\d?)(?P<mark>[/.])(?P<second>\d\d?)(?P=mark)(?P<then>\d{{4}}) (?!\w)
    | (?:(?<![\w.,:/]) (?P<before>{_DAY})\ (?:of\ )?)?
      \b(?P<named>{_MONTH}) (?:\ (?P<after>{_DAY})(?!\w|[.,:]\d))?
      (?:,?\ (?P<in>\d{{4}})(?!\w|[.,:]\d))?
    | (?<![A-Za-zÀ-ɏͰ-ӿ\d_.,:/]) (?:[vV](?=\d+\.\d))? (?P<sign>-(?=[\d$€£¥]))?
      (?:(?P<currency>[$€£¥])\ ?)?
      (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?![\d,]\d)
        | \d{{1,3}}(?:\ \d{{3}})+(?!\d|[.,:]\d)
        | \d+(?:[.,:/]\d+)*) (?P<tail>[A-Za-z]*) (?P<moon>月)?
      (?:[ -](?P<times>{"|".join(POWERS)})\b)? {_UNIT_AHEAD.format("unit")}
    | (?<!\w)(?<!non-) (?i:(?P<words>(?:{_WORD})(?:(?:-|\ and\ |\ )(?:{_WORD})){{0,11}})) (?!\w)
      {_UNIT_AHEAD.format("unit_of_words")}
    """,
    re.VERBOSE,
)


def quantities(text: str) -> list[Quantity]:
    """The numbers and dates of a text (see :func:`rag.checking.folding.folded`), in order."""
    return [one for match in _SCAN.finditer(text) for one in _read(match)]


def values_of(text: str) -> dict[str, set[str | None]]:
    """Every value that stands in a text, with the units that it stands with."""
    values: dict[str, set[str | None]] = {}
    for one in quantities(text):
        for value in (value for reading in one.readings for value in reading):
            values.setdefault(value, set()).add(one.unit)
    return values


def _read(match: re.Match[str]) -> Iterator[Quantity]:
    if match["year"]:
        yield _quantity(match, [_date(match["day"], int(match["month"]), match["year"])])
    elif match["then"]:
        one, other, year = int(match["first"]), int(match["second"]), match["then"]
        dates = [_date(str(d), m, year) for d, m in ((one, other), (other, one)) if m <= 12]
        yield _quantity(match, dates or [(str(one), str(other), year)])
    elif match["named"]:
        yield _named_date(match)
    elif match["digits"]:
        yield from _number(match)
    else:
        words = re.split(r"[- ]", match["words"].lower())
        unit = _UNITS.get((match["unit_of_words"] or "").lower())
        for value, length in spoken(words):
            weak = length == 1 and words[0] in _WEAK
            yield _quantity(match, [(str(value),)], unit, weak=weak)


def _quantity(
    match: re.Match[str], meant: list[Reading], unit: str | None = None, *, weak: bool = False
) -> Quantity:
    text = match.group().strip(" .")
    if unit and (match["unit"] or match["unit_of_words"]):
        text = match.string[match.start() : max(match.end("unit"), match.end("unit_of_words"))]
    return Quantity(text, match.start(), match.end(), tuple(meant), unit, weak)


def _date(day: str | None, month: int, year: str | None) -> Reading:
    parts = (shifted(day) if day else "", f"#{month}", year or "")
    return tuple(part for part in parts if part)


def _named_date(match: re.Match[str]) -> Quantity:
    month = _MONTHS.index(match["named"][:3].lower()) + 1
    days = [day.rstrip("stndrh") for day in (match["before"], match["after"]) if day]
    alone = not days and not match["in"]
    begins = match.string[: match.start()][-4:].rstrip(" \"'(")[-1:] in ("", ".", "!", "?", ":")
    reading = (*map(shifted, days), *_date(None, month, match["in"]))
    return _quantity(match, [reading], weak=alone and begins and month in (3, 5))


def _number(match: re.Match[str]) -> Iterator[Quantity]:
    """A number in digits, unless the letters after it make it part of a name."""
    digits, tail, sign = match["digits"], match["tail"].lower(), match["sign"] or ""
    unit = _UNITS.get(match["currency"] or (match["unit"] or "").lower())
    places = POWERS.get(match["times"] or "", 0)
    if match["moon"] and not tail:
        yield _quantity(match, [(f"#{shifted(digits)}",)])
        return
    if tail == "s":  # the 1990s
        yield _quantity(match, [(digits + tail,)])
        return
    if tail in SUFFIXES and (match["currency"] or tail in ("k", "mn", "bn", "tn")):
        places = SUFFIXES[tail]
    elif tail in _UNITS:
        unit = unit or _UNITS[tail]
    elif tail not in ("", "st", "nd", "rd", "th"):
        return
    meant = [tuple(sign + shifted(value, places) for value in one) for one in readings(digits)]
    yield _quantity(match, meant, unit)
