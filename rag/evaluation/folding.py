"""Texts compared as readers compare them: NFKC, and white space folded, with the way back.

A quote that was copied from a PDF or a web page has other spaces, ligatures and line ends
than the document. Both are folded to be compared; every folded character knows the span of
the text that it came from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text: character i comes from ``[starts[i], ends[i])`` of the original."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def find_all(self, wanted: str) -> Iterator[Span]:
        """Where a folded text stands, as spans of the original, from left to right.

        :param wanted: as :func:`folded` gives it; an empty one is found nowhere.
        """
        at = self.text.find(wanted) if wanted else -1
        while at >= 0:
            yield self.starts[at], self.ends[at + len(wanted) - 1]
            at = self.text.find(wanted, at + 1)


def folded(text: str) -> str:
    """NFKC, every run of white space one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def fold(text: str) -> Folded:
    """Fold a text and remember where each character came from.

    ``fold(text).text.strip() == folded(text)``.
    """
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = text[start:end]
        for char in piece if piece.isascii() else unicodedata.normalize("NFKC", piece):
            blank = char.isspace()
            if blank and chars and chars[-1] == " ":
                continue
            chars.append(" " if blank else char)
            starts.append(start)
            ends.append(end)
    return Folded("".join(chars), tuple(starts), tuple(ends))


def _clusters(text: str) -> Iterator[Span]:
    """Stretches that normalise for themselves: a character and the marks that follow it."""
    start = 0
    for at in range(1, len(text)):
        if not _joins(text[at]):
            yield start, at
            start = at
    if text:
        yield start, len(text)


def _joins(char: str) -> bool:
    """Whether a character can become one with what stands before it."""
    if char < "\u0300":
        return False
    first = unicodedata.normalize("NFKC", char)[0]
    return unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"  # of Hangul
