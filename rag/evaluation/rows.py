"""What a run keeps of a question: its values, and enough of what was found to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from corpus.types import Chunk, Hit
from rag.evaluation import retrieval
from rag.evaluation.answering import Answered
from rag.evaluation.locating import Gold
from rag.evaluation.questions import Item
from rag.evaluation.retrieval import Ranking
from rag.evaluation.runs import Found, Row

_KEPT = 5  # hits of a question, beside the first good one
_TEXT = 240  # characters of a hit
_BEFORE = 60  # of these, before its gold


def row_of(
    item: Item,
    ranking: Ranking,
    hits: Sequence[Hit],
    spans: Mapping[str, float],
    documents: Mapping[str, float],
) -> Row:
    """A question that was searched for.

    :param spans, documents: the measures by span and by document.
    """
    first = retrieval.first_good(ranking)
    return Row(
        id=item.id,
        question=item.question,
        answerable=item.answerable,
        answers=item.answers,
        masked=item.masked,
        gold=tuple(ranking.gold),
        rank=first,
        values={**_prefixed("spans", spans), **_prefixed("documents", documents)},
        found=tuple(
            _found(hit, ranking.gold) for hit in hits if hit.rank <= _KEPT or hit.rank == first
        ),
    )


def with_answer(row: Row, answered: Answered, values: Mapping[str, float]) -> Row:
    """The same question, answered."""
    return replace(row, answered=answered, values={**row.values, **_prefixed("answers", values)})


def _found(hit: Hit, gold: Sequence[Gold]) -> Found:
    chunk = hit.chunk
    return Found(
        hit.rank,
        chunk.document_id,
        chunk.start,
        chunk.end,
        hit.score,
        _shown(chunk, gold),
        retrieval.is_good(chunk, gold),
    )


def _shown(chunk: Chunk, gold: Sequence[Gold]) -> str:
    """The beginning of a chunk, or what stands around the first gold in it."""
    starts = [one.start for one in gold if retrieval.is_good(chunk, [one])]
    begin = max(0, min(starts, default=0) - chunk.start - _BEFORE)
    return ("…" if begin else "") + chunk.text[begin : begin + _TEXT]


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}.{name}": value for name, value in values.items()}
