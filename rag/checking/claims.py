"""Sentences of an answer, and which of them claim something.

No claims are: headings without a number, announcements ("The rules are:") without a number
or a name, the phrase that the documents do not say, and what holds no letter and no digit.
Everything else is one, so that nothing said passes for checked.
"""

from __future__ import annotations

import re

from corpus.sentences import Span, sentence_spans
from rag.answers import is_abstention
from rag.checking.folding import folded
from rag.checking.names import names
from rag.checking.quantities import quantities

_FENCES = ("```", "~~~")
_HEADING = re.compile(r"#{1,6} |(?:\*\*|__)[^*_\n]+(?:\*\*|__)$")
_ANNOUNCES = (":", "：")


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The sentences of ``text[start:end]``, as :func:`corpus.sentences.sentence_spans` has them.

    A fenced block of code is one sentence, fences included.
    """
    spans: list[Span] = []
    fence = ""
    for low, high in sentence_spans(text, start, end):
        mark = text[low : low + 3]
        if fence:
            spans[-1] = (spans[-1][0], high)
            fence = "" if mark == fence else fence
        else:
            spans.append((low, high))
            fence = mark if mark in _FENCES else ""
    return spans


def says_something(text: str) -> bool:
    """Whether a text holds a letter or a digit."""
    return any(character.isalnum() for character in text)


def is_claim(sentence: str) -> bool:
    """Whether a sentence of an answer should rest on a citation."""
    if not says_something(sentence) or is_abstention(sentence):
        return False
    plain = folded(sentence)
    if _HEADING.match(sentence.strip()):
        return _counts(plain)
    if plain.endswith(_ANNOUNCES):
        return _counts(plain) or any(not name.begins for name in names(plain))
    return True


def _counts(plain: str) -> bool:
    return any(not quantity.weak for quantity in quantities(plain))
