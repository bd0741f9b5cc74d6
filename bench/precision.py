"""What int8 costs in retrieval: the compiled model held against float32, question by question.

For each set by vectors alone (`dense`) and by the mixture that the service uses: nDCG@10 by
document (hit@1, where no documents are judged) with documents and questions embedded by the
compiled model, less the same with both in float32, and the 95 % interval of a paired bootstrap.
At the end the questions of all sets together. Answerable questions, but for the set whose
questions are claims.

    python -m bench.precision [--documents FORM] [SET ...]

Documents may be in another form of `bench/forms.py` than int8. A store keeps the vectors that it
has, so each form has stores of its own; remove them where a graph is made anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench import forms, results, sets
from bench.rankings import Searching, answerable, difference, leading, values
from bench.retrieval import DEFAULT_SETS
from corpus.embedding import ChunkEncoder, Encoder
from corpus.encoders.questions import QuestionEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.types import Mode
from rag.evaluation.bootstrap import Difference, Floats
from rag.evaluation.retrieval import Ranking

SETS = tuple(name for name in DEFAULT_SETS if name != sets.DEMO)  # it has 56 questions
WAYS = {"dense": Mode.DENSE, "mixture": Mode.HYBRID}
EXACT = "float32"

Columns = dict[str, Floats]
"""By way of searching, what each question is worth."""


def main(names: Sequence[str], form: str) -> None:
    """Measure each set and print one table."""
    tested = _measured(names, form, QuestionEncoder(forms.SETTINGS))
    exact = _measured(names, EXACT, SentenceTransformerEncoder(forms.SETTINGS))
    pairs = dict(zip(names, zip(exact, tested, strict=True), strict=True))
    pairs["all"] = _together(exact), _together(tested)
    saved, rows = {}, []
    for name, (before, after) in pairs.items():
        found = {way: difference(before[way], after[way]) for way in WAYS}
        saved[name] = {way: asdict(one) for way, one in found.items()}
        rows.append([name, str(len(after["dense"])), *map(_shown, found.values())])
    results.table(["set", "questions", *WAYS], rows)
    results.save("precision", saved)


def _measured(names: Sequence[str], form: str, asking: Encoder) -> list[Columns]:
    """Documents in one form, questions by one encoder."""
    encoder, stores = forms.FORMS[form](), sets.STORES / f"in-{form}"
    return [_columns(name, encoder, stores, asking) for name in names]


def _columns(name: str, encoder: ChunkEncoder, stores: Path, asking: Encoder) -> Columns:
    snapshot, settings = sets.open_store(name, encoder, stores)
    searching = Searching(snapshot, settings, encoder.tokens)
    found: dict[str, list[Ranking]] = {way: [] for way in WAYS}
    for one in answerable(name, snapshot):
        vector = asking.encode_query(one.item.question)
        for way, mode in WAYS.items():
            hits = searching.hits(one.item.question, vector, mode)
            found[way].append(Ranking([hit.chunk for hit in hits], one.gold, one.relevant))
    return {way: leading(values(rankings)) for way, rankings in found.items()}


def _together(columns: Sequence[Columns]) -> Columns:
    return {way: np.concatenate([one[way] for one in columns]) for way in WAYS}


def _shown(one: Difference) -> str:
    return f"{one.after:.4f} {one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", choices=forms.FORMS, default="int8")
    parser.add_argument("names", nargs="*", metavar="SET", default=SETS)
    asked = parser.parse_args()
    main(asked.names, asked.documents)
