"""What questions are embedded with: the compiled model, or the original where that cannot be.

Questions come one at a time and somebody waits for each. The compiled form answers in a
quarter of the time, from several threads at once, and loads without torch, which would cost
seconds and half a gigabyte. Its vectors are near enough to the original's to search what the
original embedded: docs/decisions/0006.
"""

from __future__ import annotations

import logging
from threading import Lock

import numpy as np

from corpus.embedding import Encoder, ModelTokens, identify, model_folder
from corpus.encoders.cache import Kind, compiled
from corpus.encoders.graph import Graph
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import CompilationFailed
from corpus.fingerprint import Fingerprint
from corpus.settings import EmbeddingSettings
from corpus.types import Vectors

log = logging.getLogger(__name__)

QUESTIONS = Kind("questions", 1, "onnxruntime", load=lambda data, _: Graph(data[:]))


class QuestionEncoder:
    """Embeds questions. Made ready when it is first asked to; may be shared between threads.

    :raises ModelUnavailable: when the model's files are not on this machine.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        self._folder = model_folder(settings.model)
        self.fingerprint = identify(settings)
        self.tokens = ModelTokens(
            self._folder, self.fingerprint.max_tokens, settings.document_prefix
        )
        self._ready: Encoder | None = None
        self._turn = Lock()

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        return self._encoder.encode_documents(texts)

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        return self._encoder.encode_query(text)

    @property
    def _encoder(self) -> Encoder:
        if self._ready is None:
            with self._turn:
                self._ready = self._ready or self._loaded()
        return self._ready

    def _loaded(self) -> Encoder:
        if self._settings.compiled:
            try:
                graph = compiled(QUESTIONS, self._folder, self.fingerprint)
                return CompiledEncoder(graph, self._settings, self.fingerprint, self.tokens)
            except CompilationFailed as error:
                log.warning("questions are embedded with torch, which is slower: %s", error)
        return SentenceTransformerEncoder(self._settings, threads=1)


class CompiledEncoder:
    """A compiled graph as an encoder. One text at a time, which costs a processor nothing."""

    def __init__(
        self, graph: Graph, settings: EmbeddingSettings, space: Fingerprint, tokens: ModelTokens
    ) -> None:
        self._graph, self._settings = graph, settings
        self.fingerprint, self.tokens = space, tokens

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        longest = max(self.tokens.count(texts), default=0)
        if longest > self.tokens.limit:
            raise ValueError(f"a text has {longest} tokens, the model takes {self.tokens.limit}")
        vectors = np.empty((len(texts), self.fingerprint.dim), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            row[:] = self._embedded(self._settings.document_prefix + text)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        return self._embedded(self._settings.query_prefix + text)

    def _embedded(self, text: str) -> Vectors:
        return self._graph.embed(self.tokens.ids(text))
