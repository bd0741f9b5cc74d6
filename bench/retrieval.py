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
from bench.sets import Item, Span
from corpus.encoders.questions import QuestionEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query, Vectors

DEFAULT_SETS = ("squad2_dev", "clapnq_dev", "redis_docs_dev", sets.DEMO)
DEPTH = 100
RRF_K = 60


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    encoder = SentenceTransformerEncoder(sets.load({}).embedding)
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
    items = [one for one in sets.questions(name, snapshot.document) if one.answerable]
    compiled = QuestionEncoder(settings.embedding)
    ways = ("dense", "words", "rank fusion", "mixture", "uncompiled")
    ranks: dict[str, list[int]] = {way: [] for way in ways}
    for item in items:
        vector, uncompiled = compiled.encode_query(item.text), encoder.encode_query(item.text)
        dense = _search(snapshot, item, vector, Mode.DENSE)
        words = _search(snapshot, item, vector, Mode.WORDS)
        ranks["dense"].append(_rank(dense, item.gold))
        ranks["words"].append(_rank(words, item.gold))
        ranks["rank fusion"].append(_rank(_reciprocal(dense, words), item.gold))
        for way, one in (("mixture", vector), ("uncompiled", uncompiled)):
            query = Query(item.text, one, 10, Mode.HYBRID, DEPTH, settings.retrieval.dense_weight)
            ranks[way].append(_rank(snapshot.search(query), item.gold))
    return {
        way: {f"hit@{k}": float(np.mean([rank <= k for rank in found])) for k in (1, 5, 10)}
        for way, found in ranks.items()
    }


def _search(snapshot: Snapshot, item: Item, vector: Vectors, mode: Mode) -> Sequence[Hit]:
    return snapshot.search(Query(item.text, vector, DEPTH, mode))


def _reciprocal(*rankings: Sequence[Hit]) -> list[Hit]:
    scores: dict[int, float] = {}
    hits = {hit.chunk.id: hit for ranking in rankings for hit in ranking}
    for ranking in rankings:
        for hit in ranking:
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + 1 / (RRF_K + hit.rank)
    return [hits[chunk] for chunk in sorted(scores, key=lambda chunk: -scores[chunk])]


def _rank(hits: Sequence[Hit], gold: Sequence[Span]) -> int:
    """Place of the first hit that overlaps a gold span, from 1; beyond all when none does."""
    for place, hit in enumerate(hits, start=1):
        chunk = hit.chunk
        for document, start, end in gold:
            if chunk.document_id == document and chunk.start < end and start < chunk.end:
                return place
    return DEPTH + 1


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT_SETS)
