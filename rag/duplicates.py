"""Which of the texts that were found say nothing that another does not say.

A text is left out where it is another one's text, is part of one, or has nine tenths of its
runs of five words in common with one. What differs in a number, a name, an identifier, a
sign or a negation is never a duplicate, however alike the rest is: two versions of a page,
or the same sentence about two commands, may differ in just what is asked for. Neither is a
text that has a word of the question, in itself or above it, which the other one lacks, nor a
short one ("Default: yes") under other headings.

The comparison is exact, without hashing or sampling. Texts in scripts without capital letters
count every word as a name, so of those only what is the same, or part, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cached_property

from corpus.types import Chunk
from rag.terms import PLAIN_WORDS

ALIKE = 0.9
"""Jaccard similarity of runs of words from which on two texts are nearly the same."""

RUN = 5
"""Words of a run."""

SHORT = 20
"""Words below which a text means something only under its title and headings."""

_WORD = re.compile(r"\w+")
_EDGES = ".,;:!?()[]{}\"'“”‘’«»*_`"  # of a word, without meaning; signs and % have one
_NEGATIONS = frozenset(
    ("no", "not", "never", "none", "nor", "neither", "nothing", "nowhere", "nobody", "cannot")
) | {"without", "except", "unless", "only"}


class Text:
    """A chunk, to be compared. What a comparison does not need is not computed."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        marked = [one for one in chunk.text.split() if not (one.isalpha() and one.islower())]
        bare = (one.strip(_EDGES) for one in marked)
        told = [one for one in bare if not (one.isalpha() and one.islower())]
        self.telling = f" {' '.join(filter(None, told))} "  # numbers, names, signs, in order

    @cached_property
    def words(self) -> list[str]:
        """Its words in order, as they are written."""
        return _WORD.findall(self.chunk.text)

    @cached_property
    def joined(self) -> str:
        """The same as one text, with nothing between them."""
        return f" {' '.join(self.words)} "

    @cached_property
    def runs(self) -> Set[tuple[str, ...]]:
        """Every run of its words, in lower case; the whole of a text that has no more words."""
        words = [word.lower() for word in self.words]
        rows = zip(*(words[at:] for at in range(RUN)), strict=False)
        return frozenset(rows) or frozenset([tuple(words)])

    @cached_property
    def negations(self) -> list[str]:
        """Its words that deny, in order."""
        return [word for word in map(str.lower, self.words) if word in _NEGATIONS]

    @cached_property
    def around(self) -> Set[str]:
        """Its words, and those of its document's name, title and headings, in lower case."""
        chunk = self.chunk
        whole = "\n".join((chunk.document_id, *_above(chunk), chunk.text))
        return frozenset(_WORD.findall(whole.lower()))


def asked_words(question: str) -> Set[str]:
    """The words of a question that could tell two texts apart, in lower case."""
    return frozenset(_WORD.findall(question.lower())) - PLAIN_WORDS


def repeats(new: Text, old: Text, asked: Set[str] = frozenset()) -> str:
    """How a text is a duplicate of another one; empty where it is none.

    :param old: what is shown already.
    :param asked: of :func:`asked_words`.
    :return: words that the name of the other one follows.
    """
    how = _likeness(new, old)
    return "" if how and _matters(new, old, asked) else how


def _matters(new: Text, old: Text, asked: Set[str]) -> bool:
    """Whether the place of a text tells what the other one does not."""
    if len(new.words) < SHORT and _above(new.chunk) != _above(old.chunk):
        return True
    return bool((new.around - old.around) & asked)


def _likeness(new: Text, old: Text) -> str:
    if new.telling not in old.telling:
        return ""
    if new.chunk.text == old.chunk.text:
        return "the same text as"
    if new.joined in old.joined:
        return "nothing that is not in"
    return "nearly the same text as" if _alike(new, old) else ""


def _alike(one: Text, other: Text) -> bool:
    if one.telling != other.telling or one.negations != other.negations:
        return False
    common = len(one.runs & other.runs)
    return common >= ALIKE * (len(one.runs) + len(other.runs) - common)


def _above(chunk: Chunk) -> tuple[str, ...]:
    return (chunk.title, *chunk.headings)
