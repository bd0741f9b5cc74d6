"""A sentence-transformers model as it is. Its home.

The model is loaded when it is first asked to embed, which costs seconds, so a run that embeds
nothing never does it. Only safetensors weights are loaded and no code that comes with a model
is ever run.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from corpus.embedding import ModelTokens, identify, model_folder, pools_by_mean, verify
from corpus.errors import ModelUnavailable
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors, Vectors


class SentenceTransformerEncoder:
    """A sentence-transformers model, loaded when it is first asked to embed.

    Calls from several threads take turns.

    :param threads: cores used for one call; None for all. One is right for single questions,
        which several cores do not make faster.
    :raises ModelUnavailable: when its files are not on this machine or cannot be loaded.
    """

    def __init__(self, settings: EmbeddingSettings, threads: int | None = None) -> None:
        self._threads = threads
        self.fingerprint = identify(settings)
        self.tokens = ModelTokens(
            model_folder(settings.model), self.fingerprint.max_tokens, settings.document_prefix
        )
        self.makes_windows = pools_by_mean(model_folder(settings.model))
        self._settings = settings
        self._turn = threading.Lock()

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        import numpy as np

        if not texts:
            return np.empty((0, self.fingerprint.dim), np.float32)
        return self._encode(*self._fitting(texts))

    def _fitting(self, texts: list[str]) -> tuple[list[str], int]:
        """Texts as the model gets them, and how many of them at once."""
        longest = max(map(len, self.tokens.ids_of_each(texts)), default=1)
        prefixed = [self._settings.document_prefix + text for text in texts]
        return prefixed, max(1, self._settings.batch_tokens // longest)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """Embed chunks as :meth:`encode_documents` does, each with its windows.

        Only a model whose vectors are means of what it makes of the tokens has any.

        :raises ValueError: when a text is longer than the model takes.
        """
        if not self.makes_windows:
            return [vector[None] for vector in self.encode_documents(texts)]
        prefixed, batch_size = self._fitting(texts)
        with self._turn:
            return embed_with_windows(self._model, prefixed, batch_size)

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        vector: Vectors = self._encode([self._settings.query_prefix + text], batch_size=1)[0]
        return vector

    def _encode(self, texts: list[str], batch_size: int) -> Vectors:
        import numpy as np

        with self._turn:
            raw = self._model.encode(texts, batch_size=batch_size, show_progress_bar=False)
        vectors: Vectors = raw.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # bfloat16 is unit to .4 % only
        return vectors

    @cached_property
    def _model(self) -> Any:
        folder = model_folder(self._settings.model)
        verify(folder, self.fingerprint)
        return load_model(folder, self._threads, dtype=_dtype())


def embed_with_windows(model: Any, texts: list[str], batch_size: int) -> list[ChunkVectors]:
    """Embed texts with their windows, by a model whose vectors are means over the tokens.

    :param model: of :func:`load_model`.
    """
    found = model.encode(texts, batch_size=batch_size, show_progress_bar=False, output_value=None)
    return [_with_windows(one) for one in found]


def has_gpu() -> bool:
    """Whether torch can use a GPU. Without a driver it is not asked, which would take seconds."""
    if not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()


def _with_windows(found: dict[str, Any]) -> ChunkVectors:
    """The unit vector of a text, and below it those of its windows."""
    import numpy as np

    from corpus.windows import pool

    whole = found["sentence_embedding"].float().cpu().numpy()
    read = found["attention_mask"].bool().cpu().numpy()
    outputs = found["token_embeddings"].float().cpu().numpy()[read]
    vector: Vectors = whole / np.linalg.norm(whole)
    return np.vstack([vector, pool(outputs[1:-1])])


def load_model(folder: Path, threads: int | None, **how: Any) -> Any:
    """Load with sentence-transformers: local files, safetensors, no code from the model.

    :param threads: cores used for one call; None for all.
    :param how: passed on to the weights' own class, such as ``dtype``.
    :raises ModelUnavailable: when it cannot be loaded.
    """
    _quieten()
    import torch
    from sentence_transformers import SentenceTransformer

    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return SentenceTransformer(str(folder), **_SAFELY, model_kwargs={**_WEIGHTS, **how})
    except (OSError, ValueError, ImportError) as error:
        raise ModelUnavailable(f"the model in {folder} cannot be loaded: {error}") from error


def load_cross_encoder(folder: Path) -> Any:
    """Load a cross-encoder in the same way, float32. It scores with logits.

    What its files say to do with the logits is a Python name to import, and changes no order:
    it is not followed.

    :raises ModelUnavailable: when it cannot be loaded.
    """
    _quieten()
    import torch
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(
            str(folder),
            **_SAFELY,
            model_kwargs={**_WEIGHTS, "dtype": "float32"},
            activation_fn=torch.nn.Identity(),
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise ModelUnavailable(f"the model in {folder} cannot be loaded: {error}") from error


_DRIVERS = ("/proc/driver/nvidia", "/dev/kfd")
"""Where Linux shows the drivers of NVIDIA's and AMD's GPUs."""

_SAFELY: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
_WEIGHTS: dict[str, Any] = {"use_safetensors": True}


def _quieten() -> None:
    """No bars and no advice while a model is loaded."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def _dtype() -> Any:
    """Half precision on GPUs, bfloat16 on processors that multiply it natively, else float32.

    On such a processor bfloat16 embeds 1.65 times as fast, and the vectors keep a cosine of .9999
    to those of float32 (docs/log.md).
    """
    import torch

    if has_gpu():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    native = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if native else torch.float32
