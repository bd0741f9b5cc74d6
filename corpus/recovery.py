"""What answers where the current snapshot cannot: the newest that is sound.

Readers fall back by themselves and write nothing. Whoever holds the writer's lock first puts
the damaged one aside, into ``quarantine/``, and points at the sound one; nothing is deleted.
A snapshot that another version of this project wrote is not damaged: it is refused and left
as it is. An error of reading that may pass (no more file descriptors, no permission) moves
nothing either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from corpus import files
from corpus.errors import (
    CorpusError,
    NoSnapshot,
    SnapshotDamaged,
    UnknownFormat,
    UnknownSnapshot,
)
from corpus.manifest import SEGMENTS, SNAPSHOTS
from corpus.runs import CHECKED
from corpus.verifying import Damage, Verifier, is_lasting, told

if TYPE_CHECKING:
    from corpus.store import Store

log = logging.getLogger(__name__)

Used = TypeVar("Used")

_TRIES = 3  # to open what is current, while others publish

MEND = "`rag snapshots verify --repair` or the next run that writes puts the damaged one aside"


@dataclass(frozen=True, slots=True)
class Answering:
    """Which snapshot answers, and why it is not the one that should."""

    id: str | None
    problem: str = ""  # empty: it is


@dataclass(frozen=True, slots=True)
class Repair:
    """What was put aside, and which snapshot is current now."""

    current: str | None
    put_aside: tuple[str, ...] = ()  # below the store, as they were called
    problem: str = ""  # what was wrong with the current one; empty: nothing


def pointed_at(store: Store) -> tuple[str | None, str]:
    """The snapshot that ``CURRENT`` names, or what is wrong with ``CURRENT``.

    Neither of both where nothing has been published yet.
    """
    try:
        current = store.current_id()
    except SnapshotDamaged as error:
        return None, error.found
    names = store.ids()
    if current is None:
        # Without a run that ended well they are of a first one that did not: never published.
        lost = names and (store.path / CHECKED).exists()
        return None, "CURRENT is missing although there are snapshots" if lost else ""
    if current not in names:
        return None, f"CURRENT names snapshot {current}, which is not there"
    return current, ""


def _certainly_pointed_at(store: Store) -> tuple[str | None, str]:
    """As :func:`pointed_at`, for who acts on it.

    :raises SnapshotDamaged: where ``CURRENT`` could not be read now, which says nothing of it.
    """
    try:
        store.current_id()
    except SnapshotDamaged as error:
        if not is_lasting(error):
            raise
    return pointed_at(store)


def first_usable(store: Store, use: Callable[[str], Used]) -> tuple[Used, str]:
    """Use the current snapshot, or else the newest one that can be used.

    :param use: what to do with a snapshot by its id; raises ``CorpusError`` where it cannot.
    :return: what came of it, and why it is not the current one: empty where it is.
    :raises NoSnapshot: before the first is published.
    :raises CorpusError: what the current one raised, where no other can be used, or where
        it is refused for another reason than damage.
    """
    current, damaged, problem = None, None, ""
    for _ in range(_TRIES):
        current, problem = pointed_at(store)
        if current is None and not problem:
            raise NoSnapshot(store.path)
        try:
            if current is not None:
                return use(current), ""
        except (SnapshotDamaged, UnknownSnapshot) as error:
            if pointed_at(store)[0] != current:
                continue  # another was published meanwhile, and this one removed
            if not isinstance(error, SnapshotDamaged) or isinstance(error, UnknownFormat):
                raise
            damaged, problem = error, error.found
        break
    for other in others(store, current):
        try:
            used = use(other)
        except CorpusError:
            continue
        return used, stands_in(problem, other)
    raise damaged or SnapshotDamaged(problem)


def stands_in(problem: str, snapshot_id: str) -> str:
    """What to tell while another snapshot answers than the one that should."""
    return f"{problem}; snapshot {snapshot_id} answers in its place; {MEND}"


def answering(store: Store) -> Answering:
    """Which snapshot answers. Reads every file of it."""
    try:
        found, problem = first_usable(store, Verifier(store.path).require_sound)
    except NoSnapshot:
        return Answering(None)
    except SnapshotDamaged as error:
        return Answering(None, error.found)
    return Answering(found, problem)


def recover(store: Store, *, thorough: bool = False) -> Repair | None:
    """Have a sound snapshot current, or none. The caller holds the lock.

    :param thorough: read every file of the current snapshot; otherwise those alone that may
        have been written to since they were published.
    :return: None where nothing was wrong.
    :raises SnapshotDamaged: where it cannot be told now, or another version must.
    :raises StoreNotWritable: when the disk refuses.
    """
    current, problem = _certainly_pointed_at(store)
    damage: tuple[Damage, ...] = ()
    if current is not None:
        damage = Verifier(store.path, trusting=not thorough).damage(current)
        problem = told(current, damage) if damage else ""
    if not problem:
        return None
    if not all(one.certain for one in damage):
        raise SnapshotDamaged(problem)
    sound = next(_sound_ones(store, current), None)
    aside = [] if current is None else _places(current, damage)
    repair = _move(store, sound, aside, problem)
    log.warning(
        "%s; it was put aside in %s, and %s",
        problem,
        store.path / "quarantine",
        f"snapshot {sound} is current" if sound else "no snapshot is left: this begins anew",
    )
    return repair


def repair(store: Store) -> Repair:
    """Put every damaged snapshot aside, and point at the newest sound one.

    The caller holds the lock.

    :raises StoreNotWritable: when the disk refuses.
    """
    verifier, aside = Verifier(store.path), list[str]()
    current, problem = _certainly_pointed_at(store)
    kept = []
    for snapshot_id in others(store, None):
        try:
            damage = verifier.damage(snapshot_id)
        except UnknownFormat:
            kept.append(snapshot_id)
            continue
        if damage and all(one.certain for one in damage):
            aside += _places(snapshot_id, damage)
            if snapshot_id == current:
                problem = told(snapshot_id, damage)
        elif damage:
            kept.append(snapshot_id)
    if current in kept:
        problem = ""  # it is not for this version, or not for now, to judge
    pointer = next(_sound_ones(store, None), None) if problem else current
    return _move(store, pointer, aside, problem)


def others(store: Store, current: str | None) -> list[str]:
    """Every snapshot but the current one, the newest first."""
    return [one.id for one in store.snapshots() if one.id != current]


def _sound_ones(store: Store, current: str | None) -> Iterator[str]:
    verifier = Verifier(store.path)
    for snapshot_id in others(store, current):
        try:
            if not verifier.damage(snapshot_id):
                yield snapshot_id
        except UnknownFormat:
            continue


def _places(snapshot_id: str, damage: Sequence[Damage]) -> list[str]:
    """What to put aside for a damaged snapshot: its folder, and the segments that are."""
    segments = {
        "/".join(one.path.split("/")[:2]) for one in damage if one.path.startswith(f"{SEGMENTS}/")
    }
    return [f"{SNAPSHOTS}/{snapshot_id}", *sorted(segments)]


def _move(store: Store, current: str | None, aside: Sequence[str], problem: str) -> Repair:
    """Point first, then put aside: a crash in between leaves what answers in place."""
    moved = []
    with files.disk_errors():
        if current is None:
            store.forget_current()
        elif problem:
            store.set_current(current)
        for name in dict.fromkeys(aside):
            if (store.path / name).exists():
                store.quarantine(store.path / name)
                moved.append(name)
    return Repair(current, tuple(moved), problem)
