"""The small files of a model that say how it is talked to: tokenizer, template, configuration.

They are found in a folder, or in the model hub's cache on this machine; what is not there is
fetched from the hub, as vLLM itself fetches the weights. They are data and read as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ModelUnusable

_NAMES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
)
_MAX_BYTES = 128 * 1024 * 1024  # the largest tokenizer.json known has some 35 MB


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What was found of a model."""

    name: str  # as it was asked for
    tokenizer: bytes  # tokenizer.json
    tokenizer_config: Mapping[str, Any]
    generation_config: Mapping[str, Any]
    config: Mapping[str, Any]
    chat_template: str  # empty where the model has none

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The end tokens of the generation config, and of the model's own where it has none."""
        found = self.generation_config.get("eos_token_id", self.config.get("eos_token_id"))
        ids = found if isinstance(found, list) else [found]
        return tuple(one for one in ids if isinstance(one, int) and not isinstance(one, bool))


def find_files(model: str, revision: str = "", tokenizer: str = "") -> ModelFiles:
    """Find the files of a model.

    :param model: a folder, or the id of a model on the hub.
    :param tokenizer: another folder or id that the tokenizer is taken from.
    :raises ModelUnusable: when they are not to be had, or the tokenizer has no ``tokenizer.json``.
    """
    folder = _folder(model, revision)
    spoken = _folder(tokenizer, "") if tokenizer else folder
    config = _json(spoken, "tokenizer_config.json")
    special = _json(spoken, "special_tokens_map.json")
    return ModelFiles(
        model,
        _tokenizer(spoken, tokenizer or model),
        {**{name: special[name] for name in special if name not in config}, **config},
        _json(folder, "generation_config.json"),
        _json(folder, "config.json"),
        _template(spoken, config),
    )


def _folder(model: str, revision: str) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise ModelUnusable(f"there is no folder {model!r}, and it is no id of a model on the hub")
    return _from_hub(model, revision)


def _from_hub(model: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(model, revision=revision or None, allow_patterns=list(_NAMES))
        )
    except GatedRepoError:
        raise ModelUnusable(
            f"{model} is a gated model: accept its licence on its page on the hub, and set "
            "HF_TOKEN to a token of the account that did"
        ) from None
    except RevisionNotFoundError:
        raise ModelUnusable(f"{model} has no revision {revision!r} on the hub") from None
    except RepositoryNotFoundError:
        raise ModelUnusable(
            f"there is no model {model!r} on the hub, or it is private: check the name, or set "
            "HF_TOKEN to a token that may read it"
        ) from None
    except LocalEntryNotFoundError:
        raise ModelUnusable(
            f"{model} is not on this machine and the model hub cannot be reached; copy the model "
            "here and give its folder"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelUnusable(f"{model} cannot be fetched: {error}") from None


def _tokenizer(folder: Path, name: str) -> bytes:
    data = _read(folder / "tokenizer.json")
    if data is None:
        raise ModelUnusable(
            f"{name} has no tokenizer.json; only tokenizers in that form are read. Set "
            "generation.tokenizer to a model that has the same tokenizer in it, or save it with "
            "transformers: AutoTokenizer.from_pretrained(...).save_pretrained(...)"
        )
    return data


def _template(folder: Path, config: Mapping[str, Any]) -> str:
    """The chat template: a file of its own, or in one of the configurations."""
    alone = _read(folder / "chat_template.jinja")
    if alone is not None:
        return alone.decode("utf-8", "strict")
    found = _json(folder, "chat_template.json").get("chat_template", config.get("chat_template"))
    if isinstance(found, list):  # several by name
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, Mapping)}
        found = named.get("default")
    return found if isinstance(found, str) else ""


def _json(folder: Path, name: str) -> dict[str, Any]:
    data = _read(folder / name)
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelUnusable(f"{folder / name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelUnusable(f"{folder / name} holds no JSON object")
    return value


def _read(path: Path) -> bytes | None:
    """The bytes of a file; None where there is none."""
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise ModelUnusable(f"{path} has {path.stat().st_size} bytes; {_MAX_BYTES} are read")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelUnusable(f"{path} cannot be read: {error.strerror}") from None
