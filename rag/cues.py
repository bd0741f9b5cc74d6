"""What kind of thing a question asks for, and whether a sentence holds one.

English cues only: a question in another language asks for nothing in particular, and its
sentences are told apart by their words alone.
"""

from __future__ import annotations

import re
from collections.abc import Set

_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
)
_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|"
    "sixty|dozen|hundred|thousand|million|billion|half|third|quarter|once|twice|both|several|"
    "percent"
)
_REASONS = (
    "because|due to|since|so that|in order|as a result|caused?|reasons?|owing|therefore|thus|"
    "hence|to (?:avoid|prevent|ensure|allow|make|reduce|keep)"
)
_QUANTITIES = (
    "percent|percentage|number|amount|population|rate|size|age|cost|price|share|fraction|"
    "proportion|speed"
)
_PLACES = (
    "city|country|countries|state|region|place|town|location|area|continent|county|island|river"
)
_MEASURES = "many|much|old|long|far|tall|high|large|big|often|fast|deep|wide|few|likely"
_WHAT = r"\b(?:what|which) (?:\w+ ){0,4}"

_ASKS = (  # the first that matches tells the kind
    ("version", re.compile(r"\bversions?\b")),
    ("date", re.compile(rf"\bwhen\b|{_WHAT}(?:year|date|day|month|century|decade|era)\b")),
    ("number", re.compile(rf"\bhow (?:{_MEASURES})\b|{_WHAT}(?:{_QUANTITIES})\b")),
    ("name", re.compile(r"\bwho(?:m|se)?\b")),
    ("place", re.compile(rf"\bwhere\b|{_WHAT}(?:{_PLACES})\b")),
    ("reason", re.compile(r"\bwhy\b|\breason\b")),
)
_HOLDS = {
    "version": re.compile(r"(?<![\w.])v?\d+\.\d+"),
    "date": re.compile(
        rf"\b(?:1\d\d\d|20\d\d)s?\b|\b(?:{_MONTHS})\b|\bcentur(?:y|ies)\b|\b\d+ (?:BCE?|CE|AD)\b",
        re.IGNORECASE,
    ),
    "number": re.compile(rf"\d[\d.,]*|\b(?:{_NUMBERS})\b", re.IGNORECASE),
    "name": re.compile(r"(?<!^)\b[A-Z][\w'’-]*"),
    "place": re.compile(
        r"\b(?:in|at|from|to|near|of|on|throughout|across|around|between|north|south|east|west)"
        r" (?:the )?(?=[A-Z])[\w'’-]+"
    ),
    "reason": re.compile(rf"\b(?:{_REASONS})\b", re.IGNORECASE),
}


def kind_asked(question: str) -> str | None:
    """The kind of thing asked for, by the question's own words; None where they do not tell."""
    lowered = question.lower()
    return next((kind for kind, pattern in _ASKS if pattern.search(lowered)), None)


def holds(kind: str | None, sentence: str, asked: Set[str]) -> bool:
    """Whether a sentence holds a thing of that kind that the question did not name itself.

    :param asked: the question's words in lower case.
    """
    if kind is None:
        return False
    found = (match.group().lower().split()[-1] for match in _HOLDS[kind].finditer(sentence))
    return any(thing not in asked for thing in found)
