"""What the commands that answer share: a corpus, the engines, and what runs beside them."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from corpus.encoders.questions import QuestionEncoder
from corpus.settings import RetrievalSettings, Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.answers import Engine
from rag.engines.choice import VLLM, wants_vllm
from rag.engines.extractive import ExtractiveEngine, Quoting
from rag.live import LiveCorpus
from rag.reranking import Reranker

if TYPE_CHECKING:
    from rag.engines.vllm.generation import Generation


@dataclass(frozen=True, slots=True)
class Opened:
    """A corpus that answers."""

    answerer: Answerer
    live: LiveCorpus
    store: Store
    generation: Generation | None  # where a generative engine is asked for

    def load_model(self) -> None:
        """Have the prompt format of the model ready, which explaining needs.

        :raises ModelUnusable: when it is not to be had.
        """
        if self.generation is not None:
            self.generation.load_model()

    def connect(self) -> None:
        """Have a vLLM server ready that runs already, for a single question.

        :raises EngineUnavailable: when none answers; :raises SettingsError: when none is named.
        """
        if self.generation is not None:
            self.generation.connect()

    def __enter__(self) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.generation is not None:
            self.generation.close()


def open_corpus(settings: Settings, *, embeds: bool = True) -> Opened:
    """Make everything ready to open the corpus; the first use opens it.

    :param embeds: whether the embedding model will be needed; without, it is never loaded.
    :raises SettingsError: when the settings name an engine that there is not.
    """
    store = Store(settings.store)
    encoder = QuestionEncoder(settings.embedding)
    live = LiveCorpus(store, encoder, probe=embeds)
    answers = settings.answer
    quoting = Quoting(max_quotes=answers.max_quotes, min_confidence=answers.min_confidence)
    engines: list[Engine] = [ExtractiveEngine(quoting)]
    generation = _generation(settings)
    if generation is not None:
        engines.insert(0 if answers.engine == VLLM else 1, generation.engine)
    answerer = Answerer(
        live, encoder, engines, settings.retrieval, reranker=reranker_of(settings.retrieval)
    )
    return Opened(answerer, live, store, generation)


def reranker_of(settings: RetrievalSettings) -> Reranker | None:
    """The reranker that the settings name, not loaded yet."""
    if not settings.reranker:
        return None
    from corpus.encoders.crossing import CrossEncoderScorer

    return Reranker(CrossEncoderScorer(settings.reranker), settings)


def _generation(settings: Settings) -> Generation | None:
    """The generative engine, where the settings ask for it or name a server for it."""
    if not wants_vllm(settings):
        return None
    from rag.engines.vllm.generation import Generation

    return Generation(settings)
