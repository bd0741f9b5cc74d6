"""The disk below a store: how much room there is, and whether the disk is this machine's.

Both are asked before anything is written. A store on a network file system is not written
unless that is allowed: such file systems differ in what they promise of locks, of renaming
and of data that was synced, and a writer relies on all three. Reading needs none of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import NotEnoughSpace, StoreNotWritable

MOUNTS = Path("/proc/self/mountinfo")
RESERVE = 256_000_000
"""Bytes that a run leaves free, or 5 % of the disk where that is less."""

_NETWORK = frozenset(
    (
        "9p",
        "acfs",
        "afs",
        "autofs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "kafs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    )
)
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.gocryptfs"})


def kind_of(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds a path, as the kernel names it: ``ext4``, ``nfs4``.

    Empty where the system does not say, as outside Linux. The path need not exist yet.
    """
    target = Path(os.path.realpath(path))
    best, kind = Path(), ""
    for mounted, one in _mounted(mounts):
        # A later line of the same folder is mounted over an earlier one.
        if target.is_relative_to(mounted) and len(mounted.parts) >= len(best.parts):
            best, kind = mounted, one
    return kind


def is_network(kind: str) -> bool:
    """Whether a file system of this type may be another machine's, or shared with one.

    FUSE counts, because most of what it carries is remote and nothing says which.
    """
    fuse = kind == "fuse" or kind.startswith("fuse.")
    return kind in _NETWORK or (fuse and kind not in _LOCAL_FUSE)


def refuse_network(store: Path, *, allowed: bool, mounts: Path = MOUNTS) -> None:
    """Refuse to write a store on a network file system.

    :param allowed: the setting ``ingest.allow_network_store``.
    :raises StoreNotWritable: unless it is allowed.
    """
    kind = kind_of(store, mounts)
    if is_network(kind) and not allowed:
        raise StoreNotWritable(
            f"the store {store} is on a network file system ({kind}); it can be read from there, "
            "but writing it is not safe: locks, renames and synced data may not be what they "
            "are on a local disk. Put it on a local one with --store or RAG_STORE; if you know "
            "this file system to be sound, set ingest.allow_network_store = true"
        )


@dataclass(frozen=True, slots=True)
class Space:
    """The room of a disk, in bytes."""

    free: int  # for this user
    total: int


def space_of(path: Path) -> Space:
    """The room on the disk that holds a path, which need not exist yet."""
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def reserve(space: Space, chosen: float | None) -> int:
    """Bytes that a run leaves free.

    :param chosen: the setting ``ingest.reserve_mb``.
    """
    return int(chosen * 1e6) if chosen is not None else min(RESERVE, space.total // 20)


def require(store: Path, needed: int, chosen_reserve: float | None) -> None:
    """Refuse to begin what the disk has no room for.

    :param needed: bytes that will be written, at most.
    :raises NotEnoughSpace: with what is free, what is needed, and what to do.
    """
    space = space_of(store)
    kept = reserve(space, chosen_reserve)
    if space.free < needed + kept:
        raise NotEnoughSpace(
            f"the disk of the store {store} has {_told(space.free)} free; this run may need "
            f"{_told(needed)}, and {_told(kept)} are to stay free (ingest.reserve_mb). Nothing "
            "was written, and the snapshot before still answers. Free some space, keep fewer "
            "snapshots (ingest.keep_snapshots), or choose another disk with --store"
        )


def _told(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def _mounted(mounts: Path) -> Iterator[tuple[Path, str]]:
    """Where something is mounted, and its type: see proc_pid_mountinfo(5)."""
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields, rest = before.split(), after.split()
        if len(fields) > 4 and rest:
            yield Path(os.fsdecode(_plain(fields[4]))), os.fsdecode(rest[0])


def _plain(name: bytes) -> bytes:
    """A name with its white space and backslashes, which the kernel writes in octal."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found.group(1), 8)]), name)
