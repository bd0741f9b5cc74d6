"""What documents are embedded with: the compiled model, or the original where that is better.

A run embeds many texts, and nobody waits for a single one. On a processor the compiled form does
it in less than half of the time, in less memory and without torch; its vectors are near enough to
the original's to be in one store with them: docs/decisions/0015. On a GPU the original is faster.
"""

from __future__ import annotations

import logging

from corpus.embedding import ChunkEncoder, pools_by_mean
from corpus.encoders.lazy import LazyEncoder
from corpus.encoders.transformer import SentenceTransformerEncoder, has_gpu
from corpus.errors import CompilationFailed
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors

log = logging.getLogger(__name__)


class DocumentEncoder(LazyEncoder[ChunkEncoder]):
    """Embeds documents."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        super().__init__(settings)
        self.makes_windows = pools_by_mean(self._folder)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """Embed chunks as :meth:`encode_documents` does, each with its windows.

        :raises ValueError: when a text is longer than the model takes.
        """
        return self._encoder.encode_chunks(texts)

    def _loaded(self) -> ChunkEncoder:
        from corpus.encoders.cache import compiled
        from corpus.encoders.compiled_documents import DOCUMENTS, CompiledDocuments

        if self._settings.compiled and not has_gpu():
            try:
                graph = compiled(DOCUMENTS, self._folder, self.fingerprint)
                return CompiledDocuments(graph, self._settings, self.fingerprint, self.tokens)
            except CompilationFailed as error:
                log.warning("documents are embedded with torch, which is slower: %s", error)
        return SentenceTransformerEncoder(self._settings)
