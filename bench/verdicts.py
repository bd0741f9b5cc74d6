"""What verdicts are worth: true claims that are flagged, planted faults that are not.

A scripted engine answers questions of real sets. What it says is true, in other words than
the evidence: the question turned into a statement, the evidence shortened, reordered, with
its numbers written differently, with the name for the pronoun, two sentences made one, and
answers that people wrote. Then one fault is planted into each: another number, date or
name, another sentence, an id that is not there, no citation. The text goes the whole way:
markers, citations, verdicts.

    python -m bench.verdicts
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from bench import results, sets
from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit, Scores
from rag import passages as passaging
from rag.answers import Cite, Passage
from rag.citations import AnswerWriter
from rag.engines.vllm.markers import Markers
from rag.folding import folded
from rag.quantities import Quantity, quantities, values_of
from rag.terms import Terms

SEED = 20
UNKNOWN = (9, 9)
FLAGGED = ("partial", "unsupported")
VERDICTS = ("verbatim", "supported", "unchecked", *FLAGGED)

Ids = tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence of an answer and the ids that follow it."""

    kind: str
    passages: tuple[Passage, ...]  # the first holds the evidence; the last is of another document
    claim: str
    ids: Ids


def main() -> None:
    """Check every claim as it is and with each fault, and print two tables."""
    cases = [*_squad_cases(), *_clapnq_cases()]
    true = {kind: Counter[str]() for kind in dict.fromkeys(case.kind for case in cases)}
    planted = {fault: Counter[str]() for fault in FAULTS}
    names = _names(cases)
    chance = random.Random(SEED)
    for case in cases:
        true[case.kind][_worst(case)] += 1
        for fault, plant in FAULTS.items():
            spoilt = plant(case, chance, names)
            if spoilt is not None:
                planted[fault][_worst(spoilt)] += 1
    head = ["", "claims", *VERDICTS, "uncited", "flagged"]
    everything = sum(true.values(), Counter[str]())
    results.table(["true claims", *head[1:]], [_row(*one) for one in {**true, "all": everything}.items()])
    results.table(["planted faults", *head[1:]], [_row(*one) for one in planted.items()])
    results.save("verdicts", {"true claims": true, "all": everything, "planted faults": planted})


def _worst(case: Case) -> str:
    """What a reader is told of a sentence: the worst verdict of its claim, or that it has none."""
    markers = "".join(f"[{p}]" if s is None else f"[{p}.{s}]" for p, s in case.ids)
    parsed, writer = Markers(case.passages), AnswerWriter(case.passages)
    for piece in [*parsed.feed(f"{case.claim} {markers}"), *parsed.end()]:
        writer.add(piece)
    writer.finish()
    if not writer.citations:
        return "uncited" if writer.uncited() else "lost"
    return max((one.verdict.value for one in writer.citations), key=VERDICTS.index)


def _row(name: str, counts: Counter[str]) -> list[str]:
    total = sum(counts.values())
    flagged = sum(counts[one] for one in (*FLAGGED, "uncited"))
    shown = [str(counts[one]) for one in (*VERDICTS, "uncited")]
    return [name, str(total), *shown, f"{flagged / max(total, 1):.3f}"]


# Faults: each gives the case with the fault in it, or None where there is no place for it.

Names = Sequence[str]


def _wrong_number(case: Case, chance: random.Random, _: Names) -> Case | None:
    return _requantified(case, chance, lambda one: not _is_date(one), _other_number)


def _wrong_date(case: Case, chance: random.Random, _: Names) -> Case | None:
    return _requantified(case, chance, _is_date, _other_date)


def _wrong_name(case: Case, chance: random.Random, names: Names) -> Case | None:
    """One name of the claim becomes one of another document."""
    text = case.passages[0].chunk.text
    there = [name for name in _NAME.findall(case.claim) if name in text]
    if not there:
        return None
    name, other = chance.choice(there), chance.choice(names)
    while any(word in text or word in case.passages[0].chunk.title for word in other.split()):
        other = chance.choice(names)
    return replace(case, claim=case.claim.replace(name, other))


