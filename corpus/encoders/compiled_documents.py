"""The compiled form of an embedding model for documents, as an encoder."""

from __future__ import annotations

from mmap import mmap
from typing import TYPE_CHECKING

from corpus.embedding import ModelTokens
from corpus.encoders.cache import Kind
from corpus.encoders.record import Record
from corpus.fingerprint import Fingerprint
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors, Vectors

if TYPE_CHECKING:
    from corpus.encoders.bulk import BulkGraph


def _graph(packed: mmap, record: Record) -> BulkGraph:
    from corpus.encoders.bulk import BulkGraph  # with NumPy, once the file has been checked

    return BulkGraph(packed, record.form)


def _version() -> str:
    from corpus.encoders import bulk

    return bulk.version()


DOCUMENTS = Kind("documents", recipe=9, version=_version, load=_graph)
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
        import numpy as np

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
