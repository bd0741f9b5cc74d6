"""What a search of a set comes to, question by question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query
from rag.evaluation.bootstrap import Floats
from rag.evaluation.retrieval import Ranking, document_values, span_values

DEPTH = 100
"""Hits that are looked at."""

RESAMPLES = 2000  # of the bootstrap
BY_DOCUMENT, BY_PASSAGE = ("ndcg@10", "recall@5"), ("hit@1", "hit@5")

Values = list[dict[str, float]]
"""What each question is worth, by measure."""


def search(snapshot: Snapshot, query: Query, mode: Mode) -> Sequence[Hit]:
    """The hits of a question by one way of searching."""
    return snapshot.search(
        Query(query.text, query.vector, query.k, mode, DEPTH, query.dense_weight)
    )


def values(rankings: Sequence[Ranking]) -> Values:
    """By document and by passage; a question whose gold is not in the snapshot has no value."""
    pairs = zip(document_values(rankings), span_values(rankings), strict=True)
    return [
        {name: documents[name] for name in BY_DOCUMENT if documents}
        | {name: spans[name] for name in BY_PASSAGE if spans}
        for documents, spans in pairs
    ]


def leading(found: Values) -> Floats:
    """nDCG@10 of each question, or hit@1 where no documents are judged; NaN: it has none."""
    measure = "ndcg@10" if any("ndcg@10" in one for one in found) else "hit@1"
    return np.array([one.get(measure, np.nan) for one in found])
