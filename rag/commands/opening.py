"""What ``rag ask``, ``rag search`` and ``rag serve`` share: a corpus that answers."""

from __future__ import annotations

from corpus.embedding import SentenceTransformerEncoder
from corpus.settings import Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.engines.extractive import ExtractiveEngine
from rag.live import LiveCorpus


def open_corpus(settings: Settings) -> tuple[Answerer, LiveCorpus, Store]:
    """Load the embedding model's identity and make everything ready to open the corpus."""
    store = Store(settings.store)
    encoder = SentenceTransformerEncoder(settings.embedding)
    live = LiveCorpus(store, encoder)
    return Answerer(live, encoder, [ExtractiveEngine()], settings.retrieval), live, store
