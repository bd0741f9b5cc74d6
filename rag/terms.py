"""Words of a text as terms: folded, stemmed, without what every sentence has.

Stemmed as the word index stems English, so that what found a passage is mostly what is found
again in its sentences. Scripts without spaces become pairs of characters. Stemming
is English; words of other languages mostly pass through as they are.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse

from corpus.stemming import stem

_UNSPACED = "぀-ヿ㐀-鿿"  # kana and Han
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_PLAIN = (
    "a an the this that these those of in on at by for from with without to into onto upon as "
    "about and or but nor so if then than because while during between among through over under "
    "after before since until is are was were be been being am do does did done doing have has "
    "had having can could may might must shall should will would i you he she it we they me him "
    "her us them my your his its our their mine yours hers ours theirs what which who whom whose "
    "when where why how there here not no any some such same own other another s t d ll re ve m "
    "don doesn didn isn aren wasn weren called name named also tell please give many much kind "
    "type one ones get got use used using"
)
PLAIN_WORDS = frozenset(_PLAIN.split())
"""Words that say nothing about what a question is about."""


class Terms:
    """Turns text into terms."""

    def all(self, text: str) -> list[str]:
        """Every term, in order of appearance."""
        return _stems(_words(text))

    def telling(self, text: str) -> list[str]:
        """The terms of the words that are not plain, in order; all where all are plain."""
        words = _words(text)
        return _stems([word for word in words if word not in PLAIN_WORDS] or words)


def _stems(words: list[str]) -> list[str]:
    return [stem(word, "en") for word in words]


def _words(text: str) -> list[str]:
    folded = text.lower()
    if folded.isascii():
        return _WORD.findall(folded)
    parts = unicodedata.normalize("NFKD", folded)
    letters = "".join(filterfalse(unicodedata.combining, parts))
    return [piece for word in _WORD.findall(letters) for piece in _pieces(word)]


def _pieces(word: str) -> list[str]:
    if len(word) < 3 or not "぀" <= word[0] <= "鿿":
        return [word]
    return [word[i : i + 2] for i in range(len(word) - 1)]
