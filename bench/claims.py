"""True claims about real documents, in other words than the evidence, and what they cite.

Made from the answerable questions of two sets: the question turned into a statement, the
evidence shortened, reordered, with its numbers written differently, with the name for the
pronoun, two sentences made one, and answers that people wrote. Their grammar may limp.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench import sets
from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit, Scores
from rag import passages as passaging
from rag.answers import Passage
from rag.terms import PLAIN_WORDS, Terms

Ids = tuple[tuple[int, int | None], ...]
"""Passage and sentence, as in ``[1.2]``."""

MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence of an answer and the ids that follow it."""

    kind: str
    passages: tuple[Passage, ...]  # the first holds the evidence; the last is of another document
    claim: str
    ids: Ids


def true_claims(seed: int) -> list[Case]:
    """All of them, the same every time."""
    return [*_of_squad(random.Random(seed)), *_of_clapnq()]


def _of_squad(chance: random.Random) -> Iterator[Case]:
    rows = _answerable("squad2_dev")
    seen: set[tuple[str, int]] = set()
    for at, row in enumerate(rows):
        passages = _passages([row["paragraph"], _another(rows, at)["paragraph"]])
        start = row["evidence"][0]["start"]
        sentences = passages[0].sentences
        place = next((n for n, one in enumerate(sentences) if one.start <= start < one.end), None)
        if place is None:
            continue
        ids: Ids = ((1, place + 1),)
        if said := _statement(row["question"], row["answers"][0].rstrip(". ")):
            yield Case("question as statement", passages, said, ids)
            yield Case("the same, whole passage cited", passages, said, ((1, None),))
        evidence = sentences[place]
        if (row["paragraph"]["doc"], evidence.start) in seen:
            continue
        seen.add((row["paragraph"]["doc"], evidence.start))
        yield Case("evidence, word for word", passages, evidence.text, ids)
        for kind, change in _CHANGES.items():
            if (changed := change(evidence.text)) != evidence.text:
                yield Case(kind, passages, changed, ids)
        if place:
            before, text = sentences[place - 1].text, evidence.text
            if named := _named(text, before):
                yield Case("name for pronoun", passages, named, ids)
            if chance.random() < 0.5:
                joined = f"{before.rstrip('.')}, and {text[0].lower()}{text[1:]}"
                yield Case("two sentences as one", passages, joined, ((1, place), (1, place + 1)))


def _of_clapnq() -> Iterator[Case]:
    """What people wrote as answers, with the sentences of the evidence that they drew on."""
    rows = _answerable("clapnq_dev")
    for at, row in enumerate(rows):
        passages = _passages(
            {"doc": one["evidence"][0]["doc"], "title": one["title"]}
            for one in (row, _another(rows, at))
        )
        evidence = [
            number
            for number, one in enumerate(passages[0].sentences, start=1)
            if any(one.start < e["end"] and e["start"] < one.end for e in row["evidence"])
        ]
        answer = row["answers"][0]
        for start, end in sentence_spans(answer):
            said = answer[start:end]
            yield Case("answer by a person", passages, said, _drawn_on(said, passages[0], evidence))


def _drawn_on(said: str, passage: Passage, evidence: Sequence[int]) -> Ids:
    """The sentences that hold the most of a claim, until another would add next to nothing."""
    terms = Terms()
    left = set(terms.telling(said))
    held = {number: set(terms.all(passage.sentences[number - 1].text)) for number in evidence}
    ids: list[tuple[int, int | None]] = []
    while held:
        best = max(held, key=lambda number: len(left & held[number]))
        gained = left & held.pop(best)
        if ids and len(gained) < 2:
            break
        ids.append((1, best))
        left -= gained
    return tuple(sorted(ids))


def _statement(question: str, answer: str) -> str | None:
    asked = question.strip().rstrip("?").strip()
    told = answer[0].upper() + answer[1:]
    when = r"(?i)(?:when|where|in wh\w+ \w+|what year) (did|was|were|is|are|do|does) (.+)"
    if match := re.match(when, asked):
        return f"{match[2][0].upper()}{match[2][1:]} {match[1]} {answer}."
    if match := re.match(r"(?i)(?:who|how (?:many|much)) (.+)", asked):
        return f"{told} {match[1]}."
    if match := re.match(r"(?i)what (\w+) (.+)", asked):
        return f"{told} {match[1]} {match[2]}."
    return None


def _shortened(sentence: str) -> str:
    """Without what stands in brackets or between commas in the middle."""
    aside = r" ?\([^()]*\)|, (?:which|who|where|including|such as)[^,.;]*(?=,)"
    return re.sub(aside, "", sentence)


def _reordered(sentence: str) -> str:
    """Its first clause last."""
    match = re.fullmatch(r"([A-Z][^,.;]{8,60}), ([a-z][^;]{15,})\.", sentence)
    if not match:
        return sentence
    return f"{match[2][0].upper()}{match[2][1:]}, {match[1][0].lower()}{match[1][1:]}."


def _renumbered(sentence: str) -> str:
    """With its numbers and dates written in another way."""
    changed = re.sub(r"(?<=\d),(?=\d{3}\b)", "", sentence)
    changed = re.sub(rf"\b({'|'.join(MONTHS)}) (\d\d?), (\d{{4}})", r"\2 \1 \3", changed)
    changed = re.sub(r"(?<=\d)%", " percent", changed)
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    for digit, word in enumerate(words, start=2):
        changed = re.sub(rf"\b{word}\b(?!-)", str(digit), changed)
    return changed


_CHANGES: dict[str, Callable[[str], str]] = {
    "evidence shortened": _shortened,
    "evidence reordered": _reordered,
    "numbers written differently": _renumbered,
}


def _named(sentence: str, before: str) -> str | None:
    """With a name of the sentence before instead of the pronoun that it begins with."""
    pronoun = re.match(r"(?:He|She|It|They|His|Her|Its|Their) ", sentence)
    found = re.findall(r"\b[A-Z][a-zé]+(?: [A-Z][a-zé]+)*", before)
    name = next((one for one in found if one.lower() not in PLAIN_WORDS), None)
    if not pronoun or not name:
        return None
    owns = "'s" if pronoun.group().strip() in ("His", "Her", "Its", "Their") else ""
    return f"{name}{owns} {sentence[pronoun.end() :]}"


def _answerable(name: str) -> list[dict[str, Any]]:
    lines = (sets.DATA / name / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["answerable"]]


def _another(rows: Sequence[dict[str, Any]], at: int) -> dict[str, Any]:
    """A row about something else: the rows of a document follow each other."""
    return rows[(at + len(rows) // 2) % len(rows)]


def _passages(
    spans: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]],
) -> tuple[Passage, ...]:
    hits = []
    for rank, span in enumerate(spans, start=1):
        text = _text(span["doc"])
        start, end = span.get("start", text.find("\n\n") + 2), span.get("end", len(text))
        title = span.get("title") or span["doc"].partition(".")[0].replace("_", " ")
        chunk = Chunk(rank, span["doc"], title, "txt", start, end, text[start:end], ())
        hits.append(Hit(rank, 0.5, chunk, Scores(None, None, None)))
    return passaging.build(hits)[0]


@cache
def _text(document: str) -> str:
    folders = (sets.DATA / name / "docs" for name in ("squad2_dev", "clapnq_dev"))
    path = next(folder / document for folder in folders if (folder / document).is_file())
    return path.read_bytes().decode()
