"""What a ranking is worth: recall, hits, reciprocal rank and nDCG. The home of ir-measures.

By span, a hit is good when it overlaps a gold stretch. ``recall@k`` is the share of a
question's stretches that one of the first k hits overlaps, ``hit@k`` whether any is; ``mrr`` is one
over the place of the first good hit, 0 where none of the hits is good. In ``ndcg@10`` a hit gains
the number of stretches that it is the first to show, so that a long chunk that shows two
is worth two short ones, and showing the same twice gains nothing.

By document, only the best hit of each document counts. All figures are trec_eval's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import RR, R, Success, nDCG

from corpus.types import Chunk
from rag.evaluation.locating import Gold

CUTOFFS = (1, 5, 10)
_SEEN = {"mrr": RR, "ndcg@10": nDCG @ 10}
_RECALL = {f"recall@{k}": R @ k for k in CUTOFFS}
_HITS = {f"hit@{k}": Success @ k for k in CUTOFFS}

_Table = dict[str, dict[str, int]]  # question -> item -> relevance
_Scores = dict[str, dict[str, float]]  # question -> item -> score


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a search found for one question, and what it should have found."""

    chunks: Sequence[Chunk]  # best first
    gold: Sequence[Gold] = ()
    relevant: Mapping[str, int] | None = None  # document -> how relevant, above 0


def span_values(rankings: Sequence[Ranking]) -> list[dict[str, float]]:
    """The measures by span of each ranking; empty for one without gold."""
    judged: _Table = {}
    run: _Scores = {}
    single: _Table = {}
    single_run: _Scores = {}
    for number, one in enumerate(rankings):
        places = [_place(one.chunks, gold) for gold in one.gold]
        if not places:
            continue
        judged[str(number)] = _gains(places)
        run[str(number)] = {_name(place): -float(place) for place in range(1, len(one.chunks) + 1)}
        for gold, place in enumerate(places):
            # A stretch as a question of its own, which its first good hit answers.
            single[f"{number} {gold}"] = {_name(place): 1}
            single_run[f"{number} {gold}"] = {
                _name(rank): -float(rank) for rank in range(1, min(place or CUTOFFS[-1], 1000) + 1)
            }
    values = _calculated({**_HITS, **_SEEN}, judged, run)
    of_each = _calculated(_RECALL, single, single_run)
    for number, one in enumerate(rankings):
        shares = [of_each[f"{number} {gold}"] for gold in range(len(one.gold))]
        if shares:
            recall = {name: sum(s[name] for s in shares) / len(shares) for name in _RECALL}
            values[str(number)] = {**recall, **values[str(number)]}
    return [values.get(str(number), {}) for number in range(len(rankings))]


def document_values(rankings: Sequence[Ranking]) -> list[dict[str, float]]:
    """The measures by document of each ranking; empty for one without relevant documents."""
    judged = {str(n): dict(one.relevant) for n, one in enumerate(rankings) if one.relevant}
    run = {
        number: {name: -float(place) for place, name in enumerate(_documents(rankings, number))}
        for number in judged
    }
    values = _calculated({**_RECALL, **_SEEN}, judged, run)
    return [values.get(str(number), {}) for number in range(len(rankings))]


def first_good(ranking: Ranking) -> int | None:
    """Place of the first hit that overlaps gold, from 1; None where none does."""
    return min(filter(None, (_place(ranking.chunks, gold) for gold in ranking.gold)), default=None)


def is_good(chunk: Chunk, gold: Iterable[Gold]) -> bool:
    """Whether a chunk overlaps a gold stretch."""
    return any(
        chunk.document_id == one.document and chunk.start < one.end and one.start < chunk.end
        for one in gold
    )


def _place(chunks: Sequence[Chunk], gold: Gold) -> int:
    """Place of the first chunk that overlaps a gold stretch, from 1; 0 where none does."""
    return next((n for n, chunk in enumerate(chunks, start=1) if is_good(chunk, [gold])), 0)


def _gains(places: Sequence[int]) -> dict[str, int]:
    """What each hit is the first to show, by its name; what no hit shows stands alone."""
    gains = {_name(place): places.count(place) for place in places if place}
    return gains | {f"missed {n}": 1 for n in range(places.count(0))}


def _name(place: int) -> str:
    return f"hit {place}" if place else "missed"


def _documents(rankings: Sequence[Ranking], number: str) -> list[str]:
    return list(dict.fromkeys(chunk.document_id for chunk in rankings[int(number)].chunks))


def _calculated(
    measures: Mapping[str, ir_measures.Measure], judged: _Table, run: _Scores
) -> dict[str, dict[str, float]]:
    """Values by question and measure. A question for which nothing was found has zeros."""
    names = {measure: name for name, measure in measures.items()}
    values: dict[str, dict[str, float]] = {question: {} for question in judged}
    if judged:
        found = {question: scores for question, scores in run.items() if scores}
        evaluator = ir_measures.pytrec_eval.evaluator(list(measures.values()), judged)
        for one in evaluator.iter_calc(found):
            values[one.query_id][names[one.measure]] = float(one.value)
    return {question: {name: row[name] for name in measures} for question, row in values.items()}
