"""What the extractive engine answers: gold in quotes, exact citations, abstentions.

For every question of a set, answerable or not, the whole way of a question is gone:
search, passages, engine, citations.

    python -m bench.answers [SET ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench import results, sets
from corpus.embedding import ChunkEncoder
from corpus.encoders.documents import DocumentEncoder
from corpus.settings import load
from corpus.store import Store
from rag.answerer import Answerer
from rag.answers import Question
from rag.engines.extractive import ExtractiveEngine
from rag.evaluation.answering import Answered, in_quotes, judged
from rag.evaluation.locating import Gold, Locator
from rag.evaluation.questions import Item
from rag.live import LiveCorpus

DEFAULT_SETS = ("squad2_dev", "clapnq_dev", "redis_docs_dev", sets.DEMO)


@dataclass(slots=True)
class Counts:
    """Sums over the questions of a set."""

    answerable: int = 0
    answered: int = 0  # of these
    gold_quoted: int = (
        0  # of these: a gold answer, or a gold passage where none is given, in a quote
    )
    unanswerable: int = 0
    abstained: int = 0  # of these
    quotes: int = 0
    exact_quotes: int = 0  # equal to the span of the document that they name
    quoted_chars: int = 0


def main(names: Sequence[str]) -> None:
    """Measure each set and print one table."""
    encoder = DocumentEncoder(load({}).embedding)
    measured = {name: summary(measure(name, encoder)) for name in names}
    columns = list(next(iter(measured.values())))
    rows = [
        [
            name,
            *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in one.values()),
        ]
        for name, one in measured.items()
    ]
    results.table(["set", *columns], rows)
    results.save("answers", measured)


def measure(name: str, encoder: ChunkEncoder) -> Counts:
    """Ask every question of a set."""
    snapshot, settings = sets.open_store(name, encoder)
    live = LiveCorpus(Store(settings.store), encoder)
    answerer = Answerer(live, encoder, [ExtractiveEngine()], settings.retrieval)
    counts = Counts()
    text_of = Locator(snapshot).text
    for one in sets.questions(name, snapshot):
        item, gold = one.item, one.gold
        answer = answerer.answer(Question(item.question, settings.answer.k))
        _count(counts, item, gold, judged(item, gold, answer, (), text_of))
    return counts


def summary(counts: Counts) -> dict[str, float | int]:
    """The shares that the counts come to."""
    return {
        "answerable": counts.answerable,
        "answered": counts.answered / max(counts.answerable, 1),
        "gold in quotes": counts.gold_quoted / max(counts.answerable, 1),
        "unanswerable": counts.unanswerable,
        "abstained": counts.abstained / max(counts.unanswerable, 1),
        "quotes": counts.quotes,
        "exact": counts.exact_quotes / max(counts.quotes, 1),
        "chars per quote": round(counts.quoted_chars / max(counts.quotes, 1)),
    }


def _count(counts: Counts, item: Item, gold: Sequence[Gold], one: Answered) -> None:
    counts.quotes += len(one.citations)
    counts.exact_quotes += sum(citation.exact for citation in one.citations)
    counts.quoted_chars += sum(len(citation.quote) for citation in one.citations)
    if item.answerable:
        counts.answerable += 1
        counts.answered += one.status == "answered"
        counts.gold_quoted += in_quotes(item, gold, one.citations)
    else:
        counts.unanswerable += 1
        counts.abstained += one.status == "abstained"


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT_SETS)
