"""Names that somebody gave to snapshots, so that they are kept and can be asked for.

One small file of a store, replaced in one step and carrying its own hash. A tag refers to a
snapshot by its id; the snapshot itself knows nothing of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus import files
from corpus.errors import BadRequest, TagsDamaged, UnknownSnapshot

NAME = "tags.json"
MAX_CHARS = 64
MIN_PREFIX = 8  # characters of an id that may stand for all of it

_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{MAX_CHARS - 1}}}")
_LIKE_AN_ID = re.compile(r"[0-9a-f]{8,20}")


def read(store: Path) -> dict[str, str]:
    """The ids of snapshots by their tags; none before the first is given.

    :raises TagsDamaged: when the file is there and is not what was written.
    """
    path = store / NAME
    try:
        body = json.loads(path.read_bytes())
        tags, recorded = body["tags"], body["sha256"]
        if _checksum(tags) != recorded:
            raise ValueError("it fails its own checksum")
        return {str(name): str(snapshot) for name, snapshot in tags.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TagsDamaged(
            f"the tags in {path} cannot be read ({error}), so nothing may be collected; delete "
            "the file and tag again with `rag snapshots tag NAME ID`"
        ) from error


def resolve(store: Path, name: str, known: Sequence[str]) -> str:
    """The id of the snapshot that somebody names: by its id, a tag, or how its id begins.

    :param known: the ids of all snapshots.
    :raises UnknownSnapshot: when nothing is named so, or more than one.
    :raises TagsDamaged: when only a tag could be meant, and the tags cannot be read.
    """
    if name in known:
        return name
    begun = [one for one in known if len(name) >= MIN_PREFIX and one.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UnknownSnapshot(name, f"{name!r} begins the ids {', '.join(sorted(begun))}")
    tagged = read(store).get(name)
    if tagged is None:
        raise UnknownSnapshot(name)
    if tagged not in known:
        raise UnknownSnapshot(name, f"the tag {name!r} is of snapshot {tagged}, which is gone")
    return tagged


def add(store: Path, name: str, snapshot_id: str) -> None:
    """Give a snapshot a name, in place of whichever had it. The caller holds the lock.

    :raises BadRequest: when it cannot be a tag.
    :raises TagsDamaged, StoreNotWritable: when the tags cannot be read, or written.
    """
    write(store, {**read(store), check_name(name): snapshot_id})


def remove(store: Path, name: str) -> str:
    """Take a tag away, and say which snapshot had it. The caller holds the lock.

    :raises UnknownSnapshot: when there is no such tag.
    :raises TagsDamaged, StoreNotWritable: when the tags cannot be read, or written.
    """
    tagged = read(store)
    if name not in tagged:
        raise UnknownSnapshot(name, f"there is no tag {name[:80]!r} in this store")
    snapshot_id = tagged.pop(name)
    write(store, tagged)
    return snapshot_id


def write(store: Path, tags: Mapping[str, str]) -> None:
    """Replace the tags of a store. The caller holds its lock.

    :raises StoreNotWritable: when the disk refuses.
    """
    body = {"tags": dict(sorted(tags.items())), "sha256": _checksum(tags)}
    with files.disk_errors():
        files.replace(store / NAME, json.dumps(body, indent=1).encode() + b"\n")


def check_name(name: str) -> str:
    """The name, if it can be a tag.

    :raises BadRequest: when it cannot.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name[:80]!r} cannot be a tag; expected up to {MAX_CHARS} letters, digits, dots, "
            "dashes and underscores, the first of them no dot and no dash",
            "name",
        )
    if _LIKE_AN_ID.fullmatch(name):
        raise BadRequest(f"{name!r} cannot be a tag: it looks like the id of a snapshot", "name")
    return name


def _checksum(tags: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(tags, sort_keys=True).encode()).hexdigest()
