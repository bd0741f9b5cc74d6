"""What search finds on every set with questions: the service's own, and what it is made of.

For each set dense alone, words alone, both by reciprocal rank fusion (Cormack et al., SIGIR
2009, k = 60) and by the mixture that the service uses. Questions are embedded as the service does
it, by the compiled model; `uncompiled` is the mixture with the model as it is. `plain BM25` is what
the README of the data gives for windows of 150 words, unstemmed. Answerable questions, but for the
set whose questions are claims.

By document nDCG@10 and recall@5; by passage whether the first overlaps gold, and whether one of
the first five does. `least` is what the mixture gains on the better of dense and words in nDCG@10
(hit@1, where no documents are judged), with the 95 % interval of a paired bootstrap.

    python -m bench.retrieval [SET ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench import forms, results, sets
from bench.rankings import (
    BY_DOCUMENT,
    BY_PASSAGE,
    Searching,
    Values,
    answerable,
    difference,
    leading,
    values,
)
from corpus.embedding import ChunkEncoder
from corpus.encoders.questions import QuestionEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.types import Hit, Mode
from rag.evaluation.retrieval import Ranking

DEFAULT_SETS = (
    "squad2_dev", "clapnq_dev", "hotpotqa_mh_dev", "techdocs_dev", "redis_docs_dev", "scifact_dev",
    "xquad_dev", sets.DEMO,
)  # fmt: skip
SMALL_SETS = ("squad2_dev", "clapnq_dev", "redis_docs_dev", sets.DEMO)
WAYS = ("dense", "words", "rank fusion", "mixture", "uncompiled")
RRF_K = 60

BASELINES = {
    "squad2_dev": {"hit@1": 0.806, "hit@5": 0.947},
    "clapnq_dev": {"ndcg@10": 0.784, "recall@5": 0.849},
    "hotpotqa_mh_dev": {"ndcg@10": 0.750, "recall@5": 0.755},
    "techdocs_dev": {"ndcg@10": 0.896, "recall@5": 0.913},
    "redis_docs_dev": {"ndcg@10": 0.756, "recall@5": 0.853},
    "scifact_dev": {"ndcg@10": 0.656, "recall@5": 0.708},
    "xquad_dev zh": {"ndcg@10": 0.291, "recall@5": 0.326},
}
"""Of the README of the data: BM25, k1 0.9, b 0.4."""

_LANGUAGES = "xquad_dev"


@dataclass(frozen=True, slots=True)
class _Part:
    """Questions that are measured together."""

    name: str
    values: Mapping[str, Values]  # by way of searching

    def means(self) -> dict[str, dict[str, float]]:
        """By way and measure."""
        return {
            way: {
                name: float(np.mean([one[name] for one in found if name in one]))
                for name in (*BY_DOCUMENT, *BY_PASSAGE)
                if any(name in one for one in found)
            }
            for way, found in self.values.items()
        }

    def least(self) -> dict[str, float]:
        """What the mixture gains on the better of the two it is made of."""
        column = {way: leading(self.values[way]) for way in ("dense", "words", "mixture")}
        better = max(("dense", "words"), key=lambda way: np.nanmean(column[way]))
        found = difference(column[better], column["mixture"])
        return {"difference": found.difference, "low": found.low, "high": found.high}


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    encoder = forms.FORMS["int8"]()
    rows, saved = [], {}
    for name in names:
        for part in _parts(name, _measured(name, encoder)):
            means, least = part.means(), part.least()
            saved[part.name] = {**means, "least": least}
            rows += _rows(part.name, means, least)
    results.table(["questions", *BY_DOCUMENT, *BY_PASSAGE, "least"], rows)
    results.save("retrieval", saved)


def _rows(
    name: str, means: dict[str, dict[str, float]], least: dict[str, float]
) -> Iterator[list[str]]:
    interval = f"{least['difference']:+.3f} ({least['low']:+.3f} to {least['high']:+.3f})"
    for way, found in {"plain BM25": BASELINES.get(name, {}), **means}.items():
        shown = [found.get(one, np.nan) for one in (*BY_DOCUMENT, *BY_PASSAGE)]
        figures = ["" if np.isnan(one) else f"{one:.3f}" for one in shown]
        if any(figures):
            yield [f"{name} {way}", *figures, interval if way == "mixture" else ""]


def _parts(name: str, measured: tuple[list[str], dict[str, Values]]) -> Iterator[_Part]:
    """A set, or each language of the one that has several."""
    ids, by_way = measured
    if name != _LANGUAGES:
        yield _Part(name, by_way)
        return
    for language in sorted({one.partition(":")[0] for one in ids}):
        chosen = [n for n, one in enumerate(ids) if one.startswith(f"{language}:")]
        picked = {way: [found[n] for n in chosen] for way, found in by_way.items()}
        yield _Part(f"{name} {language}", picked)


def _measured(name: str, encoder: ChunkEncoder) -> tuple[list[str], dict[str, Values]]:
    """The ids of the questions of a set, and what they are worth by each way of searching."""
    snapshot, settings = sets.open_store(name, encoder)
    asked, searching = answerable(name, snapshot), Searching(snapshot, settings, encoder.tokens)
    compiled = QuestionEncoder(settings.embedding)
    original = SentenceTransformerEncoder(settings.embedding)
    ways = WAYS[:-1] if name == _LANGUAGES else WAYS
    found: dict[str, list[Ranking]] = {way: [] for way in ways}
    for one in asked:
        text = one.item.question
        vector = compiled.encode_query(text)
        dense = searching.hits(text, vector, Mode.DENSE)
        words = searching.hits(text, vector, Mode.WORDS)
        hits = {
            "dense": dense,
            "words": words,
            "rank fusion": _reciprocal(dense, words),
            "mixture": searching.hits(text, vector),
        }
        if "uncompiled" in ways:
            hits["uncompiled"] = searching.hits(text, original.encode_query(text))
        for way in ways:
            chunks = [hit.chunk for hit in hits[way]]
            found[way].append(Ranking(chunks, one.gold, one.relevant))
    return [one.item.id for one in asked], {way: values(found[way]) for way in ways}


def _reciprocal(*rankings: Sequence[Hit]) -> list[Hit]:
    scores: dict[int, float] = {}
    hits = {hit.chunk.id: hit for ranking in rankings for hit in ranking}
    for ranking in rankings:
        for hit in ranking:
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + 1 / (RRF_K + hit.rank)
    return [hits[chunk] for chunk in sorted(scores, key=lambda chunk: -scores[chunk])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="SET", default=DEFAULT_SETS)
    main(parser.parse_args().names)
