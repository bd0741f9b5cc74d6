"""One writer at a time: an advisory lock on a file of the store.

The kernel frees the lock when its holder ends, however it ends, so it is never broken by
age and never left behind. Readers take no lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpus.errors import StoreBusy, StoreNotWritable
from corpus.files import sync_folder

_PATIENCE_S = 0.25
"""How long a writer waits: enough to outlast :func:`is_held`, too short to hide a real run."""


@contextmanager
def exclusive(path: Path, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Hold the lock for the length of the block.

    :param patience_s: how long to wait for it.
    :raises StoreBusy: when another process holds it and goes on holding it for a moment.
    :raises StoreNotWritable: when the file cannot be made, or its file system has no locks.
    """
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreNotWritable(
            f"the store {path.parent} cannot be written: {error.strerror}; choose another with "
            "--store or RAG_STORE"
        ) from error
    try:
        if not _taken(path, descriptor, patience_s):
            raise StoreBusy(
                f"another process is writing to the store {path.parent}{_holder(descriptor)}; "
                "wait for it to end, then run this again"
            )
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now. Takes it for an instant to find out."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take(descriptor, patience_s=0)
    except OSError:  # no locks on this file system, so nobody can hold one
        return False
    finally:
        os.close(descriptor)


def _taken(path: Path, descriptor: int, patience_s: float) -> bool:
    try:
        return _take(descriptor, patience_s)
    except OSError as error:
        raise StoreNotWritable(
            f"{path} cannot be locked: {error.strerror}; put the store on a file system that has "
            "locks, with --store or RAG_STORE"
        ) from error


def _take(descriptor: int, patience_s: float) -> bool:
    """Try to lock, again and again until patience ends."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(_PATIENCE_S / 10)


def _holder(descriptor: int) -> str:
    """Name the process that holds the lock, where the kernel says (Linux)."""
    inode = str(os.fstat(descriptor).st_ino)
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    for line in locks:
        fields = line.split()  # "1: FLOCK ADVISORY WRITE 4242 08:02:131 0 EOF"
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return f" (process {fields[4]})"
    return ""
