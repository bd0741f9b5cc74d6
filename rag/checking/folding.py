"""Text as it is compared: the same characters for what reads the same."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = str.maketrans("’‘‚‛´ʼ“”„«»″–—‒―−‐‑", "''''''" + '""""""' + "-------")
_EMPHASIS = re.compile(
    r"\*\*|__(?=\S)|(?<=\S)__"
    r"|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)"
)
_ITEM = re.compile(r"(?:[-*+•>]|#{1,6}|\d{1,2}[.)]) ")
_INITIALS = re.compile(r"(?<!\w)(?:[A-Z]\.){2,}")
_MINUS = re.compile(r"\bminus (?=\d)", re.IGNORECASE)
_DIGIT = re.compile(r"[^\D0-9]")


def folded(text: str) -> str:
    """NFKC, one kind of quote, dash and space, Western digits, U.S. as US, minus as a sign.

    Emphasis and the marker of a list item or heading are left out.
    """
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        plain = _DIGIT.sub(lambda digit: str(int(digit.group())), plain)
    if "*" in plain or "_" in plain:
        plain = _EMPHASIS.sub("", plain)
    plain = " ".join(plain.replace("`", "").split())
    plain = _INITIALS.sub(lambda initials: initials.group().replace(".", ""), plain)
    plain = _MINUS.sub("-", plain)
    item = _ITEM.match(plain)
    return plain[item.end() :] if item else plain
