"""What digits and number words are worth, as text: the same value is the same string.

Values are strings because digits can be of any length and nothing is computed with them
but a shift of the decimal point. Number words are English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Reading = tuple[str, ...]
"""Values that are all meant: ``("12", "300")``."""

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_WORDS = {
    **{word: number for number, word in enumerate(_SMALL.split())},
    **{word: 10 * number for number, word in enumerate(_TENS.split(), start=2)},
    **{word: number for number, word in enumerate(_ORDINALS.split(), start=1)},
}
POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
"""Words that multiply, and by which power of ten."""

SUFFIXES = {"k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "tn": 12}
"""The same as letters: $5m, 3bn."""

NUMBER_WORDS = sorted([*_WORDS, *POWERS], key=len, reverse=True)
"""All words that numbers are said with, the longest first."""


def shifted(value: str, places: int = 0) -> str:
    """A decimal times ten to the power of ``places``, without zeros that say nothing."""
    if not re.fullmatch(r"\d+(?:\.\d+)?", value):
        return value.lstrip("0")
    whole, _, fraction = value.partition(".")
    fraction = fraction.ljust(places, "0")
    whole, fraction = (whole + fraction[:places]).lstrip("0") or "0", fraction[places:]
    return f"{whole}.{fraction}" if fraction.strip("0") else whole


def readings(digits: str) -> list[Reading]:
    """What digits and the marks between them can mean: ``1,000``, ``1.000``, ``3,5``, ``1/2``."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        return [(digits.replace(",", ""),)]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", digits):
        return [(digits.replace(".", "").replace(",", "."),)]
    found: list[Reading] = [(re.sub(r"^(\d+),(\d+)$", r"\1.\2", digits).replace(" ", ""),)]
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        found.append((digits.replace(".", ""),))
    if re.search(r"[ ,/]", digits):
        found.append(tuple(re.split(r"[ ,/]", digits)))
    return found


def spoken(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The numbers that a run of number words says, and how many words each of them has."""
    total, current, length = 0, -1, 0
    for word in [*(word for word in words if word != "and"), ""]:
        if current >= 0 and not _continues(current, word):
            yield total + current, length
            total, current, length = 0, -1, 0
        if word in _WORDS:
            current = max(current, 0) + _WORDS[word]
        elif current < 0:
            continue
        elif word == "hundred":
            current *= 100
        else:
            total, current = total + current * 10 ** POWERS[word], 0
        length += 1


def _continues(current: int, word: str) -> bool:
    """Whether a word goes on with the number said so far: ``twenty`` with ``seven``."""
    if word in POWERS:
        return word != "hundred" or 0 < current < 100
    if word not in _WORDS:
        return False
    room = 100 if current % 100 == 0 else 10 if current % 10 == 0 and current % 100 >= 20 else 0
    return 0 < _WORDS[word] < room