def _wrong_sentence(case: Case, chance: random.Random, _: Names) -> Case | None:
    cited = {sentence for _, sentence in case.ids}
    others = [n + 1 for n in range(len(case.passages[0].sentences)) if n + 1 not in cited]
    return replace(case, ids=((1, chance.choice(others)),)) if others and None not in cited else None


def _wrong_passage(case: Case, chance: random.Random, _: Names) -> Case | None:
    last = case.passages[-1]
    return replace(case, ids=((last.number, chance.randint(1, len(last.sentences))),))


def _unknown_id(case: Case, _: random.Random, __: Names) -> Case | None:
    return replace(case, ids=(UNKNOWN,))


def _no_citation(case: Case, _: random.Random, __: Names) -> Case | None:
    return replace(case, ids=())


FAULTS: dict[str, Callable[[Case, random.Random, Names], Case | None]] = {
    "wrong number": _wrong_number,
    "wrong date": _wrong_date,
    "wrong name": _wrong_name,
    "wrong sentence, same passage": _wrong_sentence,
    "wrong sentence, other document": _wrong_passage,
    "unknown id": _unknown_id,
    "no citation": _no_citation,
}

_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][a-zé]{2,}(?: [A-Z][a-zé]{2,})*")
_YEAR = re.compile(r"1[0-9]{3}|20[0-2][0-9]")
_MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")


def _names(cases: Sequence[Case]) -> list[str]:
    found = {name for case in cases for name in _NAME.findall(case.passages[0].chunk.text)}
    return sorted(found)


def _is_date(one: Quantity) -> bool:
    return "#" in str(one.readings) or _YEAR.fullmatch(one.text) is not None


def _requantified(
    case: Case,
    chance: random.Random,
    wanted: Callable[[Quantity], bool],
    other: Callable[[str, random.Random], str],
) -> Case | None:
    """One number or date of the claim becomes another, which the cited passage does not hold."""
    claim = folded(case.claim)
    found = [one for one in quantities(claim) if wanted(one) and not one.weak]
    found = [one for one in found if _DIGITS.search(one.text)]
    if not found:
        return None
    one, values = chance.choice(found), values_of(folded(case.passages[0].chunk.text))
    for _ in range(20):
        text = other(claim[one.start : one.end], chance)
        if not any(another.stands_in(values) for another in quantities(text)):
            return replace(case, claim=claim[: one.start] + text + claim[one.end :])
    return None


def _other_number(text: str, chance: random.Random) -> str:
    """Another number of as many digits."""
    def digit(match: re.Match[str]) -> str:
        return str(chance.randint(1, 9))
    return re.sub(r"\d", digit, text)


def _other_date(text: str, chance: random.Random) -> str:
    """Another year, or another month where no year is given."""
    if _YEAR.search(text):
        return _YEAR.sub(lambda year: str(int(year.group()) + chance.choice((-11, -2, -1, 1, 2, 10))), text)
    return re.sub(r"[A-Z][a-z]+", chance.choice(_MONTHS), text, count=1)


# True claims.


