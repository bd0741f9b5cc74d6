"""Files that are written once, checked on the way, and known by their hash.

The operating system's own calls, so that every error of a full or failing disk is seen:
``os.write`` in a loop, ``fsync`` of the file and of the folder that names it. A failed
``fsync`` is never tried again, because a second one may succeed with the data gone.

Knows nothing of snapshots: what is written where is for ``corpus.store`` to say.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType

from corpus.errors import StoreNotWritable

_BLOCK = 1 << 23
"""Bytes read at once to be hashed. At each block a thread waits for the interpreter, which another
one that computes keeps for up to 5 ms."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a file must be, to be loaded."""

    size: int  # bytes
    sha256: str  # hex


class CheckedWriter:
    """Writes a new file, hashing on the way; the file is durable once the block ends.

    :raises FileExistsError: when the file exists: nothing is ever overwritten.
    :raises OSError: when any byte could not be written.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Write all of ``data`` and return its length."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    @property
    def record(self) -> FileRecord:
        """Size and hash of what was written so far."""
        return FileRecord(self._size, self._hash.hexdigest())

    def __enter__(self) -> CheckedWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                os.fsync(self._descriptor)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of a file that will not be finished."""
        os.close(self._descriptor)


def write_new(path: Path, data: bytes) -> FileRecord:
    """Write a file that does not exist yet, durably, and read it back.

    :raises OSError: when a byte could not be written or is not what was written.
    """
    with CheckedWriter(path) as writer:
        writer.write(data)
    try:
        read_checked(path, writer.record)
    except ValueError as error:
        raise OSError(f"it was written and reads back as something else: {error}") from error
    return writer.record


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step: readers see the old bytes or the new ones."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write_new(aside, data)
        os.rename(aside, path)
    except BaseException:
        with suppress(OSError):  # why it failed is what is told
            aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_checked(path: Path, expected: FileRecord) -> bytes:
    """Read a file whole and return its bytes only when they are the expected ones.

    :raises ValueError: when size or hash differ.
    :raises OSError: when it cannot be read.
    """
    data = path.read_bytes()
    if len(data) != expected.size:
        raise ValueError(f"{path.name} has {len(data)} bytes, {expected.size} were written")
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise ValueError(f"{path.name} fails its checksum")
    return data


def map_checked(path: Path, expected: FileRecord) -> mmap.mmap:
    """Map a file that holds something, and only when its bytes are the expected ones.

    It is read whole first, so that an error of the disk is an error here: one that comes when
    pages are read anew, which memory was needed for meanwhile, ends the process.

    :raises ValueError: when size or hash differ.
    :raises OSError: when it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size != expected.size:
            raise ValueError(f"{path.name} has {size} bytes, {expected.size} were written")
        if _hashed(file) != expected:
            raise ValueError(f"{path.name} fails its checksum")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def record_of(path: Path) -> FileRecord:
    """Hash a file that some library wrote."""
    with open(path, "rb", buffering=0) as file:
        return _hashed(file)


def _hashed(file: FileIO) -> FileRecord:
    """What a file holds, from where it is read next to its end."""
    digest, size = hashlib.sha256(), 0
    block = memoryview(bytearray(min(os.fstat(file.fileno()).st_size, _BLOCK) or 1))
    while count := file.readinto(block):
        digest.update(block[:count])
        size += count
    return FileRecord(size, digest.hexdigest())


def sync_file(path: Path) -> None:
    """Make the content of a file durable that some library wrote."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder below ``parent`` to write into; what is left of it at the end is removed.

    The block renames it away when it is complete. Names that begin with ``tmp-`` are
    garbage by definition: a killed run may leave one behind.
    """
    folder = parent / f"tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be done."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system cannot, copy it."""
    import shutil

    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def disk_errors(
    meaning: str = "nothing was published and the snapshot before still answers",
) -> Iterator[None]:
    """Tell what the disk refused in the project's own terms.

    :param meaning: what that means for the store.
    :raises StoreNotWritable: in place of an error of the operating system or of SQLite.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        raise StoreNotWritable(f"the store could not be written: {error}; {meaning}") from error


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the disk is to blame. SQLite calls what it could not read malformed, with its
    class for everything that is no other class; a row that is there twice is not the disk's.
    """
    if isinstance(error, OSError):
        return not isinstance(error, BrokenPipeError)
    import sqlite3

    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
