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

Reading = tuple[str, ...]
"""Values that must all stand in a text: ``("10", "#7", "2025")``; ``#7`` is July."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or a date as it stands in a text."""

    text: str
    start: int
    end: int
    readings: tuple[Reading, ...]  # any of them may be meant
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


_MONTHS = "january february march april may june july august september october november december"
_ABBREVIATED = "Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec"
_MONTH = (
    rf"(?:(?i:{'|'.join(m for m in _MONTHS.split() if m not in ('march', 'may'))})"
    rf"|March|MARCH|May|MAY|{'|'.join(_ABBREVIATED.split())})\b\.?"
)
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_WORDS = {
    **{word: number for number, word in enumerate(_SMALL)},
    **{word: 10 * number for number, word in enumerate(_TENS, start=2)},
    **{word: number for number, word in enumerate(_ORDINALS, start=1)},
}
_TIMES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SUFFIXES = {"k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "tn": 12}  # $5m, 3bn
_WEAK = {"one", "first", "second"}
_UNIT_WORDS = """
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
    for line in _UNIT_WORDS.split("|")
    for name, _, words in [line.partition(":")]
    for word in words.split()
}
_WORD = "|".join(sorted([*_WORDS, *_TIMES], key=len, reverse=True))
_UNIT_AHEAD = r"(?:(?=[ -]?(?P<{}>per\ cent|[%°]?[A-Za-z]+|%)))?"
_SCAN = re.compile(
    rf"""
      (?<![\w.,:/]) (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) (?!\w)
    | (?<![\w.,:/]) (?P<first>\d\d?)(?P<mark>[/.])(?P<second>\d\d?)(?P=mark)(?P<then>\d{{4}}) (?!\w)
    | (?:(?<![\w.,:/]) (?P<before>\d\d?)(?:st|nd|rd|th)?\ (?:of\ )?)?
      \b(?P<named>{_MONTH}) (?:\ (?P<after>\d\d?)(?:st|nd|rd|th)?(?!\w|[.,:]\d))?
      (?:,?\ (?P<in>\d{{4}})(?!\w|[.,:]\d))?
    | (?<![A-Za-zÀ-ɏͰ-ӿ\d_.,:/]) (?P<sign>-(?=[\d$€£¥]))? (?:(?P<currency>[$€£¥])\ ?)?
      (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?![\d,])
        | \d{{1,3}}(?:\ \d{{3}})+(?!\d|[.,:]\d)
        | \d+(?:[.,:/]\d+)*) (?P<tail>[A-Za-z]*) (?P<moon>月)?
      (?:[ -](?P<times>hundred|thousand|million|billion|trillion)\b)? {_UNIT_AHEAD.format("unit")}
    | (?<![\w]) (?i:(?P<words>(?:{_WORD})(?:(?:-|\ and\ |\ )(?:{_WORD}))*)) (?!\w)
      {_UNIT_AHEAD.format("unit_of_words")}
    """,
    re.VERBOSE,
)


def quantities(text: str) -> list[Quantity]:
    """The numbers and dates of a text (see :func:`rag.folding.folded`), in order."""
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
        for value, weak in _spoken(re.split(r"[- ]", match["words"].lower())):
            unit = _UNITS.get((match["unit_of_words"] or "").lower())
            yield _quantity(match, [(str(value),)], unit=unit, weak=weak)


def _quantity(
    match: re.Match[str], readings: list[Reading], unit: str | None = None, *, weak: bool = False
) -> Quantity:
    return Quantity(match.group().strip(), match.start(), match.end(), tuple(readings), unit, weak)


def _date(day: str | None, month: int, year: str | None) -> Reading:
    return tuple(part for part in (_plain(day), f"#{month}", _plain(year)) if part)


def _named_date(match: re.Match[str]) -> Quantity:
    month = next(
        n
        for n, name in enumerate(_MONTHS.split(), start=1)
        if name[:3] == match["named"][:3].lower()
    )
    alone = not (match["before"] or match["after"] or match["in"])
    begins = match.string[: match.start()].rstrip(" \"'(")[-1:] in ("", ".", "!", "?", ":")
    days = tuple(day for day in (_plain(match["before"]), _plain(match["after"])) if day)
    reading = (*days, *_date(None, month, match["in"]))
    return _quantity(match, [reading], weak=alone and begins and month in (3, 5))


def _number(match: re.Match[str]) -> Iterator[Quantity]:
    """A number in digits, unless the letters after it make it part of a name."""
    tail, sign = match["tail"].lower(), match["sign"] or ""
    unit = _UNITS.get(match["currency"] or (match["unit"] or "").lower())
    if match["moon"]:
        yield _quantity(match, [(f"#{int(match['digits'])}",)] if match["digits"].isdigit() else [])
        return
    if tail == "s":
        yield _quantity(match, [(match["digits"] + "s",)])
        return
    places = _TIMES.get(match["times"] or "", 0)
    if tail in _SUFFIXES and (match["currency"] or tail in ("k", "mn", "bn", "tn")):
        places = _SUFFIXES[tail]
    elif tail in _UNITS:
        unit = unit or _UNITS[tail]
    elif tail not in ("", "st", "nd", "rd", "th"):
        return
    readings = [
        tuple(sign + _shifted(value, places) for value in one) for one in _readings(match["digits"])
    ]
    yield _quantity(match, readings, unit)


def _readings(digits: str) -> list[Reading]:
    """What a run of digits and the marks in it can mean."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        return [(digits.replace(",", ""),)]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", digits):
        return [(digits.replace(".", "").replace(",", "."),)]
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        return [(digits,), (digits.replace(".", ""),)]
    if re.fullmatch(r"\d+,\d+", digits):
        return [(digits.replace(",", "."),), tuple(digits.split(","))]
    if " " in digits:
        return [(digits.replace(" ", ""),), tuple(digits.split())]
    if re.search(r"[,/]", digits):
        return [(digits,), tuple(re.split(r"[,/]", digits))]
    return [(digits,)]


def _plain(value: str | None) -> str:
    return _shifted(value, 0) if value else ""


def _shifted(value: str, places: int) -> str:
    """A decimal times ten to the power of ``places``, without zeros that say nothing."""
    if not re.fullmatch(r"\d+(?:\.\d+)?", value):
        return value.lstrip("0")
    whole, _, fraction = value.partition(".")
    fraction = fraction.ljust(places, "0")
    whole, fraction = (whole + fraction[:places]).lstrip("0") or "0", fraction[places:]
    return f"{whole}.{fraction}" if fraction.strip("0") else whole


def _spoken(words: list[str]) -> Iterator[tuple[int, bool]]:
    """The numbers that a run of number words says, each with whether it is weak."""
    total, current = 0, None
    said: list[str] = []
    for word in [*(word for word in words if word != "and"), ""]:
        if current is not None and not _continues(current, word):
            yield total + current, len(said) == 1 and said[0] in _WEAK
            total, current, said = 0, None, []
        if word in _WORDS:
            current = (current or 0) + _WORDS[word]
        elif current is None:
            continue
        elif word == "hundred":
            current *= 100
        else:
            total, current = total + current * 10 ** _TIMES[word], 0
        said.append(word)


def _continues(current: int, word: str) -> bool:
    """Whether a word goes on with the number said so far: ``twenty`` with ``seven``."""
    if word in _TIMES:
        return word != "hundred" or 0 < current < 100
    if word not in _WORDS:
        return False
    room = 100 if current % 100 == 0 else 10 if current % 10 == 0 and current % 100 >= 20 else 0
    return 0 < _WORDS[word] < room
