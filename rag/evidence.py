"""How well each sentence answers a question, and whether any of it is about the question.

A sentence is scored by a weighted sum of a few plain features, each in [0, 1]. The weights
were fitted once on the development sets (conditional logit: the probability that a sentence
with the answer is picked among all that are shown); fitted on one half they do as well on
the other. Confidence is a logistic function of three features, fitted to tell answerable
questions from those about something else, with a few near misses among them. It knows what
the passages are about, not what they leave unsaid: a question that is on their topic and
that they do not answer is mostly not recognised. docs/log.md has the figures.

No model and no corpus statistics are used: how telling a word is follows from how few of
the shown sentences hold it, which measured as good as its rarity in the whole corpus.
Confidence reads the cosine of the default embedding model; for another model whose
cosines lie elsewhere, measure ``min_confidence`` anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

from rag.answers import Passage
from rag.cues import holds, kind_asked
from rag.terms import PLAIN_WORDS, Terms

WEIGHTS = {
    "cover": 9.8,  # weight of the question's terms that stand in the sentence
    "before": 3.6,  # of those that stand in the sentence before it and not in it
    "above": 7.8,  # of those that stand in the title and headings and not in it
    "pairs": 2.3,  # share of the question's neighbouring terms that are neighbours here too
    "fits": 2.2,  # holds a date, number, name ... where the question asks for one
    "passage": 7.4,  # fused score of the passage
    "ballast": -0.5,  # tells other things as well: ten more terms or more count 1
    "asks": -1.2,  # is a question itself
}
_INTERCEPT, _CONTEXT, _COSINE, _UNKNOWN_NAME = -6.9, 6.9, 8.8, -5.6
_USUAL_COSINE = 0.45  # stands in where no passage was found by the dense search

_ANNOUNCES = (":", "：")  # what follows tells; such a sentence alone says nothing
_CLOSERS = "\"'”’)*_ "

_PLAIN = frozenset(Terms().all(" ".join(PLAIN_WORDS)))
"""The terms of words that say nothing about what a question is about."""

_IDENTIFIER = re.compile(r"\b(?=\w{3})(?!\d+[a-z]{0,2}\b)\w*(?:[A-Z]\w*[A-Z]|\d|_)\w*")
"""A name as systems have them: ``ZRANGE``, ``tool_use``, ``RFC2616``, ``vLLM``; no 1990s, 2nd."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that could be quoted."""

    passage: int  # index into the passages
    sentence: int  # index into the passage's sentences
    score: float  # log-odds scale: comparable within one question
    context: float  # share of the question's terms in it, beside it and above it, in [0, 1]
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, taken apart."""

    weights: Mapping[str, float]  # its terms, by how telling they are; they sum to 1
    pairs: frozenset[tuple[str, str]]  # terms that stand side by side
    words: Set[str]  # all, in lower case
    kind: str | None  # of thing asked for, see rag.cues

    def weight(self, terms: Set[str]) -> float:
        """Of some of its terms together; added in one order, so that it is always the same."""
        return sum([weight for term, weight in self.weights.items() if term in terms])


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage, taken apart."""

    passage: Passage
    above: Set[str]  # terms of title and headings
    sentences: Sequence[tuple[str, ...]]  # terms of each
    telling: Sequence[Sequence[str]]  # the same without those of plain words


@dataclass(frozen=True, slots=True)
class _Held:
    """What a passage holds of the terms of a question."""

    above: Set[str]  # in title and headings
    sentences: Sequence[Set[str]]  # in each
    others: Sequence[int]  # telling terms of each sentence that the question does not have


def candidates(question: str, passages: Sequence[Passage]) -> list[Candidate]:
    """Score every sentence that has words, best first; equal scores in the order shown."""
    terms = Terms()
    read = [_read(terms, passage) for passage in passages]
    asked = _asked(terms, question, read)
    found = [one for at, passage in enumerate(read) for one in _candidates(asked, passage, at)]
    return sorted(found, key=lambda candidate: -candidate.score)


