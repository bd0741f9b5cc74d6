"""Real file systems to cut the power of: images mounted in a mount namespace of our own."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NEW_NAMESPACE, _RECURSIVE, _PRIVATE = 0x20000, 0x4000, 1 << 18
_SHUTDOWN = 0x8004587D  # of ext4 and XFS alike
_NO_LOG_FLUSH = 2
_MB = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """Something that a part needs is missing; the message says what to install."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """How one kind of file system is made and mounted."""

    name: str
    make: tuple[str, ...]
    options: str
    size: int  # bytes


FILE_SYSTEMS = (
    FileSystem("ext4", ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0"), "commit=300", 24 * _MB),
    FileSystem(
        "ext4-wb",
        ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0"),
        "commit=300,data=writeback,noauto_da_alloc",
        24 * _MB,
    ),
    FileSystem("xfs", ("mkfs.xfs", "-q", "-f"), "nodiscard", 320 * _MB),
)


def require_root() -> None:
    """See that file systems may be mounted.

    :raises Unavailable: otherwise.
    """
    if os.geteuid():
        raise Unavailable("mounting file systems of our own needs root: run this with sudo")


def require_tools() -> None:
    """See that everything is there.

    :raises Unavailable: what is not, and where it is to be had.
    """
    require_root()
    packages = {"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mount": "mount"}
    for tool, package in packages.items():
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is missing; install it: apt-get install {package}")
    if not Path("/dev/loop-control").exists():
        raise Unavailable("/dev/loop-control is missing: load the kernel module `loop`")


def own_namespace() -> None:
    """Mounts made from now on are seen by this process and its children alone."""
    if _libc.unshare(_NEW_NAMESPACE) or _libc.mount(
        b"none", b"/", None, _RECURSIVE | _PRIVATE, None
    ):
        number = ctypes.get_errno()
        raise Unavailable(f"no mount namespace can be had: {os.strerror(number)}")


class Cuttable:
    """A file system in an image, as it was when it was filled, again and again."""

    def __init__(self, kind: FileSystem, scratch: Path) -> None:
        self._kind = kind
        self._pristine = scratch / f"{kind.name}.pristine"
        self._image = scratch / f"{kind.name}.image"
        self.place = scratch / f"{kind.name}.mounted"

    def fill(self, fill: Callable[[Path], None]) -> None:
        """Make it anew, with what ``fill`` writes into it."""
        self.place.mkdir(exist_ok=True)
        with open(self._image, "wb") as file:
            file.truncate(self._kind.size)
        _run(*self._kind.make, str(self._image))
        self.mount()
        fill(self.place)
        self.unmount()
        _copy_sparse(self._image, self._pristine)

    def reset(self) -> None:
        """Put it back to what it was after :meth:`fill`, not mounted."""
        _copy_sparse(self._pristine, self._image)

    def mount(self) -> None:
        """Mount it; what its journal holds is replayed."""
        kind = self._kind.name.partition("-")[0]
        options = f"loop,{self._kind.options}"
        _run("mount", "-t", kind, "-o", options, str(self._image), str(self.place))
        if "shutdown" in _options(self.place):
            raise RuntimeError(f"{self.place} is still shut down: its mount is held elsewhere")

    def unmount(self) -> None:
        """Unmount it; someone may hold it for a moment."""
        for attempt in range(20):
            if not subprocess.run(
                ["umount", self.place], capture_output=True, check=False
            ).returncode:
                return
            time.sleep(0.05 * attempt)
        _run("umount", str(self.place))

    def cut(self) -> None:
        """Lose what has not reached the image."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


def _options(place: Path) -> list[str]:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[1] == str(place):
            return fields[3].split(",")
    return []


def _copy_sparse(source: Path, target: Path) -> None:
    _run("cp", "--sparse=always", str(source), str(target))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
