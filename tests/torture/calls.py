"""Calls to the system that change a disk, or read it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBERS = {  # of x86-64
    "read": 0,
    "write": 1,
    "open": 2,
    "close": 3,
    "pread64": 17,
    "pwrite64": 18,
    "writev": 20,
    "sendfile": 40,
    "fcntl": 72,
    "flock": 73,
    "fsync": 74,
    "fdatasync": 75,
    "truncate": 76,
    "ftruncate": 77,
    "rename": 82,
    "mkdir": 83,
    "rmdir": 84,
    "creat": 85,
    "link": 86,
    "unlink": 87,
    "symlink": 88,
    "chmod": 90,
    "fchmod": 91,
    "getdents64": 217,
    "openat": 257,
    "mkdirat": 258,
    "unlinkat": 263,
    "renameat": 264,
    "linkat": 265,
    "symlinkat": 266,
    "fchmodat": 268,
    "sync_file_range": 277,
    "utimensat": 280,
    "fallocate": 285,
    "pwritev": 296,
    "renameat2": 316,
    "copy_file_range": 326,
    "fchmodat2": 452,
}
NAMES = {number: name for name, number in NUMBERS.items()}

READING = frozenset({"read", "pread64", "getdents64"})
CHANGING = frozenset(NUMBERS) - READING
FAILING = CHANGING - {"close", "fcntl", "flock"}
"""Those that a full or broken disk makes fail."""

TAKES_SPACE = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate"}
    | {"ftruncate", "fsync", "fdatasync", "open", "openat", "creat", "mkdir", "mkdirat"}
    | {"rename", "renameat", "renameat2", "link", "linkat"}
)
"""Those that a full disk makes fail; an open only where it makes a file."""

STEPS = CHANGING - {"close", "fcntl", "flock", "chmod", "fchmod", "fchmodat", "fchmodat2"}
"""Those between which there is another disk."""

AT_PATH = {  # where the argument of a folder's descriptor stands; None: there is none
    "open": None,
    "creat": None,
    "truncate": None,
    "rename": None,
    "mkdir": None,
    "rmdir": None,
    "link": None,
    "unlink": None,
    "symlink": None,
    "chmod": None,
    "openat": 0,
    "mkdirat": 0,
    "unlinkat": 0,
    "renameat": 0,
    "renameat2": 0,
    "linkat": 0,
    "symlinkat": 1,
    "fchmodat": 0,
    "fchmodat2": 0,
    "utimensat": 0,
}
TWO_PATHS = {"rename": 1, "link": 1, "renameat": 2, "renameat2": 2, "linkat": 2}
"""Where the second path begins (its descriptor, where there is one)."""

O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_APPEND = 0o3, 0o100, 0o200, 0o1000, 0o2000


@dataclass(frozen=True, slots=True)
class Call:
    """One call that some thread made on the store."""

    name: str
    path: str  # below the store, or absolute where it is not
    other: str = ""  # where a rename or a link leads
    flags: int = 0  # of an open
    inode: int = 0  # of the file or folder
    parent: int = 0  # inode of the folder that holds ``path``
    other_parent: int = 0
    replaced: int = 0  # inode that stood at ``other`` of a rename
    offset: int = 0
    data: bytes = b""

    @property
    def makes(self) -> bool:
        """Whether it opens a file so that it may be made or changed."""
        return bool(self.flags & (O_CREAT | O_TRUNC | O_ACCMODE))

    def __str__(self) -> str:
        return f"{self.name} {self.path}" + (f" -> {self.other}" if self.other else "")


OWN = re.compile(
    r"/(segments|snapshots)/tmp[^/]*/(?!.*\.sqlite)[^/]+$|/\.(?!LEASE)[^/]+\.(tmp|new)$"
)
"""Files that the store writes itself, in paths and in labels: whatever is new in a segment or a
snapshot and is not SQLite's or tantivy's, and what takes the place of another.
"""

_RANDOM = (  # parts of names that are others in every run
    (re.compile(r"^.*?/store(?=/|$)"), ""),
    (re.compile(r"tmp-\d+-[0-9a-f]{8}"), "tmp"),
    (re.compile(r"[0-9a-f]{32}"), "index"),
    (re.compile(r"\.[0-9a-f]{8}\.tmp"), ".new"),
    (re.compile(r"/\.tmp\w{6}"), "/.new"),
)


def label(call: Call) -> str:
    """What tells a call from others in every run of an operation: not all are numbered alike,
    because threads take turns as they like.
    """
    said = [call.name]
    said += [_without_chance(path) for path in (call.path, call.other) if path]
    return " ".join(said)


def _without_chance(path: str) -> str:
    for pattern, instead in _RANDOM:
        path = pattern.sub(instead, path)
    return path
