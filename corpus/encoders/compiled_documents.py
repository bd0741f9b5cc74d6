"""The compiled form of an embedding model for documents, as an encoder."""

from __future__ import annotations

import numpy as np

from corpus.embedding import ModelTokens
from corpus.encoders.bulk import BulkGraph
from corpus.encoders.cache import Kind
from corpus.fingerprint import Fingerprint
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors, Vectors

DOCUMENTS = Kind(
    "documents",
    recipe=4,
    runtime="openvino",
    load=lambda data, record: BulkGraph(data, record.form),
)
"""How documents are compiled for; the recipe goes up when the same weights would become another
graph."""


class CompiledDocuments:
    """A compiled graph as an encoder."""

    def __init__(
        self, graph: BulkGraph, settings: EmbeddingSettings, space: Fingerprint, tokens: ModelTokens
    ) -> None:
        self._graph, self._settings = graph, settings
        self.fingerprint, self.tokens = space, tokens
        self.makes_windows = graph.makes_windows

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        vectors = np.empty((len(texts), self.fingerprint.dim), np.float32)
        for row, found in zip(vectors, self.encode_chunks(texts), strict=True):
            row[:] = found[0]
        return vectors

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """Embed chunks as :meth:`encode_documents` does, each with its windows.

        :raises ValueError: when a text is longer than the model takes.
        """
        return self._graph.embed(self.tokens.ids_of_each(texts), self.tokens.limit)

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        ids = self.tokens.ids(self._settings.query_prefix + text)
        vector: Vectors = self._graph.embed([ids], self.tokens.limit)[0][0]
        return vector
