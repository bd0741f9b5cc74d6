"""What documents are embedded with: the compiled model, or the original where that is better.

A run embeds many texts, and nobody waits for a single one. On a processor the compiled form does
it in less than half of the time, in less memory and without torch; its vectors are near enough to
the original's to be in one store with them: docs/decisions/0015. On a GPU the original is faster.
"""

from __future__ import annotations

import logging
from threading import Lock

from corpus.embedding import ChunkEncoder, ModelTokens, identify, model_folder, pools_by_mean
from corpus.encoders.transformer import SentenceTransformerEncoder, has_gpu
from corpus.errors import CompilationFailed
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors, Vectors

log = logging.getLogger(__name__)


class DocumentEncoder:
    """Embeds documents. Made ready when it is first asked to; may be shared between threads.

    :raises ModelUnavailable: when the model's files are not on this machine.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        self._folder = model_folder(settings.model)
        self.fingerprint = identify(settings)
        self.tokens = ModelTokens(
            self._folder, self.fingerprint.max_tokens, settings.document_prefix
        )
        self.makes_windows = pools_by_mean(self._folder)
        self._ready: ChunkEncoder | None = None
        self._turn = Lock()

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        return self._encoder.encode_documents(texts)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """Embed chunks as :meth:`encode_documents` does, each with its windows.

        :raises ValueError: when a text is longer than the model takes.
        """
        return self._encoder.encode_chunks(texts)

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        return self._encoder.encode_query(text)

    @property
    def _encoder(self) -> ChunkEncoder:
        if self._ready is None:
            with self._turn:
                self._ready = self._ready or self._loaded()
        return self._ready

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
