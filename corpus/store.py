"""The corpus on disk: snapshots, and which one answers.

::

    store/
        CURRENT               the id of the snapshot that answers, one line
        LOCK                  corpus.lock: one writer; readers take no lock
        snapshots/<id>/       corpus.snapshot
        segments/<id>/        corpus.segment, shared by snapshots
        quarantine/           what was found damaged; nothing is deleted silently
        tags.json             corpus.tags: names that somebody gave to snapshots
        roots.json            corpus.roots: which folders are refreshed
        runs.jsonl            corpus.runs: what runs came to
        CHECKED, NEXT         corpus.runs: when all was last well; when the next run is due
        VERIFIED              corpus.daily: when a run last verified everything
        LEASE                 corpus.lease: who writes, for other machines

Nothing below ``snapshots`` and ``segments`` changes once it has its name. Names that begin
with ``tmp-`` are left-overs of a killed run. A reader sees the old snapshot or the new
one, never a mixture.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpus import daily, files, lease, lock, recovery
from corpus import tags as tagging
from corpus.errors import (
    CorpusError,
    NoSnapshot,
    SnapshotDamaged,
    StoreNotWritable,
    TagsDamaged,
    UnknownSnapshot,
)
from corpus.ledger import read_ledger
from corpus.manifest import SEGMENTS, SNAPSHOTS, Manifest, read_manifest
from corpus.types import LedgerRow

if TYPE_CHECKING:
    from corpus.collecting import Garbage
    from corpus.snapshot import Snapshot

log = logging.getLogger(__name__)

CURRENT = "CURRENT"
LOCK = "LOCK"
QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """A snapshot in a list."""

    id: str
    sequence: int  # the order of publishing
    created: str  # ISO 8601, UTC
    documents: int
    chunks: int
    size: int  # bytes of its files, those it shares with others included
    current: bool
    damage: str = ""  # why it cannot be used; empty when its manifest reads well
    tags: tuple[str, ...] = ()


class Store:
    """A folder that holds a corpus. Cheap to make; touches nothing until asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def current_id(self) -> str | None:
        """The id of the snapshot that answers, or None before the first is published."""
        try:
            name = (self.path / CURRENT).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SnapshotDamaged(f"{self.path / CURRENT} cannot be read: {error}") from error
        if not name.isalnum():
            raise SnapshotDamaged(f"{self.path / CURRENT} does not hold the id of a snapshot")
        return name

    def require_current(self) -> str:
        """The id of the snapshot that answers.

        :raises NoSnapshot: before the first is published.
        """
        current = self.current_id()
        if current is None:
            raise NoSnapshot(self.path)
        return current

    def open(self, snapshot_id: str | None = None) -> Snapshot:
        """Open a snapshot, by default the one that answers, verifying every file of it.

        :raises NoSnapshot: before the first is published.
        :raises UnknownSnapshot: when there is none of that id.
        :raises SnapshotDamaged: when a file is not what its manifest says.
        """
        from corpus.snapshot import Snapshot  # with FAISS and tantivy

        chosen = self.require_current() if snapshot_id is None else snapshot_id
        return Snapshot(self.path, self._known(chosen))

    def manifest(self, snapshot_id: str) -> Manifest:
        """Read the manifest of a snapshot and nothing else of it."""
        return read_manifest(self.path, self._known(snapshot_id))

    def ledger(self, snapshot_id: str) -> list[LedgerRow]:
        """Read the ledger of a snapshot without opening the rest of it."""
        return read_ledger(self.path, self.manifest(snapshot_id))

    def resolve(self, name: str) -> str:
        """The id of the snapshot that somebody names: by its id, a tag, or how its id begins.

        :raises UnknownSnapshot: when nothing is named so, or more than one.
        :raises TagsDamaged: when only a tag could be meant, and the tags cannot be read.
        """
        return tagging.resolve(self.path, name, self.ids())

    def tags(self) -> dict[str, str]:
        """The ids of snapshots by their tags.

        :raises TagsDamaged: when the file of tags is not what was written.
        """
        return tagging.read(self.path)

    def ids(self) -> list[str]:
        """The ids of all snapshots, in no order."""
        return self._names(SNAPSHOTS)

    def segment_ids(self) -> list[str]:
        """The ids of all segments, in no order."""
        return self._names(SEGMENTS)

    def snapshots(self) -> list[SnapshotSummary]:
        """Every snapshot, newest first; those whose manifest is damaged come last."""
        current, tags = self._believed_current(), dict[str, str]()
        with suppress(TagsDamaged):  # told by those who act on tags
            tags = self.tags()
        summaries = [self._summary(name, current, tags) for name in self.ids()]
        return sorted(summaries, key=lambda one: (one.sequence, one.created), reverse=True)

    def activate(self, snapshot_id: str) -> None:
        """Make a snapshot the one that answers, once it has been verified.

        The caller holds the lock of :meth:`writing`.

        :raises UnknownSnapshot: when there is none of that id.
        :raises SnapshotDamaged: when it is damaged; the current one stays.
        """
        self.open(snapshot_id)
        self.set_current(snapshot_id)

    def set_current(self, snapshot_id: str) -> None:
        """Point ``CURRENT`` at a snapshot: the one commit point of the store.

        An error after the pointer moved is told from one before by reading it again.

        :raises StoreNotWritable: when the pointer was not moved.
        """
        try:
            files.replace(self.path / CURRENT, f"{snapshot_id}\n".encode())
        except OSError as error:
            if self._believed_current() != snapshot_id:
                raise StoreNotWritable(
                    f"snapshot {snapshot_id} could not be made current: {error.strerror}; "
                    "the one before still answers"
                ) from error

    def forget_current(self) -> None:
        """Point at no snapshot, because none is left. The caller holds the lock."""
        (self.path / CURRENT).unlink(missing_ok=True)
        files.sync_folder(self.path)

    @contextmanager
    def writing(self, *, recovers: bool = True) -> Iterator[None]:
        """Hold the writer's lock for the length of a ``with`` block.

        A current snapshot that is seen to be damaged is put aside first, and the newest sound
        one made current: see :func:`corpus.recovery.recover`.

        :param recovers: False leaves that to the caller.
        :raises StoreBusy: when another process is writing, or another machine.
        :raises StoreNotWritable: when the store cannot be made, and when the disk fails within
            the block where nobody had more to say.
        """
        failed = "`rag status` tells which snapshot answers; look at the disk, then run this again"
        with lock.exclusive(self.path / LOCK), files.disk_errors(failed):
            lease.settle(self.path)
            if recovers:
                self._recover()
            yield

    def _recover(self) -> None:
        due = daily.is_due(self.path)
        recovery.recover(self, thorough=due)
        if due:
            daily.note(self.path)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """As :meth:`writing`, for who is sure to write: other machines are kept out as well."""
        with self.writing(), lease.held(self.path):
            yield

    def is_being_written(self) -> bool:
        """Whether a run is under way in some process, here or on another machine."""
        return lock.is_held(self.path / LOCK) or lease.is_held_elsewhere(self.path)

    def quarantine(self, folder: Path) -> None:
        """Move a damaged snapshot or segment aside, so that its name can be used again."""
        target = self.path / QUARANTINE
        target.mkdir(exist_ok=True)
        taken, number = set(os.listdir(target)), 0
        while f"{folder.name}-{number}" in taken:
            number += 1
        os.rename(folder, target / f"{folder.name}-{number}")
        for changed in (target, folder.parent, self.path):
            files.sync_folder(changed)

    def collect(self, keep: int) -> list[str]:
        """Remove all but the ``keep`` newest snapshots and whatever no other one needs.

        The current one always stays, and so does what is tagged or damaged; while it cannot
        be told what is tagged or what is there, nothing goes. The caller holds the lock of
        :meth:`writing`.

        :return: ids of the snapshots that were removed.
        """
        from corpus import collecting

        try:
            garbage = collecting.find(self, keep)
        except (TagsDamaged, OSError) as error:
            log.warning("no snapshot was removed: %s", error)
            return []
        return self.remove(garbage)

    def remove(self, garbage: Garbage) -> list[str]:
        """Remove what was found to be garbage. The caller holds the lock since then.

        :return: ids of the snapshots that were removed.
        """
        for place in garbage.left_overs:
            files.remove_folder(self.path / place)
        removed = [one for one in garbage.snapshots if self._remove(SNAPSHOTS, one)]
        if len(removed) == len(garbage.snapshots):
            for name in garbage.segments:
                self._remove(SEGMENTS, name)
        return removed

    def _believed_current(self) -> str | None:
        """The current id, or None where the pointer itself is damaged."""
        try:
            return self.current_id()
        except SnapshotDamaged:
            return None

    def _remove(self, folder: str, name: str) -> bool:
        """Remove a snapshot or segment in one step as far as readers can tell."""
        place = self.path / folder
        try:
            os.rename(place / name, place / f"tmp-{name}")
            files.sync_folder(place)  # or a crash could bring the name back without its files
        except OSError:
            return False
        files.remove_folder(place / f"tmp-{name}")
        return True

    def _summary(self, name: str, current: str | None, tags: dict[str, str]) -> SnapshotSummary:
        named = tuple(tag for tag, snapshot in tags.items() if snapshot == name)
        try:
            manifest = read_manifest(self.path, name)
        except CorpusError as error:
            return SnapshotSummary(name, -1, "", 0, 0, 0, name == current, str(error), named)
        return SnapshotSummary(
            name,
            manifest.sequence,
            manifest.created,
            manifest.counts["documents"],
            manifest.counts["chunks"],
            sum(record.size for record in manifest.files.values()),
            name == current,
            tags=named,
        )

    def _known(self, snapshot_id: str) -> str:
        """Refuse anything that is not the name of a snapshot folder: ids come over HTTP."""
        if snapshot_id not in self.ids():
            raise UnknownSnapshot(snapshot_id)
        return snapshot_id

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self.path / folder) as entries:
                return [one.name for one in entries if one.is_dir() and one.name[:4] != "tmp-"]
        except FileNotFoundError:
            return []
