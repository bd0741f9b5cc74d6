"""Hashes of large files that seldom change, remembered in the user's cache.

The weights of a model name its vector space, so every command needs their hash: a tenth of a
second for the packaged 90 MB. It is remembered under what the file system says of the file:
device, inode, size, and when its content and its entry last changed. The last is set by the
kernel at every change, so that a file written in place, its time and size put back, is told
apart. It is believed only of a file that had been left alone for a while when it was read,
because one that is written twice within one tick of the clock keeps its stamp.

Not noticed is what leaves no stamp: bytes that rot on the disk, a disk that is written below its
file system, a clock that was set back. So who loads the weights hashes them first, whatever is
remembered: :func:`corpus.embedding.verify`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from corpus import sealed
from corpus.files import record_of

NAME = "hashes.json"
REMEMBERED_FROM = 1_000_000  # bytes; hashing fewer takes a millisecond at most
SETTLED_NS = 2_000_000_000
"""A stamp that was this young when the file was read may be that of two versions: the coarsest
clock among usual file systems (FAT) ticks every two seconds. Nanoseconds."""


def user_cache() -> Path:
    """The folder of this project in the user's cache, as the XDG base directory specification
    says.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "rag"


def sha256_of(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each of these files, hex; read are small ones, and those not remembered.

    :raises OSError: when one cannot be read.
    """
    memory = user_cache() / NAME
    known: dict[str, list[object]] = sealed.read(memory) or {}
    found, learnt = [], dict[str, list[object]]()
    for path in paths:
        name, now_ns, stamp = os.path.abspath(path), time.time_ns(), _stamp(path)
        entry = known.get(name, [])
        if entry[:-1] != stamp:
            entry = [*stamp, record_of(path).sha256]
            if stamp[2] >= REMEMBERED_FROM and max(stamp[-2:]) + SETTLED_NS < now_ns:
                learnt[name] = entry
        found.append(str(entry[-1]))
    if learnt:
        _remember(memory, known | learnt)
    return found


def _stamp(path: Path) -> list[int]:
    """Device, inode, bytes, and when content and entry last changed, in nanoseconds."""
    state = path.stat()
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _remember(memory: Path, known: dict[str, list[object]]) -> None:
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
    there = {name: entry for name, entry in known.items() if os.path.exists(name)}
    sealed.write(memory, there)
