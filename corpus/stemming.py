"""Words to their stems, by language. The home of PyStemmer.

Source: Porter's Snowball stemmers, https://snowballstem.org.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import Stemmer

_SNOWBALL = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian",
    "it": "italian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
"""By ISO 639-1 code."""

_CACHED_WORDS = 1 << 16

_MARKS = re.compile("[\u0300-\u036f\u0610-\u061a\u064b-\u0652\u0640]")
"""Accents, and what Arabic writes above and between its letters: people leave them out."""


@lru_cache(_CACHED_WORDS)
def stem(word: str, language: str) -> str:
    """The stem of a word, without accents.

    :param word: case folded.
    :param language: an ISO 639-1 code; one without a stemmer leaves the word as it is.
    """
    stemmer = _stemmer(language)
    return fold(stemmer.stemWord(word) if stemmer else word)


def fold(text: str) -> str:
    """Letters without their accents: `Größe` becomes `Große`, `café` becomes `cafe`."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))


@cache
def _stemmer(language: str) -> Stemmer.Stemmer | None:
    name = _SNOWBALL.get(language)
    # Its own cache is off: it is not for several threads, and stem() has one.
    return Stemmer.Stemmer(name, 0) if name else None