def confidence(question: str, passages: Sequence[Passage], best: Candidate) -> float:
    """How sure it is that the passages are about the question, in [0, 1].

    :param best: the first of :func:`candidates`.
    """
    scores = (one.scores for p in passages for one in p.hits or (p,))
    # A part of a chunk is nearer than the chunk; the weight is fitted to whole ones.
    found = (one.dense if one.whole is None else one.whole for one in scores)
    cosines = [one for one in found if one is not None]
    odds = (
        _INTERCEPT
        + _CONTEXT * best.context
        + _COSINE * (max(cosines) if cosines else _USUAL_COSINE)
        + _UNKNOWN_NAME * _unknown_names(question, passages)
    )
    return 1 / (1 + exp(-odds))


def _unknown_names(question: str, passages: Iterable[Passage]) -> float:
    """Share of the identifiers in the question that no passage mentions."""
    terms = Terms()
    names = set(terms.all(" ".join(_IDENTIFIER.findall(question))))
    unknown = set(names)
    for passage in passages:
        if not unknown:
            return 0.0
        chunk = passage.chunk
        unknown.difference_update(terms.all("\n".join((chunk.title, *chunk.headings, chunk.text))))
    return len(unknown) / len(names) if names else 0.0


def _score(passage: Passage, row: int) -> float:
    """The score of the hit that a sentence begins in."""
    if len(passage.hits) < 2:
        return passage.score
    start = passage.sentences[row].start
    within = (hit for hit in passage.hits if hit.chunk.start <= start < hit.chunk.end)
    return next((hit.score for hit in within), passage.score)


def _read(terms: Terms, passage: Passage) -> _Read:
    above = "\n".join((passage.chunk.title, *passage.chunk.headings))
    sentences = [tuple(terms.all(sentence.text)) for sentence in passage.sentences]
    telling = [[term for term in sentence if term not in _PLAIN] for sentence in sentences]
    return _Read(passage, frozenset(terms.all(above)), sentences, telling)


def _asked(terms: Terms, question: str, read: Iterable[_Read]) -> _Asked:
    telling = dict.fromkeys(terms.telling(question))
    sentences = [sentence for one in read for sentence in one.sentences]
    counts = Counter(term for sentence in sentences for term in telling.keys() & sentence)
    rarity = [log(1 + (len(sentences) - counts[t] + 0.5) / (counts[t] + 0.5)) for t in telling]
    return _Asked(
        {term: one / sum(rarity) for term, one in zip(telling, rarity, strict=True)},
        frozenset(pairwise(telling)),
        frozenset(re.findall(r"\w+", question.lower())),
        kind_asked(question),
    )


def _candidates(asked: _Asked, read: _Read, at: int) -> Iterator[Candidate]:
    """The sentences of a passage that say more than the question, and do not only announce."""
    wanted = asked.weights.keys()
    held = _Held(
        wanted & read.above,
        [wanted & terms for terms in read.sentences],
        [len(set(telling) - wanted) for telling in read.telling],
    )
    for row, sentence in enumerate(read.passage.sentences):
        if held.others[row] and not sentence.text.endswith(_ANNOUNCES):
            yield _candidate(asked, read, held, at, row)


def _candidate(asked: _Asked, read: _Read, held: _Held, at: int, row: int) -> Candidate:
    text, telling, here = read.passage.sentences[row].text, read.telling[row], held.sentences[row]
    before: Set[str] = held.sentences[row - 1] if row else frozenset()
    features = {
        "cover": asked.weight(here),
        "before": asked.weight(before - here),
        "above": asked.weight(held.above - here),
        "pairs": len(asked.pairs.intersection(pairwise(telling))) / max(1, len(asked.pairs)),
        "fits": float(holds(asked.kind, text, asked.words)),
        "passage": _score(read.passage, row),
        "ballast": min(held.others[row], 10) / 10,
        "asks": float(text.rstrip(_CLOSERS).endswith(("?", "？", "؟"))),
    }
    score = sum(weight * features[name] for name, weight in WEIGHTS.items())
    after: Set[str] = frozenset().union(*held.sentences[row + 1 : row + 2])
    around = here | before | held.above | after
    context = len(around) / max(1, len(asked.weights))
    return Candidate(at, row, score, context, read.sentences[row])
