"""The evaluation sets: their documents in a store of their own, and their questions.

The data is described in the README beside it; it is never copied into the project.
"""

from __future__ import annotations

import os
from pathlib import Path

from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.settings import Settings, load
from corpus.snapshot import Snapshot
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from rag.evaluation.locating import Gold, Locator
from rag.evaluation.questions import Item, read_questions

PROJECT = Path(__file__).parent.parent
DATA = Path(os.environ.get("RAG_DATA", PROJECT.parent / "shared" / "data"))
STORES = Path(os.environ.get("BENCH_STORES", PROJECT / "build" / "bench-stores"))
DEMO = "demo"

MAX_QUESTION_CHARS = 100_000
"""What is measured is not what the service lets through."""


def folder_of(name: str) -> Path:
    """Where the documents of a set are."""
    if name == DEMO:
        return PROJECT / "corpus" / "documents"
    docs = DATA / name / "docs"
    return docs if docs.is_dir() else DATA / name


def open_store(name: str, encoder: SentenceTransformerEncoder) -> tuple[Snapshot, Settings]:
    """Ingest a set into a store that is kept for the next measurement, and open it."""
    settings = load({}, {"store": STORES / name})
    store = Store(settings.store)
    runner = Runner(Means(store, settings, encoder, Silent()))
    runner.ingest([folder_of(name)], Options(max_delete_percent=100))
    return store.open(), settings


def questions(name: str, snapshot: Snapshot) -> list[tuple[Item, tuple[Gold, ...]]]:
    """The questions of a set whose answerability is known, each with its gold."""
    at = PROJECT / "tests" / "demo" if name == DEMO else DATA / name
    locator = Locator(snapshot)
    items = read_questions(at / "questions.jsonl", MAX_QUESTION_CHARS).items
    return [(one, locator.locate(one)[0]) for one in items if one.answerable is not None]
