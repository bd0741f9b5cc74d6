"""A segment: some documents, their chunks and their vectors, written once and shared.

::

    segments/<id>/
        vectors.faiss      the chunks' vectors under their ids
        vectors.sums       corpus.blocks: a hash for each block of it
        texts.sqlite       the documents and the chunks' spans
        catalogue.sqlite   corpus.catalogue: which documents and chunks, without texts
        windows.i8         corpus.windows: vectors of parts of the chunks, where they have any
        windows.sums       the same for it as for the vectors
        codes.i8           corpus.codes: the same vectors in eight bits

Its id is a hash of its files. A snapshot is a list of segments, each less the documents
that were removed since it was written. Older segments have no ``codes.i8``, and large ones of
these a ``signs.faiss`` that is verified and not read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from corpus.blocks import BlockSums
from corpus.catalogue import CatalogueWriter
from corpus.codes import Codes
from corpus.errors import SnapshotDamaged
from corpus.files import (
    CheckedWriter,
    FileRecord,
    map_checked,
    record_of,
    sync_file,
    sync_folder,
    write_new,
)
from corpus.texts import Entry, Texts, TextWriter
from corpus.types import ChunkVectors
from corpus.vectors import VectorIndex
from corpus.windows import WindowFile, WindowWriter

VECTORS = "vectors.faiss"
SUMS = "vectors.sums"
TEXTS = "texts.sqlite"
CATALOGUE = "catalogue.sqlite"
WINDOWS = "windows.i8"
WINDOW_SUMS = "windows.sums"
CODES = "codes.i8"


class SegmentWriter:
    """Writes a new segment into an empty folder. Memory: its vectors, at half precision, and half
    as much again while it is finished.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._vectors = VectorIndex(dim)
        self._texts = TextWriter(folder / TEXTS)
        self._catalogue = CatalogueWriter(folder / CATALOGUE)
        self._windows = WindowWriter(folder / WINDOWS, dim)
        self.documents = 0

    @property
    def chunks(self) -> int:
        """Chunks written so far."""
        return len(self._vectors)

    def add(self, entry: Entry, vectors: Sequence[ChunkVectors]) -> None:
        """Write a document. ``vectors[i]`` belongs to ``entry.chunks[i]``."""
        self._texts.add(entry)
        self._catalogue.add(entry)
        ids = np.array([chunk.id for chunk in entry.chunks], np.int64)
        if len(ids):
            self._vectors.add(ids, np.stack([one[0] for one in vectors]))
        self._windows.add([one[1:] for one in vectors])
        self.documents += 1

    def finish(self) -> dict[str, FileRecord]:
        """Make the segment durable, read it back, and say what its files are.

        :raises OSError: when a byte could not be written or is not what was written.
        """
        self._texts.finish()
        self._catalogue.finish()
        sync_file(self._folder / TEXTS)
        sync_file(self._folder / CATALOGUE)
        vectors, sums = self._write_vectors()
        windows, codes = self._finish_windows(), self._write_codes()
        sync_folder(self._folder)
        read_back = record_of(self._folder / VECTORS)
        if read_back != vectors:
            raise OSError(f"{VECTORS} reads back as {read_back}, {vectors} was written")
        databases = {name: record_of(self._folder / name) for name in (TEXTS, CATALOGUE)}
        return {VECTORS: vectors, SUMS: sums, CODES: codes, **windows, **databases}

    def _finish_windows(self) -> dict[str, FileRecord]:
        written = self._windows.finish()
        if written is None:
            return {}
        record, sums = written
        if record_of(self._folder / WINDOWS) != record:
            raise OSError(f"{WINDOWS} does not read back as it was written")
        return {WINDOWS: record, WINDOW_SUMS: write_new(self._folder / WINDOW_SUMS, sums)}

    def _write_codes(self) -> FileRecord:
        with CheckedWriter(self._folder / CODES) as writer:
            Codes.of(self._vectors).write(writer.write)
        if record_of(self._folder / CODES) != writer.record:
            raise OSError(f"{CODES} does not read back as it was written")
        return writer.record

    def _write_vectors(self) -> tuple[FileRecord, FileRecord]:
        sums = BlockSums()
        with CheckedWriter(self._folder / VECTORS) as writer:

            def write(data: bytes) -> int:
                sums.update(data)
                return writer.write(data)

            self._vectors.write(write)
        return writer.record, write_new(self._folder / SUMS, sums.to_bytes())

    def close(self) -> None:
        """Let go of the files; the folder is the caller's."""
        self._texts.close()
        self._catalogue.close()
        self._windows.close()


def segment_id(files: Mapping[str, FileRecord]) -> str:
    """Id of a segment: a hash over the hashes of its files."""
    joined = ",".join(f"{name}={files[name].sha256}" for name in sorted(files))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def is_sound(folder: Path, files: Mapping[str, FileRecord]) -> bool:
    """Whether the files of a segment are what they must be."""
    try:
        return all(record_of(folder / name) == record for name, record in files.items())
    except OSError:
        return False


class Segment:
    """A segment that is being read.

    :raises SnapshotDamaged: when a file is not what the manifest says.
    """

    def __init__(self, folder: Path, files: Mapping[str, FileRecord]) -> None:
        self._folder, self._files = folder, files
        try:
            for name in {TEXTS, *files} - {VECTORS, CODES}:  # checked as they are mapped
                if record_of(folder / name) != files[name]:
                    raise ValueError(f"{name} fails its checksum")
            self.texts = Texts(folder / TEXTS)
        except (OSError, ValueError, KeyError, sqlite3.Error) as error:
            raise self._damaged(error) from error

    def read_vectors(self, *, stays: bool = True) -> VectorIndex:
        """The vectors, from a file that was verified and is mapped.

        :param stays: whether what is read of it may stay in memory.
        """
        path = self._folder / VECTORS
        try:
            mapped = map_checked(path, self._files[VECTORS])
            return VectorIndex.read(mapped, None if stays else path)
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from error

    def read_codes(self, vectors: VectorIndex) -> Codes:
        """The codes of its vectors, from a file that was verified and is mapped; made anew for a
        segment that has none.
        """
        if CODES not in self._files:
            codes = Codes.of(vectors)
            vectors.let_go()
            return codes
        try:
            codes = Codes.read(map_checked(self._folder / CODES, self._files[CODES]))
            if (len(codes), codes.dim) != (len(vectors), vectors.dim):
                raise ValueError(
                    f"{CODES} has {len(codes)} codes of {codes.dim} dimensions, "
                    f"{VECTORS} {len(vectors)} of {vectors.dim}"
                )
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        return codes

    def windows(self, dim: int, *, stays: bool = True) -> WindowFile | None:
        """The windows of its chunks, from the file that was verified; None: they have none.

        :param stays: whether what is read of it may stay in memory.
        """
        if WINDOWS not in self._files:
            return None
        try:
            return WindowFile(self._folder / WINDOWS, dim, stays=stays)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> SnapshotDamaged:
        return SnapshotDamaged(f"segment {self._folder.name} is damaged: {error}")
