"""The corpus on disk: snapshots, and which one answers.

::

    store/
        CURRENT               the id of the snapshot that answers, one line
        LOCK                  corpus.lock: one writer; readers take no lock
        snapshots/<id>/       corpus.snapshot
        segments/<id>/        corpus.segment, shared by snapshots
        quarantine/           what was found damaged; nothing is deleted silently
        roots.json            corpus.roots: which folders are refreshed
        runs.jsonl            corpus.runs: what runs came to
        CHECKED, NEXT         corpus.runs: when all was last well; when the next run is due

Nothing below ``snapshots`` and ``segments`` changes once it has its name. Names that begin
with ``tmp-`` are left-overs of a killed run. A reader sees the old snapshot or the new
one, never a mixture.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from corpus import files, lock
from corpus.errors import (
    CorpusError,
    NoSnapshot,
    SnapshotDamaged,
    StoreNotWritable,
    UnknownSnapshot,
)
from corpus.manifest import Manifest
from corpus.snapshot import SEGMENTS, SNAPSHOTS, Snapshot, read_ledger, read_manifest
from corpus.types import LedgerRow

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
        chosen = self.require_current() if snapshot_id is None else snapshot_id
        return Snapshot(self.path, self._known(chosen))

    def manifest(self, snapshot_id: str) -> Manifest:
        """Read the manifest of a snapshot and nothing else of it."""
        return read_manifest(self.path, self._known(snapshot_id))

    def ledger(self, snapshot_id: str) -> list[LedgerRow]:
        """Read the ledger of a snapshot without opening the rest of it."""
        return read_ledger(self.path, self.manifest(snapshot_id))

    def snapshots(self) -> list[SnapshotSummary]:
        """Every snapshot, newest first; those whose manifest is damaged come last."""
        current = self._believed_current()
        summaries = [self._summary(name, current) for name in self._names(SNAPSHOTS)]
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

    def writing(self) -> AbstractContextManager[None]:
        """Hold the writer's lock for the length of a ``with`` block.

        :raises StoreBusy: when another process is writing.
        :raises StoreNotWritable: when the store cannot be made.
        """
        return lock.exclusive(self.path / LOCK)

    def is_being_written(self) -> bool:
        """Whether a run is under way in some process."""
        return lock.is_held(self.path / LOCK)

    def quarantine(self, folder: Path) -> None:
        """Move a damaged snapshot or segment aside, so that its name can be used again."""
        target = self.path / QUARANTINE
        target.mkdir(exist_ok=True)
        number = len(os.listdir(target))
        os.rename(folder, target / f"{folder.name}-{number}")
        files.sync_folder(target)
        files.sync_folder(folder.parent)

    def collect(self, keep: int) -> list[str]:
        """Remove all but the ``keep`` newest snapshots and whatever no other one needs.

        The current one always stays, and so does anything damaged. The caller holds the
        lock of :meth:`writing`.

        :return: ids of the snapshots that were removed.
        """
        summaries = self.snapshots()
        sound = [one for one in summaries if not one.damage]
        removed = [one.id for one in sound[keep:] if not one.current]
        for snapshot_id in removed:
            self._remove(self.path / SNAPSHOTS / snapshot_id)
        if len(sound) == len(summaries):  # a damaged manifest may name any segment
            needed = {ref for one in self.snapshots() for ref in self._segment_names(one.id)}
            for name in set(self._names(SEGMENTS)) - needed:
                self._remove(self.path / SEGMENTS / name)
        for folder in (SNAPSHOTS, SEGMENTS):
            for left_over in (self.path / folder).glob("tmp-*"):
                shutil.rmtree(left_over, ignore_errors=True)
        return removed

    def _believed_current(self) -> str | None:
        """The current id, or None where the pointer itself is damaged."""
        try:
            return self.current_id()
        except SnapshotDamaged:
            return None

    def _segment_names(self, snapshot_id: str) -> list[str]:
        return [ref.id for ref in self.manifest(snapshot_id).segments]

    def _remove(self, folder: Path) -> None:
        """Remove a folder in one step as far as readers can tell."""
        aside = folder.with_name(f"tmp-{folder.name}")
        with suppress(OSError):
            os.rename(folder, aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _summary(self, name: str, current: str | None) -> SnapshotSummary:
        try:
            manifest = read_manifest(self.path, name)
        except CorpusError as error:
            return SnapshotSummary(name, -1, "", 0, 0, 0, name == current, str(error))
        return SnapshotSummary(
            name,
            manifest.sequence,
            manifest.created,
            manifest.counts["documents"],
            manifest.counts["chunks"],
            sum(record.size for record in manifest.files.values()),
            name == current,
        )

    def _known(self, snapshot_id: str) -> str:
        """Refuse anything that is not the name of a snapshot folder: ids come over HTTP."""
        if snapshot_id not in self._names(SNAPSHOTS):
            raise UnknownSnapshot(snapshot_id)
        return snapshot_id

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self.path / folder) as entries:
                return [one.name for one in entries if one.is_dir() and one.name[:4] != "tmp-"]
        except FileNotFoundError:
            return []
