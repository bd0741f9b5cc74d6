"""The folders that a store is kept in step with.

They are kept beside the snapshots and not in them: a snapshot says the same whatever
folder of whatever machine it was made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corpus import files
from corpus.errors import StoreNotWritable

NAME = "roots.json"


@dataclass(frozen=True, slots=True)
class Root:
    """A folder (or a single file) that was ingested and is refreshed."""

    key: int  # from 1, in the order of first ingest; what ledger rows refer to
    path: str  # absolute
    include: tuple[str, ...] = ()  # gitignore-style; when given, only these
    exclude: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.path).name


def read(store: Path) -> tuple[Root, ...]:
    """The roots of a store, by key; none before the first ingest.

    :raises StoreNotWritable: when the file is there and cannot be understood.
    """
    return _body(store)[0]


def next_key(store: Path) -> int:
    """A key that no root of this store has or had: snapshots may hold what a removed one had.

    :raises StoreNotWritable: when the file is there and cannot be understood.
    """
    return _body(store)[1] + 1


def _body(store: Path) -> tuple[tuple[Root, ...], int]:
    """The roots, and the highest key that was ever given."""
    path = store / NAME
    try:
        body = json.loads(path.read_bytes())
        recorded = body.pop("sha256", None)
        if recorded not in (None, _checksum(body)):  # none: from before there was one
            raise ValueError("it fails its own checksum")
        roots = tuple(
            Root(one["key"], one["path"], tuple(one["include"]), tuple(one["exclude"]))
            for one in body["roots"]
        )
        return roots, max((body.get("last", 0), *(root.key for root in roots)))
    except (FileNotFoundError, NotADirectoryError):
        return (), 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreNotWritable(
            f"{path} cannot be read ({error}); delete it and run `rag ingest` on your folders "
            "again: nothing that is unchanged will be embedded anew"
        ) from error


def write(store: Path, roots: tuple[Root, ...]) -> None:
    """Replace the roots of a store. The caller holds its lock.

    :raises StoreNotWritable: when the disk refuses.
    """
    last = max((_body(store)[1], *(root.key for root in roots)))
    body = {"roots": [asdict(root) for root in roots], "last": last}
    try:
        files.replace(store / NAME, _dump({**body, "sha256": _checksum(body)}))
    except OSError as error:
        raise StoreNotWritable(f"{store / NAME} could not be written: {error}") from error


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_dump(body)).hexdigest()


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=1).encode() + b"\n"
