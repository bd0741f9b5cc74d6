"""What ``rag ask``, ``rag search`` and ``rag serve`` share: a corpus that answers."""

from __future__ import annotations

from corpus.embedding import SentenceTransformerEncoder
from corpus.errors import SettingsError
from corpus.settings import Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.engines.extractive import ExtractiveEngine, Quoting
from rag.live import LiveCorpus


def open_corpus(settings: Settings, *, embeds: bool = True) -> tuple[Answerer, LiveCorpus, Store]:
    """Make everything ready to open the corpus; the first use opens it.

    :param embeds: whether the embedding model will be needed; without, it is never loaded.
    :raises SettingsError: when the settings name an engine that there is not.
    """
    store = Store(settings.store)
    encoder = SentenceTransformerEncoder(settings.embedding, threads=1)
    live = LiveCorpus(store, encoder, probe=embeds)
    answers = settings.answer
    quoting = Quoting(max_quotes=answers.max_quotes, min_confidence=answers.min_confidence)
    engine = ExtractiveEngine(quoting)
    if answers.engine != engine.name:
        raise SettingsError(
            f"there is no engine {answers.engine!r} (answer.engine); this version has {engine.name}"
        )
    return Answerer(live, encoder, [engine], settings.retrieval), live, store
