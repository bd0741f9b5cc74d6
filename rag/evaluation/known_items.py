"""A first set of questions from the documents themselves, without anybody's labels.

Known-item questions: each asks for one sentence, by three or four of its words, those that few
chunks hold and that are long, in the order of the sentence, and never by more than a third of
it. Where the sentence holds a number or a name beside them, that is kept out of the question
and is the answer. Others ask for a section by its heading and the title. A fifth is asked of
the corpus without the document (``masked``), so that there is nothing to find.

A question whose words stand together in a chunk of another document is left out: it could
be answered there. Everything follows from the snapshot and the seed. Documents take turns.

Words are told apart by white space and stemmed as English, and the frame of a question is
English: documents in scripts without spaces give few questions or none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from corpus.sentences import sentence_spans
from corpus.snapshot import Snapshot
from corpus.types import Document
from rag.evaluation.word_chunks import WordChunks
from rag.terms import PLAIN_WORDS

SENTENCE, HEADING, MASKED = "sentence", "heading", "masked"
_TURNS = (SENTENCE, SENTENCE, HEADING, SENTENCE, MASKED)

_WORDS = (9, 40)  # that a sentence may have
_MAX_CHARS = 300
_ASKED = (3, 4)  # words of a question, at least and at most
_MAX_HEADING = 80  # characters
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_LONGEST = 24  # characters of a word; a longer one is a clause of a script without spaces
_STOPS = (".", "!", "。", "।")
_NOT_PROSE = re.compile(r"[|`{}<>]|https?:|^[#>*+-]|^\d+[.)]\s")
_POINTS_BACK = frozenset(
    ("this", "it", "he", "she", "they", "these", "those", "such", "its", "his", "her", "their")
)
_NUMBER = re.compile(r"\d")

Row = dict[str, Any]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question and the sentence that answers it."""

    text: str
    terms: frozenset[str]
    answer: str  # empty where the sentence is the answer
    sentence: _Sentence


def make_questions(snapshot: Snapshot, count: int, seed: int, step: Step) -> list[Row]:
    """Make questions, as rows of a set.

    :param step: told the id of each document that has been read.
    :return: at most ``count``; fewer where the documents hold no more that can be asked for.
    """
    index = WordChunks(snapshot, step)
    names = sorted(snapshot.documents, key=lambda name: _drawn(seed, name))
    sources = {name: _Source(snapshot, name, index, seed) for name in names}
    rows: list[Row] = []
    turn = 0
    while len(rows) < count and sources:
        turn += 1
        for number, name in enumerate(list(sources)):
            kind = _TURNS[(number + turn) % len(_TURNS)]
            row = sources[name].next(kind if len(names) > 1 or kind != MASKED else SENTENCE)
            if row is None:
                del sources[name]
                continue
            rows.append(row)
            if len(rows) == count:
                break
    return rows


class _Source:
    """The questions that one document gives, one after the other."""

    def __init__(self, snapshot: Snapshot, name: str, index: WordChunks, seed: int) -> None:
        self._snapshot, self._name, self._index, self._seed = snapshot, name, index, seed
        self._sentences: Iterator[_Asked] | None = None
        self._headings: Iterator[_Asked] | None = None

    def next(self, kind: str) -> Row | None:
        """The next question, of that kind where there is one; None when there is none."""
        if self._sentences is None or self._headings is None:
            document = self._snapshot.document(self._name)
            prose = list(_prose(document.text))
            self._sentences = self._of_sentences(prose)
            self._headings = self._of_headings(document, prose)
        if kind == HEADING and (asked := next(self._headings, None)):
            return _row(kind, self._name, asked)
        found = next(self._sentences, None)
        return _row(kind if kind == MASKED else SENTENCE, self._name, found) if found else None

    def _of_sentences(self, prose: Sequence[_Sentence]) -> Iterator[_Asked]:
        for sentence in sorted(prose, key=lambda one: _drawn(self._seed, self._name, one.start)):
            asked = _about(sentence, self._index)
            if asked and self._is_alone(asked):
                yield asked

    def _of_headings(self, document: Document, prose: Sequence[_Sentence]) -> Iterator[_Asked]:
        """One question for each section that begins with prose."""
        seen: set[tuple[str, ...]] = set()
        found: list[_Asked] = []
        for chunk in self._snapshot.chunks_of(self._name):
            if not chunk.headings or chunk.headings in seen:
                continue
            seen.add(chunk.headings)
            first = next((s for s in prose if chunk.start <= s.start and s.end <= chunk.end), None)
            asked = first and _for_section(document, chunk.headings[-1], first, self._index)
            if asked and self._is_alone(asked):
                found.append(asked)
        yield from sorted(found, key=lambda one: _drawn(self._seed, "heading", one.text))

    def _is_alone(self, asked: _Asked) -> bool:
        return not self._index.stand_together_elsewhere(asked.terms, self._name)


