"""The snapshot that a new one follows, opened piece by piece.

A run needs little of it: which documents its sources had, the vectors of texts that were
embedded before, and the segments that are merged. Each of these is opened, and verified, when
it is first asked for, so that a run costs what it changes and not what the corpus holds.
Whoever answers from a snapshot opens all of it: :mod:`corpus.snapshot`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path

import numpy as np

from corpus.blocks import BlockReader
from corpus.catalogue import Catalogue
from corpus.errors import SnapshotDamaged
from corpus.files import FileRecord, read_checked, record_of
from corpus.manifest import (
    SEGMENTS,
    SNAPSHOTS,
    WORDS,
    Manifest,
    SegmentRef,
    below,
    read_manifest,
)
from corpus.rows import VectorRows
from corpus.segment import (
    CATALOGUE,
    SUMS,
    TEXTS,
    VECTORS,
    WINDOW_SUMS,
    WINDOWS,
    Segment,
)
from corpus.texts import Entry
from corpus.types import ChunkIds, ChunkVectors, Vectors
from corpus.vectors import VectorIndex
from corpus.windows import WindowFile, WindowRows


class Parent:
    """A context manager. Not to be shared between threads.

    :raises SnapshotDamaged: here and in every method, when something that it reads is not
        what the manifest says.
    """

    def __init__(self, store: Path, snapshot_id: str) -> None:
        self.manifest: Manifest = read_manifest(store, snapshot_id)
        self.words_folder = store / SNAPSHOTS / snapshot_id / WORDS
        self._segments = [
            _Segment(
                store / SEGMENTS / ref.id,
                below(self.manifest, f"{SEGMENTS}/{ref.id}/"),
                self.manifest.fingerprint.dim,
                ref,
            )
            for ref in self.manifest.segments
        ]

    @property
    def id(self) -> str:
        """The id of what it says."""
        return self.manifest.id

    @property
    def word_files(self) -> dict[str, FileRecord]:
        """Names and hashes of the files of the word index."""
        return below(self.manifest, f"{SNAPSHOTS}/{self.id}/{WORDS}/")

    def digests(self, source: str) -> dict[str, str]:
        """The digests of a source's documents, by id."""
        found: dict[str, str] = {}
        for segment in self._segments:
            found |= segment.digests(source)
        return found

    def owners(self) -> dict[str, str]:
        """The source of every document."""
        return {id_: source for segment in self._segments for id_, source in segment.owners()}

    def segment_of(self, document_id: str) -> int | None:
        """The place in the manifest of the segment that holds a document; None: none does."""
        places = (at for at, one in enumerate(self._segments) if one.holds(document_id))
        return next(places, None)

    def vectors_by_key(self, keys: Sequence[str]) -> dict[str, ChunkVectors]:
        """Vectors of texts that were embedded before, by :func:`corpus.identity.text_key`."""
        found: dict[str, ChunkVectors] = {}
        for segment in self._segments:
            found |= segment.vectors_by_key([key for key in keys if key not in found])
        return found

    def entries(
        self, number: int, without: Sequence[str]
    ) -> Iterator[tuple[Entry, list[ChunkVectors]]]:
        """The documents of a segment with their vectors, some left out."""
        return self._segments[number].entries(frozenset(without))

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_: object) -> None:
        for segment in self._segments:
            segment.close()


class _Segment:
    """A segment of the parent, less what was removed from it."""

    def __init__(
        self, folder: Path, files: dict[str, FileRecord], dim: int, ref: SegmentRef
    ) -> None:
        self._folder, self._files, self._dim = folder, files, dim
        self._chunks, self._removed = ref.chunks, frozenset(ref.removed)
        self._stack = ExitStack()

    def digests(self, source: str) -> dict[str, str]:
        found = self._catalogue.of_source(source)
        return {id_: digest for id_, digest in found.items() if id_ not in self._removed}

    def owners(self) -> list[tuple[str, str]]:
        return [pair for pair in self._catalogue.sources() if pair[0] not in self._removed]

    def holds(self, document_id: str) -> bool:
        return document_id not in self._removed and self._catalogue.holds(document_id)

    def vectors_by_key(self, keys: Sequence[str]) -> dict[str, ChunkVectors]:
        """Of removed documents, too: a vector belongs to its text, whoever held it."""
        ids = self._catalogue.ids_by_key(keys) if keys else {}
        if not ids:
            return {}
        wanted = np.array(list(ids.values()), np.int64)
        with self._reading():
            vectors = self._vectors_of(wanted)
        return dict(zip(ids, vectors, strict=True))

    def entries(self, without: frozenset[str]) -> Iterator[tuple[Entry, list[ChunkVectors]]]:
        whole = Segment(self._folder, self._files)
        index, windows = whole.read_vectors(), whole.windows(self._dim)
        for entry in whole.texts.entries(without):
            ids = np.array([chunk.id for chunk in entry.chunks], np.int64)
            yield entry, _joined(index.vectors_of(ids), index.rows_of(ids), windows)

    def close(self) -> None:
        self._stack.close()

    @cached_property
    def _catalogue(self) -> Catalogue:
        name = CATALOGUE if CATALOGUE in self._files else TEXTS  # before there were catalogues
        with self._reading():
            if record_of(self._folder / name) != self._files[name]:
                raise ValueError(f"{name} fails its checksum")
            return self._stack.enter_context(closing(Catalogue(self._folder / name)))

    def _vectors_of(self, ids: ChunkIds) -> list[ChunkVectors]:
        return _joined(self._rows.vectors_of(ids), self._rows.rows_of(ids), self._windows)

    @cached_property
    def _rows(self) -> VectorRows | VectorIndex:
        if SUMS not in self._files:
            return Segment(self._folder, self._files).read_vectors()
        return VectorRows(self._blocks(VECTORS, SUMS), self._dim, self._chunks)

    @cached_property
    def _windows(self) -> WindowRows | None:
        if WINDOWS not in self._files:
            return None
        return WindowRows(self._blocks(WINDOWS, WINDOW_SUMS), self._dim)

    def _blocks(self, name: str, sums: str) -> BlockReader:
        expected = read_checked(self._folder / sums, self._files[sums])
        file = BlockReader(self._folder / name, self._files[name], expected)
        return self._stack.enter_context(closing(file))

    def _reading(self) -> _Damage:
        return _Damage(self._folder.name)


def _joined(
    vectors: Vectors, rows: ChunkIds, windows: WindowFile | WindowRows | None
) -> list[ChunkVectors]:
    """Vectors with the windows that lie in the same rows below them."""
    if windows is None:
        return [one[None] for one in vectors]
    return [np.vstack([one, windows[int(row)]]) for one, row in zip(vectors, rows, strict=True)]


class _Damage:
    """What goes wrong while a segment is read is told as its damage."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (OSError, ValueError, KeyError, sqlite3.Error)):
            raise SnapshotDamaged(f"segment {self._name} is damaged: {error}") from error
