"""A snapshot that is being made: invisible until it is published.

Starts from the current snapshot. Documents that stay cost nothing: their segments are
shared. Added documents go into one new segment, removed ones into its neighbours' lists of
removals. Small or mostly dead segments are copied into the new one, so that a store that
is refreshed for years keeps a handful.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from corpus import files, lease, ledger
from corpus.errors import SnapshotDamaged, StoreBusy
from corpus.files import FileRecord
from corpus.fingerprint import Fingerprint
from corpus.identity import snapshot_id
from corpus.manifest import NAME as MANIFEST
from corpus.manifest import SEGMENTS, SNAPSHOTS, WORDS, Manifest, SegmentRef
from corpus.parent import Parent
from corpus.segment import SegmentWriter, is_sound, segment_id
from corpus.store import Store
from corpus.texts import Entry
from corpus.types import ChunkVectors, LedgerRow
from corpus.words import META_LOCK, WordIndex, WordIndexBuilder, version_of


class Build:
    """Collects the changes of one run. The caller holds the store's lock.

    :param parent: the snapshot this one follows; None for the first.
    :param fingerprint: the vector space; that of the parent, if there is one.
    :param settings: what decides how documents are read and cut.
    :raises StoreNotWritable: here and in every method, when the disk refuses.
    """

    def __init__(
        self,
        store: Store,
        parent: Parent | None,
        fingerprint: Fingerprint,
        settings: Mapping[str, Any],
    ) -> None:
        self._store, self._parent = store, parent
        self._fingerprint, self._settings = fingerprint, settings
        self._analyses_anew = parent is not None and (
            version_of(parent.manifest.settings) != version_of(settings)
        )
        self._removed: dict[str, int] = {}  # document -> place of its segment in the parent
        self._stack = ExitStack()
        with files.disk_errors(), ExitStack() as stack:
            self._segment_folder = stack.enter_context(files.staging(store.path / SEGMENTS))
            self._folder = stack.enter_context(files.staging(store.path / SNAPSHOTS))
            self._segment = SegmentWriter(self._segment_folder, fingerprint.dim)
            (self._folder / WORDS).mkdir()
            self._words = stack.enter_context(
                WordIndexBuilder(
                    self._folder / WORDS,
                    parent.words_folder if parent else None,
                    self._inherited_words,
                )
            )
            self._stack = stack.pop_all()

    def remove(self, document_id: str) -> None:
        """Leave out a document of the parent."""
        if self._parent is None or document_id in self._removed:
            return
        place = self._parent.segment_of(document_id)
        if place is not None:
            self._removed[document_id] = place
            self._words.remove(document_id)

    def add(self, entry: Entry, vectors: Sequence[ChunkVectors]) -> None:
        """Take in a document, in place of the parent's of the same id, if there is one.

        :param vectors: one for each of ``entry.chunks``.
        """
        self.remove(entry.document.id)
        with files.disk_errors():
            self._segment.add(entry, vectors)
            self._words.add(entry.document, entry.chunks)

    def publish(self, rows: Sequence[LedgerRow], probes: str) -> str:
        """Make the new snapshot durable and current.

        :param rows: its whole ledger.
        :param probes: see :func:`corpus.fingerprint.encode_probes`.
        :return: its id.
        :raises StoreBusy: when another snapshot became current since the parent, or another
            machine took the store over.
        """
        new_id = snapshot_id(rows, self._settings, self._fingerprint.id)
        with files.disk_errors():
            if self._analyses_anew:
                self._analyse_kept()
            segments, segment_files = self._finish_segments()
            manifest = Manifest(
                id=new_id,
                parent=self._parent.id if self._parent else None,
                sequence=self._parent.manifest.sequence + 1 if self._parent else 1,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                fingerprint=self._fingerprint,
                probes=probes,
                settings=self._settings,
                counts=ledger.counts(rows),
                segments=tuple(segments),
                files={**segment_files, **self._finish_files(new_id, rows)},
            )
            self._check_counts(manifest)
            files.write_new(self._folder / MANIFEST, manifest.to_bytes())
            self._commit(new_id)
        return new_id

    @property
    def _inherited_words(self) -> Mapping[str, FileRecord]:
        """The files of the parent's words, unless they are to be made anew."""
        if self._parent is None or self._analyses_anew:
            return {}
        return self._parent.word_files

    def _analyse_kept(self) -> None:
        """Index the documents that stay, because the parent's words are of another version."""
        if self._parent is None:
            return
        for number, ref, _ in self._by_size(self._parent):
            for entry, _ in self._parent.entries(number, ref.removed):
                self._words.add(entry.document, entry.chunks)

    def _finish_segments(self) -> tuple[list[SegmentRef], dict[str, FileRecord]]:
        """All segments, and what their files are."""
        kept = self._keep_or_copy()
        prefixes = tuple(f"{SEGMENTS}/{ref.id}/" for ref in kept)
        inherited = self._parent.manifest.files if self._parent else {}
        recorded = {name: r for name, r in inherited.items() if name.startswith(prefixes)}
        if not self._segment.documents:
            return kept, recorded
        new, written = self._finish_new_segment()
        return [*kept, new], {**recorded, **written}

    def _finish_new_segment(self) -> tuple[SegmentRef, dict[str, FileRecord]]:
        written = self._segment.finish()
        new_id = segment_id(written)
        folder = self._store.path / SEGMENTS / new_id
        if folder.exists() and not is_sound(folder, written):
            self._store.quarantine(folder)
        if not folder.exists():
            os.rename(self._segment_folder, folder)
            files.sync_folder(folder.parent)
        ref = SegmentRef(new_id, self._segment.documents, self._segment.chunks)
        return ref, {f"{SEGMENTS}/{new_id}/{name}": record for name, record in written.items()}

    def _keep_or_copy(self) -> list[SegmentRef]:
        """Decide for each segment of the parent: share it, or copy what lives of it.

        Segments no larger than the new one are copied, smallest first, and so are those
        that are mostly dead. Sizes then grow like powers of two: their number is
        logarithmic in the corpus, and so is how often a chunk is copied.
        """
        if self._parent is None:
            return []
        kept = []
        for number, ref, live in self._by_size(self._parent):
            if live > self._segment.documents and live * 2 >= ref.documents:
                kept.append(ref)
            else:
                self._copy(self._parent, number, ref)
        return kept

    def _by_size(self, parent: Parent) -> list[tuple[int, SegmentRef, int]]:
        """Segments of the parent with today's removals and documents left, smallest first."""
        segments = []
        for number, ref in enumerate(parent.manifest.segments):
            gone = [id_ for id_, place in self._removed.items() if place == number]
            today = replace(ref, removed=tuple(sorted({*ref.removed, *gone})))
            segments.append((number, today, ref.documents - len(today.removed)))
        return sorted(segments, key=lambda one: one[2])

    def _copy(self, parent: Parent, number: int, ref: SegmentRef) -> None:
        for entry, vectors in parent.entries(number, ref.removed):
            self._segment.add(entry, vectors)

    def _finish_files(self, new_id: str, rows: Iterable[LedgerRow]) -> dict[str, FileRecord]:
        """Write the ledger and the words; hash only what the parent did not have."""
        below = f"{SNAPSHOTS}/{new_id}"
        inherited = self._inherited_words
        new = set(self._words.finish())
        words = {
            name: files.record_of(self._folder / WORDS / name) if name in new else inherited[name]
            for name in sorted(new | inherited.keys() & set(os.listdir(self._folder / WORDS)))
        }
        recorded = files.write_new(self._folder / ledger.NAME, ledger.to_bytes(rows))
        return {
            f"{below}/{ledger.NAME}": recorded,
            **{f"{below}/{WORDS}/{name}": record for name, record in words.items()},
        }

    def _check_counts(self, manifest: Manifest) -> None:
        """Open the words that were just written: they, the ledger and the texts must agree."""
        try:
            expected, found = manifest.counts["chunks"], len(WordIndex(self._folder / WORDS))
        except ValueError as error:
            raise OSError(f"the word index does not open: {error}") from error
        (self._folder / WORDS / META_LOCK).unlink(missing_ok=True)
        if found != expected:
            raise OSError(f"the word index holds {found} chunks, the ledger says {expected}")

    def _commit(self, new_id: str) -> None:
        """Name the folder, then point at it: nothing before the last step shows."""
        expected = self._parent.id if self._parent else None
        if self._store.current_id() != expected:
            raise StoreBusy("another snapshot was published meanwhile; run this again")
        files.sync_folder(self._folder)
        if self._parent is None:  # the folders of snapshots and segments are new as well
            files.sync_folder(self._store.path)
        target = self._store.path / SNAPSHOTS / new_id
        if target.exists() and not self._is_sound(new_id):
            self._store.quarantine(target)
        if not target.exists():
            os.rename(self._folder, target)
            files.sync_folder(target.parent)
        lease.check(self._store.path)
        self._store.set_current(new_id)

    def _is_sound(self, existing: str) -> bool:
        try:
            self._store.open(existing)
        except SnapshotDamaged:
            return False
        return True

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self._segment.close()
        self._stack.close()
