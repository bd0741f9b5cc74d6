"""The words of a filter: names and values, operators, brackets; each with its place.

A word is bare (anything but white space, quotes, brackets, commas and the characters of
operators) or stands in single or double quotes, in which a backslash keeps the quote, or a
backslash, as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rag.filters.refusal import Refusal

MAX_LENGTH = 2000  # characters

KEYWORDS = frozenset(("and", "or", "not", "in"))
OPERATORS = ("!=", "!~", "<=", ">=", "==", "=", "<", ">", "~")

_SPACE = re.compile(r"\s*")
_BARE = re.compile(r"""[^\s"'()=<>!~,]+""")
_QUOTED = {
    quote: re.compile(rf"{quote}((?:[^\\{quote}]|\\[\\{quote}])*){quote}") for quote in "\"'"
}
_ESCAPE = re.compile(r"\\(.)")


class Kind(StrEnum):
    """What a token is."""

    WORD = "word"
    KEYWORD = "keyword"
    OPERATOR = "operator"
    MARK = "mark"  # a bracket or a comma
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a filter, or its end."""

    kind: Kind
    text: str  # of a word what it says, of a keyword in lower case
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a filter, the last of them its end.

    :raises Refusal: when it is too long, or something in it is no token.
    """
    if len(text) > MAX_LENGTH:
        raise Refusal(
            f"it has {len(text)} characters, {MAX_LENGTH} are taken", text[:MAX_LENGTH], MAX_LENGTH
        )
    _refuse_unreadable(text)
    at = 0
    while (at := _after_space(text, at)) < len(text):
        token = _token(text, at)
        yield token
        at = token.end
    yield Token(Kind.END, "", len(text), len(text))


def is_bare(word: str) -> bool:
    """Whether a word means itself without quotes."""
    return bool(_BARE.fullmatch(word)) and word.lower() not in KEYWORDS


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _token(text: str, at: int) -> Token:
    if text[at] in "(),":
        return Token(Kind.MARK, text[at], at, at + 1)
    if text[at] in _QUOTED:
        return _quoted(text, at)
    if operator := next((one for one in OPERATORS if text.startswith(one, at)), None):
        return Token(Kind.OPERATOR, operator, at, at + len(operator))
    bare = _BARE.match(text, at)
    if bare is None:
        raise Refusal(f"found {text[at]!r}; expected a field, an operator or a value", text, at)
    word, end = bare.group(), bare.end()
    if word.lower() in KEYWORDS:
        return Token(Kind.KEYWORD, word.lower(), at, end)
    return Token(Kind.WORD, word, at, end)


def _quoted(text: str, at: int) -> Token:
    quote = text[at]
    found = _QUOTED[quote].match(text, at)
    if found is not None:
        return Token(Kind.WORD, _ESCAPE.sub(r"\1", found[1]), at, found.end())
    for escape in _ESCAPE.finditer(text, at):
        if escape[1] not in (quote, "\\"):
            raise Refusal(
                f"found {escape.group()} in quotes; write \\\\ for a backslash",
                text,
                escape.start(),
            )
    raise Refusal(f"this quote is not closed; expected another {quote}", text, at)


def _refuse_unreadable(text: str) -> None:
    """Refuse what is no text, or what nobody would see."""
    for at, char in enumerate(text):
        if unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\r\n":
            raise Refusal(f"found the character U+{ord(char):04X}, which is no text", text, at)
