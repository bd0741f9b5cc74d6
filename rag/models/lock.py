"""``rag.lock``: which models these settings were locked with, to the byte.

::

    {"format": 1,
     "models": [{"role": "embedding", "name": …, what model_json tells,
                 "files": {"model.safetensors": {"sha256": …, "size": …}, …},
                 "refused": ["pytorch_model.bin"]}, …]}

One entry a role and name, sorted, without a date: locking the same models again writes the
same bytes. ``rag.models.verify`` compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corpus import files
from corpus.errors import ModelUnusable
from corpus.files import FileRecord
from rag.models.files import digest
from rag.models.inventory import Entry, model_json

LOCK_NAME = "rag.lock"
_FORMAT = 1
_PASSING = {"problem", "warnings"}  # what is told of a model and not locked

Key = tuple[str, str]
"""Role and name of a model."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One model as the lock has it."""

    model: str
    revision: str
    licence: str
    stated_by: str
    files: Mapping[str, FileRecord]


def key_of(entry: Entry) -> Key:
    """Under which key the lock has a model."""
    return entry.use.role.value, entry.use.name


def write_lock(path: Path, entries: Sequence[Entry], tell: Callable[[int], None]) -> int:
    """Hash every file that matters and write the lock, in one step.

    :param tell: called with the bytes of each block that is hashed.
    :return: how many files are locked.
    :raises ModelUnusable: when a model is absent or incomplete, or the lock cannot be written;
        a lock that is there stays as it is.
    """
    broken = [f"{entry.label}: {entry.problem}" for entry in entries if entry.problem]
    if broken:
        raise ModelUnusable(f"nothing was locked. {'; '.join(broken)}")
    try:
        models = [_locked_json(entry, tell) for entry in sorted(entries, key=key_of)]
        content = json.dumps({"format": _FORMAT, "models": models}, indent=2, sort_keys=True)
        files.replace(path, content.encode() + b"\n")
    except OSError as error:
        raise ModelUnusable(f"the lock {path} could not be written: {error}") from error
    return sum(len(model["files"]) for model in models)


def _locked_json(entry: Entry, tell: Callable[[int], None]) -> dict[str, Any]:
    told = {key: value for key, value in model_json(entry).items() if key not in _PASSING}
    hashed = {name: digest(entry.path(name), tell) for name in entry.contents.matter}
    return {
        **told,
        "files": {name: asdict(record) for name, record in hashed.items()},
        "refused": list(entry.contents.refused),
    }


def read_lock(path: Path) -> dict[Key, Locked]:
    """What a lock holds, by role and name.

    :raises ModelUnusable: when there is none, or it is damaged or of another version.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelUnusable(f"there is no lock {path}; `rag models lock` writes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnusable(_damaged(path, error)) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != _FORMAT:
        raise ModelUnusable(_damaged(path, f"format {found}, expected {_FORMAT}"))
    try:
        return {(str(one["role"]), str(one["name"])): _locked(one) for one in content["models"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnusable(_damaged(path, f"{type(error).__name__} {error}")) from error


def _damaged(path: Path, why: object) -> str:
    return f"the lock {path} cannot be used: {why}; `rag models lock` writes it anew"


def _locked(one: Mapping[str, Any]) -> Locked:
    licence = one["licence"]
    return Locked(
        model=str(one["model"]),
        revision=str(one["revision"]),
        licence=str(licence["id"]),
        stated_by=str(licence["stated_by"]),
        files={
            name: FileRecord(int(record["size"]), str(record["sha256"]))
            for name, record in one["files"].items()
        },
    )
