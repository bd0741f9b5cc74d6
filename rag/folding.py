"""Text as it is compared: the same characters for what reads the same."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = str.maketrans("’‘‚‛`´ʼ“”„«»″–—‒―−‐‑", "'''''''" + '""""""' + "-------")
_EMPHASIS = re.compile(
    r"\*\*|__(?=\S)|(?<=\S)__|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)"
)
_ITEM = re.compile(r"(?:[-*+•>]|#{1,6}|\d{1,2}[.)]) +")
_INITIALS = re.compile(r"(?<!\w)(?:[A-Z]\.){2,}")
_MINUS = re.compile(r"\bminus (?=\d)", re.IGNORECASE)
_DIGIT = re.compile(r"[^\D0-9]")
_SPACE = re.compile(r"\s+")


def folded(text: str) -> str:
    """NFKC, one kind of quote, dash and space, Western digits, no emphasis and no list marker."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    plain = _SPACE.sub(" ", _EMPHASIS.sub("", plain)).strip()
    plain = _INITIALS.sub(lambda initials: initials.group().replace(".", ""), plain)
    plain = _MINUS.sub("-", plain)
    plain = _DIGIT.sub(lambda digit: str(int(digit.group())), plain)
    return _ITEM.sub("", plain, count=1) if _ITEM.match(plain) else plain
