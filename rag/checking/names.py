"""Names of a text: what is written with a capital, or as systems write names.

Rollo, UN, iPhone, tool_use, H2O, and runs of katakana. A name of several words is taken
word by word. The first word of a sentence has its capital from there: it is a name only in
English, whose commonest first words are known, and where nothing speaks against it. Nouns
of German have capitals too, so there only words with a capital or a digit inside are names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from rag.terms import PLAIN_WORDS, Terms


@dataclass(frozen=True, slots=True)
class Name:
    """One word of a name."""

    text: str
    begins: bool  # the first word of a sentence, whose capital says little


_WORD = re.compile(r"[^\W぀-ヿ㐀-鿿]+(?:'[^\W\d_]+)?")
_KATAKANA = re.compile(r"[ァ-ヺー]{3,}")
_BOUNDARY = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_BEGINS_AFTER = ".!?:;。！？¿¡"
_COMMON_END = re.compile(r"(?:[^auios]s|tion|ment|ness|ity|ance|ence|ing|ship|hood)$")
_OPENING = (
    "according additionally already although because besides both each either every everyone "
    "everybody everything everywhere few finally first firstly following furthermore generally "
    "hence however indeed instead last later lastly less like likewise many meanwhile more "
    "moreover most much nearly neither nevertheless next nobody none nothing now often once only "
    "others otherwise overall people perhaps please rather second secondly several similarly "
    "since someone something sometimes soon specifically staff still such therefore thereby "
    "third thirdly thus today together typically unless unlike upon usually various whereas "
    "whether within yes yet "
    "add call check choose click close configure copy create delete disable enable ensure enter "
    "find go install keep leave make move note open pass press put read remove run save see "
    "select send set start stop take type write appendix article chapter figure note page part "
    "section step table version"
)
_NO_NAMES = PLAIN_WORDS.union(_OPENING.split())
_ENGLISH = "the of and to is was were for by with that from its this which they his her"
_GERMAN = "der das und ist ein eine mit für nicht wird werden sich auch auf dem den zu im von bei"
_LANGUAGES = {"english": frozenset(_ENGLISH.split()), "german": frozenset(_GERMAN.split())}
_SHORTEST_STEM, _LONGEST_STEM, _LONGEST_ENDING = 4, 16, 3


def language_of(text: str) -> str:
    """``english``, ``german`` or, where its words do not show it, nothing."""
    words = text.lower().split()
    counts = {name: sum(word in known for word in words) for name, known in _LANGUAGES.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else ""


def names(
    text: str,
    taken: Iterable[tuple[int, int]] = (),
    small: Set[str] = frozenset(),
    language: str = "english",
) -> list[Name]:
    """The names of a text (see :func:`rag.checking.folding.folded`).

    :param taken: spans that are something else, numbers and dates, in order.
    :param small: words that are known to be written without a capital.
    :param language: see :func:`language_of`.
    """
    words = list(_WORD.finditer(_blanked(text, taken)))
    found = [Name(match.group(), begins=False) for match in _KATAKANA.finditer(text)]
    for at, match in enumerate(words):
        word = match.group().removesuffix("'s")
        begins = _begins(text, match.start())
        alone = at + 1 == len(words) or not words[at + 1].group()[0].isupper()
        if _is_written_as_one(word):
            found.append(Name(word, begins=False))
        elif (
            word[0].isupper()
            and word.lower() not in PLAIN_WORDS
            and language != "german"
            and not (begins and language != "english")
            and not (begins and _is_common(word.lower(), small, alone=alone))
        ):
            found.append(Name(word, begins))
    return found


class Known:
    """The words of a text, to look names up in.

    :param language: see :func:`language_of`; other languages than English inflect names.
    """

    def __init__(self, text: str, terms: Terms, language: str = "english") -> None:
        self.terms, self.language = terms, language
        self._written = frozenset(_WORD.findall(text.lower()))
        self._words = frozenset(terms.all(text)).union(terms.all(_parted(text)))
        self._stems = {
            word[:length]
            for word in (self._words if language != "english" else ())
            for length in range(_SHORTEST_STEM, min(len(word), _LONGEST_STEM) + 1)
        }

    def has(self, name: str) -> bool:
        """Whether a name stands in the text: in any case, in parts, with another ending."""
        if name.lower() in self._written or "_" in name:
            return name.lower() in self._written
        whole, parted = self.terms.all(name), _parted(name)
        return all(map(self.has_term, whole)) or (
            parted != name and self._words.issuperset(self.terms.all(parted))
        )

    def has_term(self, term: str) -> bool:
        """Whether a term (see :mod:`rag.terms`) stands in the text."""
        return term in self._words or _stem(term) in self._stems


def _stem(word: str) -> str:
    return word[: min(_LONGEST_STEM, max(_SHORTEST_STEM, len(word) - _LONGEST_ENDING))]


def _blanked(text: str, taken: Iterable[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in taken:
        parts += [text[at:start], " " * (end - max(start, at))]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _begins(text: str, at: int) -> bool:
    """Whether a word begins the text, a sentence in it, or what follows a colon."""
    before = text[max(0, at - 4) : at].rstrip(" \"'(")
    return not before or before[-1] in _BEGINS_AFTER


def _is_written_as_one(word: str) -> bool:
    """Whether no ordinary word is written like this: iPhone, UN, H2O, tool_use."""
    inner = word[1:]
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return inner != inner.lower() or mixed or "_" in word.strip("_")


def _is_common(word: str, small: Set[str], *, alone: bool) -> bool:
    """Whether a word that begins a sentence may be any word.

    :param alone: the next word has no capital.
    """
    return word in _NO_NAMES or word in small or (alone and _COMMON_END.search(word) is not None)


def _parted(text: str) -> str:
    """``AppleTalk`` and ``RFC2616`` as two words each."""
    return _BOUNDARY.sub(" ", text)
