"""Text to the terms that word search counts, the same for chunks and for questions.

* Words are folded (NFKC, case, accents) and stemmed in the language of their document.
* Scripts that put no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer,
  Burmese) become overlapping pairs of characters, which need no dictionary and on the
  Chinese questions of xquad_dev find what whole runs do not (nDCG@10 .99 against .29).
* What is written in one piece, but is not one word, is an identifier: `pg_dump`, `v1.2.3`,
  `O(log(N))`, `getValue`. Its words are terms like any other, and the whole is one more,
  counted apart, so that who asks for `v1.2.3` finds it and no other text gets longer by it.

Whoever changes what a text becomes raises :data:`corpus.identity.ANALYSIS`.

Function words are left out of a question (:mod:`corpus.stopwords`), unless nothing else is
in it or they stand in capitals among small letters, as in `the IT of a firm`.

Source of the pairs: Nie, Gao, Zhang and Zhou, "On the Use of Words and N-grams for Chinese
Information Retrieval", 2000.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from corpus import scripts
from corpus.languages import language_of
from corpus.stemming import fold, stem
from corpus.stopwords import STOPWORDS

_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_MIXED_CASE = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}")

_AROUND = " \t\n.,;:!?\"'`“”‘’„«»<>…*|~^=—–-/\\"
_BRACKETS = {")": "(", "]": "[", "}": "{"}

_LONGEST = 80
"""Characters of a term: longer ones are data, not words."""

_MOST_KNOWN = 1 << 13  # pieces of a language that are remembered; some 3 MB

_Found = tuple[tuple[str, ...], str | None]
"""What stands between two spaces: its words, and the whole where that is an identifier."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a text is searched by."""

    words: list[str]  # in the order of the text, repeated as often as they stand there
    identifiers: list[str]  # in lower case, whole


def analyse(text: str, language: str) -> Terms:
    """The terms of a text.

    :param language: ISO 639-1, see :func:`corpus.languages.language_of`.
    """
    words, identifiers = list[str](), list[str]()
    known = _known_of(language)
    for found, whole in map(known.__getitem__, unicodedata.normalize("NFKC", text).split()):
        words += found
        if whole:
            identifiers.append(whole)
    return Terms(words, identifiers)


def analyse_question(text: str, languages: Iterable[str]) -> Terms:
    """The terms of a question, each once: stemmed in each of the languages of the corpus."""
    kept = _without_stopwords(text)
    words, identifiers = dict[str, None](), dict[str, None]()
    for language in languages:
        found = analyse(kept, language)
        words |= dict.fromkeys(found.words)
        identifiers |= dict.fromkeys(found.identifiers)
    return Terms(list(words), list(identifiers))


def _terms(piece: str, language: str) -> _Found:
    """The words of what stands between two spaces, and the whole where that is an identifier."""
    found = scripts.words(piece)
    words = [pair for run in scripts.unspaced(piece) for pair in _pairs(run)]
    words += _stems(found, language)
    for one in found:
        if not one.islower() and _MIXED_CASE.search(one) and len(one) <= _LONGEST:
            words += _stems(_PART.findall(one), language)
    return tuple(words), _whole(piece) if len(found) > 1 else None


class _Known(dict[str, _Found]):
    """The terms of pieces in a language, made when one is first looked for: most of a text is
    pieces that stood there before.
    """

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, piece: str) -> _Found:
        found = _terms(piece, self._language)
        if len(piece) <= _LONGEST:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[piece] = found
        return found


_known_of = cache(_Known)


def _stems(words: Iterable[str], language: str) -> Iterable[str]:
    """A mark without a letter has no stem, and what is very long is no word."""
    stems = [stem(word.casefold(), language) for word in words if len(word) <= _LONGEST]
    return filter(None, stems)


def _without_stopwords(text: str) -> str:
    """A question without its function words; whole where nothing else is in it."""
    stopwords, shouted = STOPWORDS[language_of(text, least=1)], text.isupper()
    kept = [piece for piece in text.split() if _says_something(piece, stopwords, shouted)]
    return " ".join(kept) or text


def _says_something(piece: str, stopwords: frozenset[str], shouted: bool) -> bool:
    """Whether a piece is more than a function word, or several, as in `what's`."""
    if (len(piece) > 1 and piece.isupper() and not shouted) or scripts.unspaced(piece):
        return True
    words = scripts.words(piece)
    several = len(words) > 1
    return not all(one.casefold() in stopwords or (several and len(one) == 1) for one in words)


def _pairs(run: str) -> list[str]:
    """Overlapping pairs of characters of a run without spaces; a single one is a term."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _whole(piece: str) -> str | None:
    """A piece without what stands around it, where it is more than one word."""
    core = piece.strip(_AROUND).lstrip("([{")
    while (
        core and (opening := _BRACKETS.get(core[-1])) and core.count(core[-1]) > core.count(opening)
    ):
        core = core[:-1].rstrip(_AROUND)
    return None if scripts.words(core) == [core] or len(core) > _LONGEST else fold(core.casefold())
