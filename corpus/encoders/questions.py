"""What questions are embedded with: the compiled model, or the original where that cannot be.

Questions come one at a time and somebody waits for each. The compiled form answers in a
quarter of the time, from several threads at once, and loads without torch, which would cost
seconds and half a gigabyte. Its vectors are near enough to the original's to search what the
original embedded: docs/decisions/0006.
"""

from __future__ import annotations

import logging

import numpy as np

from corpus.embedding import Encoder, ModelTokens
from corpus.encoders.cache import Kind, compiled
from corpus.encoders.graph import Graph, version
from corpus.encoders.lazy import LazyEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import CompilationFailed
from corpus.fingerprint import Fingerprint
from corpus.settings import EmbeddingSettings
from corpus.types import Vectors

log = logging.getLogger(__name__)

QUESTIONS = Kind("questions", 5, version, load=lambda data, _: Graph(data[:]))


class QuestionEncoder(LazyEncoder[Encoder]):
    """Embeds questions."""

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
        vectors = np.empty((len(texts), self.fingerprint.dim), np.float32)
        for row, ids in zip(vectors, self.tokens.ids_of_each(texts), strict=True):
            row[:] = self._graph.embed(ids)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        return self._graph.embed(self.tokens.ids(self._settings.query_prefix + text))
