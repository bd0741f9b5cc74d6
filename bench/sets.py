"""The evaluation sets: their documents in a store of their own, and their questions.

The data is described in the README beside it; it is never copied into the project.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from corpus.embedding import ChunkEncoder
from corpus.settings import Settings, load
from corpus.snapshot import Snapshot
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from rag.evaluation.locating import Gold, Locator
from rag.evaluation.qrels import read_qrels
from rag.evaluation.questions import Item, read_questions

PROJECT = Path(__file__).parent.parent
DATA = Path(os.environ.get("RAG_DATA", PROJECT.parent / "shared" / "data"))
STORES = Path(os.environ.get("BENCH_STORES", PROJECT / "build" / "bench-stores"))
DEMO = "demo"

MAX_QUESTION_CHARS = 100_000
"""What is measured is not what the service lets through."""


def folder_of(name: str) -> Path:
    """Where the documents of a set are: a folder, or one file of records."""
    if name == DEMO:
        return PROJECT / "corpus" / "documents"
    docs, records = DATA / name / "docs", DATA / name / "corpus.jsonl"
    return docs if docs.is_dir() else records


def open_store(
    name: str, encoder: ChunkEncoder, stores: Path = STORES
) -> tuple[Snapshot, Settings]:
    """Ingest a set into a store that is kept for the next measurement, and open it."""
    settings = load({}, {"store": stores / name})
    store = Store(settings.store)
    runner = Runner(Means(store, settings, encoder, Silent()))
    runner.ingest([folder_of(name)], Options(max_delete_percent=100))
    return store.open(), settings


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a set, with what should be found for it."""

    item: Item
    gold: tuple[Gold, ...]
    relevant: Mapping[str, int] | None  # document -> how relevant


def questions(name: str, snapshot: Snapshot) -> list[Asked]:
    """The questions of a set whose answerability is known."""
    at = PROJECT / "tests" / "demo" if name == DEMO else DATA / name
    locator = Locator(snapshot)
    items = read_questions(at / "questions.jsonl", MAX_QUESTION_CHARS).items
    table = at / "qrels.tsv"
    relevant = read_qrels(table).relevant if table.is_file() else {}
    return [
        Asked(one, locator.locate(one)[0], relevant.get(one.id))
        for one in items
        if one.answerable is not None
    ]
