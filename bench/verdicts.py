"""What verdicts are worth: true claims that are flagged, planted faults that are not.

A scripted engine says what is true (see :mod:`bench.claims`). Then one fault is planted
into each claim that has a place for it: another number, date or name, another sentence, an
id that is not there, no citation. The text goes the whole way: markers, citations, verdicts.

    python -m bench.verdicts
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bench import results
from bench.claims import MONTHS, Case, true_claims
from rag.checking.citations import AnswerWriter
from rag.checking.folding import folded
from rag.checking.quantities import Quantity, quantities, values_of
from rag.engines.vllm.markers import Markers

SEED = 20
FLAGGED = ("partial", "unsupported")
VERDICTS = ("verbatim", "supported", "unchecked", *FLAGGED)
UNCITED = "uncited"  # listed as a sentence without citation

Fault = Callable[[Case, random.Random, Sequence[str]], Case | None]
"""Gives a case with a fault in it, None where there is no place for one; names to choose from."""


def main() -> None:
    """Check every claim as it is and with each fault, and print two tables."""
    cases = true_claims(SEED)
    names, chance = _names(cases), random.Random(SEED)
    true: dict[str, Counter[str]] = {}
    planted: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
    for case in cases:
        true.setdefault(case.kind, Counter())[told(case)] += 1
        for fault, plant in FAULTS.items():
            if spoilt := plant(case, chance, names):
                planted[fault][told(spoilt)] += 1
    true["all"] = sum(true.values(), Counter[str]())
    for title, counts in (("true claims", true), ("planted faults", planted)):
        head = [title, "claims", *VERDICTS, UNCITED, "flagged"]
        results.table(head, [_row(name, one) for name, one in counts.items()])
    results.save("verdicts", {"true claims": true, "planted faults": planted})


def told(case: Case) -> str:
    """What a reader is told of a claim: its worst verdict, or that nothing is cited for it."""
    ids = "".join(f"[{p}]" if s is None else f"[{p}.{s}]" for p, s in case.ids)
    markers, writer = Markers(case.passages), AnswerWriter(case.passages)
    for piece in [*markers.feed(f"{case.claim} {ids}"), *markers.end()]:
        writer.add(piece)
    writer.finish()
    if not writer.citations:
        return UNCITED if writer.uncited() else "no claim"
    return max((one.verdict.value for one in writer.citations), key=VERDICTS.index)


def _row(name: str, counts: Counter[str]) -> list[str]:
    total, flagged = counts.total(), sum(counts[one] for one in (*FLAGGED, UNCITED))
    shown = [str(counts[one]) for one in (*VERDICTS, UNCITED)]
    return [name, str(total), *shown, f"{flagged / max(total, 1):.3f}"]


def _wrong_number(case: Case, chance: random.Random, _: Sequence[str]) -> Case | None:
    return _requantified(case, chance, lambda one: not _is_date(one), _other_number)


def _wrong_date(case: Case, chance: random.Random, _: Sequence[str]) -> Case | None:
    return _requantified(case, chance, _is_date, _other_date)


def _wrong_name(case: Case, chance: random.Random, names: Sequence[str]) -> Case | None:
    """A name of the claim becomes one that neither passage nor title has a word of."""
    known = set(names)
    there = [name for name in _NAME.findall(case.claim) if name in known]
    if not there:
        return None
    chunk = case.passages[0].chunk
    around, name, other = f"{chunk.title} {chunk.text}", chance.choice(there), ""
    while not other or any(word in around for word in other.split()):
        other = chance.choice(names)
    return replace(case, claim=case.claim.replace(name, other))


def _wrong_sentence(case: Case, chance: random.Random, _: Sequence[str]) -> Case | None:
    cited = {sentence for _, sentence in case.ids}
    others = set(range(1, len(case.passages[0].sentences) + 1)) - cited
    if None in cited or not others:
        return None
    return replace(case, ids=((1, chance.choice(sorted(others))),))


def _wrong_document(case: Case, chance: random.Random, _: Sequence[str]) -> Case | None:
    last = case.passages[-1]
    return replace(case, ids=((last.number, chance.randint(1, len(last.sentences))),))


def _unknown_id(case: Case, _: random.Random, __: Sequence[str]) -> Case | None:
    return replace(case, ids=((9, 9),))


def _no_citation(case: Case, _: random.Random, __: Sequence[str]) -> Case | None:
    return replace(case, ids=())


FAULTS: dict[str, Fault] = {
    "wrong number": _wrong_number,
    "wrong date": _wrong_date,
    "wrong name": _wrong_name,
    "wrong sentence, same passage": _wrong_sentence,
    "wrong sentence, other document": _wrong_document,
    "unknown id": _unknown_id,
    "no citation": _no_citation,
}

_NAME = re.compile(r"\b[A-Z][a-zé]{2,}(?: [A-Z][a-zé]{2,})*")
_WITHIN = re.compile(r"(?<=[a-z,] )" + _NAME.pattern)  # where no sentence begins
_YEAR = re.compile(r"1[0-9]{3}|20[0-2][0-9]")


def _names(cases: Iterable[Case]) -> list[str]:
    """Names of all passages, without months and what is also written small."""
    texts = list({case.passages[0].chunk.text for case in cases})
    small = {word for text in texts for word in re.findall(r"\b[a-z]+\b", text)}.union(
        month.lower() for month in MONTHS
    )
    found = {name for text in texts for name in _WITHIN.findall(text)}
    return sorted(name for name in found if small.isdisjoint(name.lower().split()))


def _is_date(one: Quantity) -> bool:
    return "#" in str(one.readings) or _YEAR.fullmatch(one.text) is not None


def _requantified(
    case: Case,
    chance: random.Random,
    is_wanted: Callable[[Quantity], bool],
    other: Callable[[str, random.Random], str],
) -> Case | None:
    """A number or date of the claim becomes another, which the cited passage does not hold."""
    claim, values = folded(case.claim), values_of(folded(case.passages[0].chunk.text))
    found = [one for one in quantities(claim) if is_wanted(one) and re.search(r"\d", one.text)]
    if not found:
        return None
    one = chance.choice(found)
    for _ in range(20):
        text = other(claim[one.start : one.end], chance)
        if not any(another.stands_in(values) for another in quantities(text)):
            return replace(case, claim=claim[: one.start] + text + claim[one.end :])
    return None


def _other_number(text: str, chance: random.Random) -> str:
    """Another number of as many digits."""
    return re.sub(r"\d", lambda _: str(chance.randint(1, 9)), text)


def _other_date(text: str, chance: random.Random) -> str:
    """Another year, or another month where no year is given."""
    if not _YEAR.search(text):
        return re.sub(r"[A-Z][a-z]+", chance.choice(MONTHS), text, count=1)
    years = chance.choice((-11, -2, -1, 1, 2, 10))
    return _YEAR.sub(lambda year: str(int(year.group()) + years), text)


if __name__ == "__main__":
    main()
