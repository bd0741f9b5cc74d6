"""What a search of a set comes to, question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench import sets
from corpus.embedding import Tokens
from corpus.legibility import legibility
from corpus.settings import Settings
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query, Vectors
from rag.evaluation.bootstrap import Difference, Floats, compare, mean_of
from rag.evaluation.retrieval import Ranking, document_values, span_values

DEPTH = 100
"""Hits that are looked at."""

BY_DOCUMENT, BY_PASSAGE = ("ndcg@10", "recall@5"), ("hit@1", "hit@5")

_RESAMPLES = 2000  # of the bootstrap
_CLAIMS = "scifact_dev"
"""The set whose questions are claims: all of them are asked."""

Values = list[dict[str, float]]
"""What each question is worth, by measure."""


def answerable(name: str, snapshot: Snapshot) -> list[sets.Asked]:
    """The answerable questions of a set; all of the one whose questions are claims."""
    asked = sets.questions(name, snapshot)
    return [one for one in asked if one.item.answerable or name == _CLAIMS]


@dataclass(frozen=True, slots=True)
class Searching:
    """Searches of a snapshot as the service does them, but for the way and the vector."""

    snapshot: Snapshot
    settings: Settings
    tokens: Tokens

    def hits(self, text: str, vector: Vectors, mode: Mode = Mode.HYBRID) -> Sequence[Hit]:
        """The hits of a question by one way of searching."""
        weight = self.settings.retrieval.dense_weight * legibility(text, self.tokens)
        return self.snapshot.search(Query(text, vector, DEPTH, mode, DEPTH, weight))


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


def difference(before: Floats, after: Floats) -> Difference:
    """The mean of the second less that of the first, with the interval of a paired bootstrap."""
    sides = {"": mean_of(before)}, {"": mean_of(after)}
    return compare(*sides, len(after), _RESAMPLES, seed=0)[""]
