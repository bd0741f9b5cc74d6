"""Read the bytes of a source: all of them, of one version of the file, or none."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass

from corpus.errors import UnreadableSource
from ingest.sources import Source

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file and when they were read."""

    data: bytes
    sha256: str
    read_at_ns: int  # wall clock, before the file was opened


def read(source: Source) -> Content:
    """Read a file that does not change meanwhile.

    A file that changes while it is read is read again, a few times.

    :raises UnreadableSource: when it cannot be opened or read, is no regular file any more,
        or keeps changing.
    """
    for _ in range(_ATTEMPTS):
        content = _read_once(source)
        if content is not None:
            return content
    raise UnreadableSource("changed while it was read; the next run will try again")


def _read_once(source: Source) -> Content | None:
    read_at_ns = time.time_ns()
    try:
        # Non-blocking: what has become a FIFO since the walk must not hold up the run.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(source.location, flags)
    except OSError as error:
        raise UnreadableSource(f"cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise UnreadableSource("is not a regular file any more")
        try:
            data = file.read(before.st_size + 1)
        except OSError as error:
            raise UnreadableSource(f"cannot be read: {error.strerror}") from error
        after = os.fstat(file.fileno())
    unchanged = before.st_mtime_ns == after.st_mtime_ns and len(data) == after.st_size
    if not unchanged:
        return None
    return Content(data, hashlib.sha256(data).hexdigest(), read_at_ns)
