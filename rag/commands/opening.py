"""What ``rag ask``, ``rag search`` and ``rag serve`` share: a corpus that answers."""

from __future__ import annotations

from corpus.embedding import SentenceTransformerEncoder
from corpus.settings import Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.engines.extractive import ExtractiveEngine, Quoting
from rag.live import LiveCorpus


def open_corpus(settings: Settings) -> tuple[Answerer, LiveCorpus, Store]:
    """Load the embedding model's identity and make everything ready to open the corpus."""
    store = Store(settings.store)
    encoder = SentenceTransformerEncoder(settings.embedding, threads=1)
    live = LiveCorpus(store, encoder)
    answers = settings.answer
    quoting = Quoting(max_quotes=answers.max_quotes, min_confidence=answers.min_confidence)
    engines = sorted([ExtractiveEngine(quoting)], key=lambda engine: engine.name != answers.engine)
    return Answerer(live, encoder, engines, settings.retrieval), live, store
