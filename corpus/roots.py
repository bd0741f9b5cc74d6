"""The folders that a store is kept in step with.

They are kept beside the snapshots and not in them: a snapshot says the same whatever
folder of whatever machine it was made from.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

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
    path = store / NAME
    try:
        listed = json.loads(path.read_bytes())["roots"]
        return tuple(
            Root(one["key"], one["path"], tuple(one["include"]), tuple(one["exclude"]))
            for one in listed
        )
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreNotWritable(
            f"{path} cannot be read ({error}); delete it and run `rag ingest` on your folders "
            "again: nothing that is unchanged will be embedded anew"
        ) from error


def write(store: Path, roots: tuple[Root, ...]) -> None:
    """Replace the roots of a store. The caller holds its lock.

    :raises StoreNotWritable: when the disk refuses.
    """
    data = json.dumps({"roots": [asdict(root) for root in roots]}, indent=1) + "\n"
    try:
        files.replace(store / NAME, data.encode())
    except OSError as error:
        raise StoreNotWritable(f"{store / NAME} could not be written: {error}") from error
