"""Whether the models of this machine are those that ``rag.lock`` has.

Compared are the files, the revision, and a licence that the card stated then and states
otherwise now. Lineage is not: the cards of base models may be on one machine and not on
another, and they are not what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from corpus.errors import ModelUnusable
from corpus.files import FileRecord
from corpus.settings import Settings
from rag.models.files import digest
from rag.models.inventory import Entry, inventory, model_json
from rag.models.lock import Key, Locked, key_of, read_lock
from rag.models.rights import Authority

_SMALL = 64 << 20  # bytes; up to this size a file is hashed in a quick comparison too


def compare(
    entries: Sequence[Entry],
    locked: Mapping[Key, Locked],
    tell: Callable[[int], None] = lambda count: None,
    *,
    quick: bool = False,
) -> list[str]:
    """Each difference between the models of this machine and a lock, in words.

    :param quick: of files above 64 MB compare the size only.
    """
    differences = []
    for entry in entries:
        recorded = locked.get(key_of(entry))
        found = differs(entry, recorded, tell, quick=quick) if recorded else ["is not in the lock"]
        differences += [f"{entry.label}: {one}" for one in found]
    gone = sorted(locked.keys() - {key_of(entry) for entry in entries})
    return differences + [
        f"{role} {name}: is in the lock, and the settings name it no more" for role, name in gone
    ]


def differs(
    entry: Entry,
    recorded: Locked,
    tell: Callable[[int], None] = lambda count: None,
    *,
    quick: bool = False,
) -> list[str]:
    """In what a model is not as it was locked."""
    if entry.found is None:
        return [entry.problem]
    found = [entry.problem] if entry.problem else []
    found += _told_differently(entry, recorded)
    here = set(entry.contents.matter)
    found += [f"{name} is missing" for name in sorted(recorded.files.keys() - here)]
    found += [f"{name} is new" for name in sorted(here - recorded.files.keys())]
    for name in sorted(here & recorded.files.keys()):
        found += _file_differs(entry.path(name), name, recorded.files[name], tell, quick)
    return found


def _told_differently(entry: Entry, recorded: Locked) -> Iterator[str]:
    """Name, revision, and a licence that the card stated then and states otherwise now."""
    now = model_json(entry)
    if now["model"] != recorded.model:
        yield f"is {now['model']} now, locked is {recorded.model}"
    if now["revision"] != recorded.revision:
        yield f"has revision {now['revision'] or 'none'}, locked is {recorded.revision or 'none'}"
    licence = now["licence"]
    by_card = licence["stated_by"] == recorded.stated_by == Authority.CARD.value
    if by_card and licence["id"] != recorded.licence:
        yield f"states the licence {licence['id']}, locked is {recorded.licence}"


def _file_differs(
    path: Path, name: str, record: FileRecord, tell: Callable[[int], None], quick: bool
) -> list[str]:
    try:
        size = path.stat().st_size
        if size != record.size:
            return [f"{name} has {size} bytes, locked are {record.size}"]
        if quick and size > _SMALL:
            return []
        sha256 = digest(path, tell).sha256
    except OSError as error:
        return [f"{name} cannot be read: {error}"]
    if sha256 == record.sha256:
        return []
    return [f"{name} has sha256 {sha256[:12]}…, locked is {record.sha256[:12]}…"]


def check_locked(settings: Settings, path: Path, *, quick: bool = True) -> list[str]:
    """What a service should tell at its start: how its models differ from the lock.

    Empty where there is no lock: nothing was promised.

    :param quick: of files above 64 MB compare the size only; else all are hashed.
    """
    if not path.exists():
        return []
    try:
        return compare(inventory(settings), read_lock(path), quick=quick)
    except ModelUnusable as error:
        return [str(error)]
