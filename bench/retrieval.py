"""Which share of the questions finds its gold passage among the first hits.

Dense alone, words alone, and both fused in two ways: by the mixture that the service uses,
and by reciprocal rank fusion (Cormack et al., SIGIR 2009, k = 60). Questions are embedded as
the service does it, by the compiled model; `uncompiled` is the mixture with the model as it is.

    python -m bench.retrieval [SET ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from bench import results, sets
from corpus.encoders.questions import QuestionEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.settings import load
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query, Vectors
from rag.evaluation.locating import Gold
from rag.evaluation.retrieval import Ranking, span_values

DEFAULT_SETS = ("squad2_dev", "clapnq_dev", "redis_docs_dev", sets.DEMO)
DEPTH = 100
RRF_K = 60


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    encoder = SentenceTransformerEncoder(load({}).embedding)
    measured = {name: measure(name, encoder) for name in names}
    rows = [
        [f"{name} {way}", *(f"{share:.3f}" for share in shares.values())]
        for name, ways in measured.items()
        for way, shares in ways.items()
    ]
    results.table(["answerable questions", "hit@1", "hit@5", "hit@10"], rows)
    results.save("retrieval", measured)


def measure(name: str, encoder: SentenceTransformerEncoder) -> dict[str, dict[str, float]]:
    """Shares of the answerable questions of a set, by way of searching and depth."""
    snapshot, settings = sets.open_store(name, encoder)
    items = [one for one in sets.questions(name, snapshot) if one[0].answerable]
    compiled = QuestionEncoder(settings.embedding)
    found: dict[str, list[Ranking]] = {
        way: [] for way in ("dense", "words", "rank fusion", "mixture", "uncompiled")
    }
    for item, gold in items:
        text = item.question
        vector, uncompiled = compiled.encode_query(text), encoder.encode_query(text)
        dense = _search(snapshot, text, vector, Mode.DENSE)
        words = _search(snapshot, text, vector, Mode.WORDS)
        found["dense"].append(_ranking(dense, gold))
        found["words"].append(_ranking(words, gold))
        found["rank fusion"].append(_ranking(_reciprocal(dense, words), gold))
        for way, one in (("mixture", vector), ("uncompiled", uncompiled)):
            query = Query(text, one, 10, Mode.HYBRID, DEPTH, settings.retrieval.dense_weight)
            found[way].append(_ranking(snapshot.search(query), gold))
    return {way: _shares(rankings) for way, rankings in found.items()}


def _shares(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Shares of the questions; one whose gold is not in the snapshot counts as a miss."""
    values = span_values(rankings)
    return {
        name: float(np.mean([one.get(name, 0.0) for one in values]))
        for name in ("hit@1", "hit@5", "hit@10")
    }


def _ranking(hits: Sequence[Hit], gold: Sequence[Gold]) -> Ranking:
    return Ranking([hit.chunk for hit in hits], gold)


def _search(snapshot: Snapshot, text: str, vector: Vectors, mode: Mode) -> Sequence[Hit]:
    return snapshot.search(Query(text, vector, DEPTH, mode))


def _reciprocal(*rankings: Sequence[Hit]) -> list[Hit]:
    scores: dict[int, float] = {}
    hits = {hit.chunk.id: hit for ranking in rankings for hit in ranking}
    for ranking in rankings:
        for hit in ranking:
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + 1 / (RRF_K + hit.rank)
    return [hits[chunk] for chunk in sorted(scores, key=lambda chunk: -scores[chunk])]


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT_SETS)
