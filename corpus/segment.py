"""A segment: some documents, their chunks and their vectors, written once and shared.

::

    segments/<id>/
        vectors.faiss    the chunks' vectors under their ids
        texts.sqlite     the documents and the chunks' spans

Its id is a hash of its files. A snapshot is a list of segments, each less the documents
that were removed since it was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from corpus.errors import SnapshotDamaged
from corpus.files import CheckedWriter, FileRecord, read_checked, record_of, sync_file, sync_folder
from corpus.texts import Entry, Texts, TextWriter
from corpus.types import Vectors
from corpus.vectors import VectorIndex

VECTORS = "vectors.faiss"
TEXTS = "texts.sqlite"


class SegmentWriter:
    """Writes a new segment into an empty folder. Memory: its vectors, at half precision."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._vectors = VectorIndex(dim)
        self._texts = TextWriter(folder / TEXTS)
        self.documents = 0

    @property
    def chunks(self) -> int:
        """Chunks written so far."""
        return len(self._vectors)

    def add(self, entry: Entry, vectors: Vectors) -> None:
        """Write a document. Row i of ``vectors`` belongs to ``entry.chunks[i]``."""
        self._texts.add(entry)
        ids = np.array([chunk.id for chunk in entry.chunks], np.int64)
        if len(ids):
            self._vectors.add(ids, vectors)
        self.documents += 1

    def finish(self) -> dict[str, FileRecord]:
        """Make the segment durable, read it back, and say what its files are.

        :raises OSError: when a byte could not be written or is not what was written.
        """
        self._texts.finish()
        sync_file(self._folder / TEXTS)
        with CheckedWriter(self._folder / VECTORS) as writer:
            self._vectors.write(writer.write)
        sync_folder(self._folder)
        read_back = record_of(self._folder / VECTORS)
        if read_back != writer.record:
            raise OSError(f"{VECTORS} reads back as {read_back}, {writer.record} was written")
        return {VECTORS: writer.record, TEXTS: record_of(self._folder / TEXTS)}

    def close(self) -> None:
        """Let go of the files; the folder is the caller's."""
        self._texts.close()


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
            if record_of(folder / TEXTS) != files[TEXTS]:
                raise ValueError(f"{TEXTS} fails its checksum")
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from error
        self.texts = Texts(folder / TEXTS)

    def read_vectors(self) -> VectorIndex:
        """Load the vectors from bytes that were verified; the caller owns the index."""
        try:
            return VectorIndex.read(read_checked(self._folder / VECTORS, self._files[VECTORS]))
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> SnapshotDamaged:
        return SnapshotDamaged(f"segment {self._folder.name} is damaged: {error}")