def _squad_cases() -> Iterator[Case]:
    chance = random.Random(SEED)
    rows = [one for one in _read("squad2_dev") if one["answerable"]]
    for at, row in enumerate(rows):
        paragraph = row["paragraph"]
        other = rows[(at + len(rows) // 2) % len(rows)]["paragraph"]
        passages = _passages([paragraph, other])
        evidence = row["evidence"][0]["start"]
        place = next((n for n, one in enumerate(passages[0].sentences) if one.start <= evidence < one.end), None)
        if place is None:
            continue
        ids: Ids = ((1, place + 1),)
        if said := _statement(row["question"], row["answers"][0]):
            yield Case("question as statement", passages, said, ids)
            yield Case("the same, whole passage cited", passages, said, ((1, None),))
        if at and rows[at - 1]["paragraph"] == paragraph and rows[at - 1]["evidence"][0]["start"] // 200 == evidence // 200:
            continue  # the same evidence again
        sentence = passages[0].sentences[place].text
        yield Case("evidence, word for word", passages, sentence, ids)
        for kind, change in _CHANGES.items():
            changed = change(sentence)
            if changed != sentence:
                yield Case(kind, passages, changed, ids)
        if place:
            before = passages[0].sentences[place - 1].text
            if named := _named(sentence, before):
                yield Case("name for pronoun", passages, named, ids)
            if chance.random() < 0.5:
                joined = f"{before.rstrip('.')}, and {sentence[0].lower()}{sentence[1:]}"
                yield Case("two sentences as one", passages, joined, ((1, place), (1, place + 1)))


def _clapnq_cases() -> Iterator[Case]:
    """What people wrote as answers, with the sentences of the evidence that they drew on."""
    rows = [one for one in _read("clapnq_dev") if one["answerable"]]
    for at, row in enumerate(rows):
        other = rows[(at + len(rows) // 2) % len(rows)]
        spans = [{"doc": one["evidence"][0]["doc"], "title": one["title"]} for one in (row, other)]
        passages = _passages(spans)
        evidence = [
            number
            for number, one in enumerate(passages[0].sentences, start=1)
            if any(one.start < e["end"] and e["start"] < one.end for e in row["evidence"])
        ]
        for start, end in sentence_spans(row["answers"][0]):
            said = row["answers"][0][start:end]
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
    """A question and its answer as a statement; its grammar may limp, its words are theirs."""
    asked = question.strip().rstrip("?").strip()
    told = answer[0].upper() + answer[1:]
    if match := re.match(r"(?i)(?:when|where|in wh\w+ \w+|what year) (did|was|were|is|are|do|does) (.+)", asked):
        return f"{match[2][0].upper()}{match[2][1:]} {match[1]} {answer}."
    if match := re.match(r"(?i)(?:who|how (?:many|much)) (.+)", asked):
        return f"{told} {match[1]}."
    if match := re.match(r"(?i)what (\w+) (.+)", asked):
        return f"{told} {match[1]} {match[2]}."
    return None


def _shortened(sentence: str) -> str:
    """Without what stands in brackets or between commas in the middle."""
    return re.sub(r" ?\([^()]*\)|, (?:which|who|where|including|such as)[^,.;]*(?=,)", "", sentence)


def _reordered(sentence: str) -> str:
    """Its first clause last."""
    match = re.fullmatch(r"([A-Z][^,.;]{8,60}), ([a-z][^;]{15,})\.", sentence)
    return f"{match[2][0].upper()}{match[2][1:]}, {match[1][0].lower()}{match[1][1:]}." if match else sentence


def _renumbered(sentence: str) -> str:
    """With its numbers written in another way."""
    changed = re.sub(r"(?<=\d),(?=\d{3}\b)", "", sentence)
    changed = re.sub(rf"\b({'|'.join(_MONTHS)}) (\d\d?), (\d{{4}})", r"\2 \1 \3", changed)
    changed = re.sub(r"(?<=\d)%", " percent", changed)
    for digit, word in enumerate("two three four five six seven eight nine ten".split(), start=2):
        changed = re.sub(rf"\b{word}\b(?!-)", str(digit), changed)
    return changed


_CHANGES = {
    "evidence shortened": _shortened,
    "evidence reordered": _reordered,
    "numbers written differently": _renumbered,
}


def _named(sentence: str, before: str) -> str | None:
    """With the name that the sentence before begins with instead of its pronoun."""
    name = re.match(r"(?:The )?[A-Z]\w+(?: [A-Z]\w+)*(?= (?:is|was|has|had|were|are) )", before)
    if name and (match := re.match(r"(?:He|She|It|They) (?=is|was|has|had|were|are)", sentence)):
        return f"{name.group()} {sentence[match.end():]}"
    return None


# Reading.


def _read(name: str) -> list[dict[str, object]]:
    lines = (sets.DATA / name / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _passages(spans) -> tuple[Passage, ...]:
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
    folder = next(one for one in ("squad2_dev", "clapnq_dev") if (sets.DATA / one / "docs" / document).is_file())
    return (sets.DATA / folder / "docs" / document).read_bytes().decode()


if __name__ == "__main__":
    main()