def _prose(text: str) -> Iterator[_Sentence]:
    """The sentences that say something by themselves."""
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        words = _WORD.findall(sentence)
        letters = sum(char.isalpha() for char in sentence)
        if (
            _WORDS[0] <= len(words) <= _WORDS[1]
            and len(sentence) <= _MAX_CHARS
            and sentence.rstrip("\"'”’)*_ ").endswith(_STOPS)
            and not _NOT_PROSE.search(sentence)
            and letters >= 0.7 * len("".join(sentence.split()))
            and words[0].lower() not in _POINTS_BACK
        ):
            yield _Sentence(start, end, sentence)


def _about(sentence: _Sentence, index: WordChunks) -> _Asked | None:
    """A question for a sentence; None where too few of its words tell anything."""
    words = [match for match in _WORD.finditer(sentence.text) if _is_telling(match.group())]
    answer = _answer(words)
    taken = set(index.terms.all(answer))
    asked: list[re.Match[str]] = []
    terms: set[str] = set()
    most = min(_ASKED[1], len(_WORD.findall(sentence.text)) // 3)
    for one in sorted(words, key=lambda word: (-index.weight(word.group()), word.start())):
        own = set(index.terms.all(one.group()))
        if len(asked) < most and not own & taken:
            asked.append(one)
            terms |= own
            taken |= own
    if len(asked) < _ASKED[0]:
        return None
    text = f"What is said about {_listed(sentence.text, asked)}?"
    return _Asked(text, frozenset(terms), answer, sentence)


def _listed(text: str, words: Sequence[re.Match[str]]) -> str:
    """Words in the order of a text; those that stand side by side stay together."""
    phrases: list[list[str]] = []
    end = -1
    for word in sorted(words, key=lambda one: one.start()):
        if phrases and text[end : word.start()].isspace():
            phrases[-1].append(word.group())
        else:
            phrases.append([word.group()])
        end = word.end()
    *others, last = (" ".join(phrase) for phrase in phrases)
    return f"{', '.join(others)} and {last}" if others else last


def _for_section(
    document: Document, heading: str, first: _Sentence, index: WordChunks
) -> _Asked | None:
    """A question for a section; None where its heading tells nothing."""
    text = " ".join(heading.split())
    terms = frozenset(index.terms.all(f"{document.title} {text}"))
    telling = any(_is_telling(word) for word in _WORD.findall(text))
    if not telling or len(text) > _MAX_HEADING or len(document.title) > _MAX_HEADING:
        return None
    title = " ".join(document.title.split())
    return _Asked(f"What does {title} say about {text}?", terms, "", first)


def _answer(words: Sequence[re.Match[str]]) -> str:
    """The number that a sentence gives, or else the name in it; empty where it has neither."""
    numbers = [one.group() for one in words if _NUMBER.search(one.group())]
    names = [one.group() for one in words if one.start() and one.group()[0].isupper()]
    return next(iter([*numbers, *names]), "")


def _is_telling(word: str) -> bool:
    return len(word) <= _LONGEST and word.lower() not in PLAIN_WORDS


def _row(kind: str, document: str, asked: _Asked) -> Row:
    sentence = asked.sentence
    gold = {
        "doc": document,
        "quote": sentence.text,
        "start": sentence.start,
        "end": sentence.end,
    }
    row: Row = {"id": f"{kind}-{_drawn(0, document, sentence.start, kind)[:10]}", "kind": kind}
    row["question"] = asked.text
    if kind == MASKED:
        return {
            **row,
            "answers": [],
            "evidence": [],
            "answerable": False,
            "masked": document,
            "left_out": gold,
        }
    answers = [asked.answer] if asked.answer else []
    return {**row, "answers": answers, "evidence": [gold], "answerable": True}


def _drawn(*of: object) -> str:
    """A place in an order that looks random and is always the same."""
    data = "\0".join(map(str, of)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).hexdigest()
