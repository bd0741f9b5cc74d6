"""Which language a text is written in, told by its function words.

One word in three of any text is an article, a pronoun or a preposition, and few of them are
shared by two languages, so that counting them tells one from another as soon as there are
some twenty words. It is told per document, because a chunk is often too short. A language that
is not in :data:`corpus.stopwords.STOPWORDS` is taken for the default, which does little harm:
a word is stemmed alike wherever it stands in that language.
"""

from __future__ import annotations

from corpus import scripts
from corpus.stopwords import STOPWORDS

DEFAULT = "en"
"""Of a text that has too few function words of any one language to tell."""

LANGUAGES = tuple(sorted(STOPWORDS))
"""ISO 639-1 codes of the languages that are told apart."""

_SAMPLE = 4000
"""Characters that are looked at: more do not change what is found."""

_LEAST = 3  # function words
_LEAST_SHARE = 0.05  # of all words

_BY_WORD: dict[str, tuple[str, ...]] = {
    word: tuple(language for language in LANGUAGES if word in STOPWORDS[language])
    for word in frozenset().union(*STOPWORDS.values())
}


def language_of(text: str, least: int = _LEAST) -> str:
    """The language of a text, one of :data:`LANGUAGES`; equal counts go to the first of them.

    :param least: how many of its function words a language must have in the text.
    """
    sample = text[:_SAMPLE].casefold()
    words = scripts.words(sample)
    unspaced = sum(map(len, scripts.unspaced(sample)))
    counts = dict[str, int]()
    for languages in filter(None, map(_BY_WORD.get, words)):
        for language in languages:
            counts[language] = counts.get(language, 0) + 1
    best = max(sorted(counts), key=counts.__getitem__, default=DEFAULT)
    enough = counts.get(best, 0) >= max(least, _LEAST_SHARE * (len(words) + unspaced))
    return best if enough else DEFAULT
