"""Which one-byte code page Latin-script text was written in, told by the letters of languages.

The code pages of Latin script differ in a few dozen characters, so that statistics over bytes
confuse them: Spanish read as cp1250 is "nińo" and still looks like letters. Languages tell them
apart: no language writes á, é, í, ú and ń. Covers Latin script only; every other script is
told well by statistics, see :mod:`ingest.decoding`.
"""

from __future__ import annotations

import re
from itertools import pairwise

_LANGUAGES: tuple[str, ...] = (
    "äöüßéàêô",  # German, with its loan words
    "àâæçéèêëîïôœùûüÿ",  # French
    "áéíóúüñ",  # Spanish
    "ãáàâçéêíõóôúü",  # Portuguese
    "àèéìòùî",  # Italian
    "àèéíïòóúüç",  # Catalan
    "áéëïóöüèê",  # Dutch
    "åäöæøéüèà",  # Swedish, Danish, Norwegian, Finnish
    "áðéíóúýþæö",  # Icelandic
    "çğıöşüâîûİ",  # Turkish
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîșțşţ",  # Romanian
    "čćžšđ",  # Croatian, Slovene
    "ąčęėįšųūž",  # Lithuanian
    "āčēģīķļņšūž",  # Latvian
    "õäöüšž",  # Estonian
    "ăâđêôơưàáèéìíòóùúý\u0300\u0301\u0303\u0309\u0323",  # Vietnamese, as cp1258 splits it
)

_JOINERS = "’–—"
_SIGNS = "“”„‘‚…«»‹›•·°§©®™€£²³½¼¾±×µ¿¡ºª\xa0"
_LETTER = r"[^\W\d_]"
_PLAUSIBLE_SIGN = re.compile(f"[{_JOINERS}]|(?<!{_LETTER})[{_SIGNS}]|[{_SIGNS}](?!{_LETTER})")

CODE_PAGES: tuple[str, ...] = (
    "cp1252",
    "cp1250",
    "cp1254",
    "cp1257",
    "iso8859_2",
    "mac_roman",
    "cp850",
    "cp1258",
)
"""Latin code pages, the likeliest first: the earlier wins a tie."""


def rank(sample: bytes) -> list[tuple[float, str]]:
    """Code pages that can decode ``sample``, the best first, each with its fitness in [0, 1].

    The fitness is the share of the characters outside ASCII that one language's alphabet and
    common signs account for, for the language that accounts for most.
    """
    ranked = [
        (_fitness(text), -place, page)
        for place, page in enumerate(CODE_PAGES)
        if (text := _decoded(sample, page)) is not None
    ]
    return [(fitness, page) for fitness, _, page in sorted(ranked, reverse=True)]


def _decoded(sample: bytes, page: str) -> str | None:
    try:
        return sample.decode(page)
    except UnicodeDecodeError:
        return None


def _fitness(text: str) -> float:
    foreign = sum(c > "\x7f" for c in text)
    if not foreign:
        return 1.0
    signs = sum(1 for _ in _PLAUSIBLE_SIGN.finditer(text))
    letters = [
        c if c == "İ" else c.lower()
        for before, c in pairwise(f" {text}")
        if c > "\x7f" and not (c.isupper() and before.islower())
    ]
    explained = max(sum(c in alphabet for c in letters) for alphabet in _LANGUAGES)
    return (signs + explained) / foreign
