"""The evaluation sets: their documents in a store of their own, and their questions.

The data is described in the README beside it; it is never copied into the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.settings import Settings, load
from corpus.snapshot import Snapshot
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner

PROJECT = Path(__file__).parent.parent
DATA = Path(os.environ.get("RAG_DATA", PROJECT.parent / "shared" / "data"))
STORES = Path(os.environ.get("BENCH_STORES", PROJECT / "build" / "bench-stores"))
DEMO = "demo"

Span = tuple[str, int, int]
"""Document, start, end."""


@dataclass(frozen=True, slots=True)
class Item:
    """A question of a set."""

    text: str
    answers: tuple[str, ...]
    answerable: bool
    gold: tuple[Span, ...]  # a hit is good when it overlaps one of them


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


def questions(name: str, document: Callable[[str], Any]) -> list[Item]:
    """The questions of a set whose answerability is known.

    :param document: gives the document of an id, to find quotes that come without offsets.
    """
    at = PROJECT / "tests" / "demo" if name == DEMO else DATA / name
    lines = (at / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    raw = [json.loads(line) for line in lines]
    return [_item(one, document) for one in raw if one["answerable"] is not None]


def _item(one: dict[str, Any], document: Callable[[str], Any]) -> Item:
    if "paragraph" in one:
        gold = [(one["paragraph"]["doc"], one["paragraph"]["start"], one["paragraph"]["end"])]
    else:
        gold = [_span(evidence, document) for evidence in one["evidence"]]
    return Item(one["question"], tuple(one["answers"]), one["answerable"], tuple(gold))


def _span(evidence: dict[str, Any], document: Callable[[str], Any]) -> Span:
    if "start" in evidence:
        return evidence["doc"], evidence["start"], evidence["end"]
    start = document(evidence["doc"]).text.find(evidence["quote"])
    return evidence["doc"], start, start + len(evidence["quote"])
