"""An encoder that is made ready when it is first asked to embed something.

Which space its vectors live in, and how many tokens a text has, is known before that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import Lock
from typing import Generic, TypeVar

from corpus.embedding import Encoder, ModelTokens, identify, model_folder
from corpus.settings import EmbeddingSettings
from corpus.types import Vectors

Ready = TypeVar("Ready", bound=Encoder)


class LazyEncoder(ABC, Generic[Ready]):
    """What computes is loaded once; may be shared between threads.

    :raises ModelUnavailable: when the model's files are not on this machine.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        self._folder = model_folder(settings.model)
        self.fingerprint = identify(settings)
        self.tokens = ModelTokens(
            self._folder, self.fingerprint.max_tokens, settings.document_prefix
        )
        self._ready: Ready | None = None
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
    def _encoder(self) -> Ready:
        if self._ready is None:
            with self._turn:
                self._ready = self._ready or self._loaded()
        return self._ready

    @abstractmethod
    def _loaded(self) -> Ready:
        """What computes."""
