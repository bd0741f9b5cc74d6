"""A disk as a model: what has reached it for certain, and what may or may not have.

A call changes an inode (bytes, length) or an entry of a folder (name, inode). Until the
right ``fsync`` the change may be lost, whatever happened to others that came later. Two
rules for entries are known:

``linux``   an fsync of a file also keeps the name under which it was made or moved
``posix``   only an fsync of the folder keeps its names

Limits: changes of mode and time are left out, and so is anything that a file system
loses although it was asked to keep it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from tests.torture.calls import O_CREAT, O_TRUNC, Call

_SYNCS = {"fsync", "fdatasync"}
_BEYOND = 1 << 64  # any number of a real inode


class Fate(Enum):
    """What became of bytes that were not synced."""

    LOST = "lost"  # as if never written
    ZEROED = "zeroed"  # the length is there, the bytes are not
    HALF = "half"  # the first half is there


@dataclass(frozen=True, slots=True)
class Change:
    """One change that can be lost by itself."""

    number: int
    inode: int = 0  # whose bytes change; 0 where it is names that change
    offset: int = 0
    data: bytes = b""
    length: int = -1  # cut or grown to it; -1: it is not
    names: tuple[tuple[int, str, int], ...] = ()  # folder, name, inode; 0 takes the name away


@dataclass(slots=True)
class Image:
    """Inodes and names as they are on a disk."""

    root: int
    files: dict[int, bytearray] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=dict)

    def copy(self) -> Image:
        """Another one that can be changed."""
        files = {inode: bytearray(data) for inode, data in self.files.items()}
        return Image(self.root, files, {one: dict(names) for one, names in self.folders.items()})

    def apply(self, change: Change, fate: Fate | None = None) -> None:
        """Let a change reach the disk, whole or in the part that its fate leaves."""
        for folder, name, inode in change.names:
            names = self.folders.setdefault(folder, {})
            if inode:
                names[name] = inode
            else:
                names.pop(name, None)
        if not change.inode or fate is Fate.LOST:
            return
        content = self.files.setdefault(change.inode, bytearray())
        if change.length >= 0:
            del content[change.length :]
            content.extend(bytes(change.length - len(content)))
        if change.data:
            _write(content, change, fate)

    def tree(self) -> dict[str, bytes | None]:
        """What can be reached from the root: files with their bytes, folders as None."""
        found: dict[str, bytes | None] = {}
        self._walk(self.root, "", found, {self.root})
        return found

    def _walk(
        self, folder: int, path: str, found: dict[str, bytes | None], above: Set[int]
    ) -> None:
        for name, inode in sorted(self.folders.get(folder, {}).items()):
            below = f"{path}/{name}" if path else name
            if inode in self.folders:
                found[below] = None
                if inode not in above:
                    self._walk(inode, below, found, {*above, inode})
            else:
                found[below] = bytes(self.files.get(inode, b""))


def _write(content: bytearray, change: Change, fate: Fate | None) -> None:
    data = change.data
    if fate is Fate.ZEROED:
        data = bytes(len(data))
    elif fate is Fate.HALF:
        data = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    end = change.offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = data


def scan(folder: Path) -> Image:
    """A folder as it is now, with its real inodes."""
    image = Image(folder.stat().st_ino)
    image.folders[image.root] = {}
    for place, folders, files in os.walk(folder):
        names = image.folders.setdefault(os.stat(place).st_ino, {})
        for name in folders + files:
            path = os.path.join(place, name)
            names[name] = os.lstat(path).st_ino
        for name in files:
            image.files[names[name]] = bytearray(Path(place, name).read_bytes())
        for name in folders:
            image.folders.setdefault(names[name], {})
    return image


class Disk:
    """What is certain, and what is pending, while calls are made one after the other.

    :param strict: names are kept by an fsync of their folder alone.
    """

    def __init__(self, image: Image, *, strict: bool) -> None:
        self.certain = image
        self.pending: list[Change] = []
        self._strict = strict
        self._made = 0
        self._renewed: dict[int, int] = {}  # inodes that were given out again: what they are here

    def make(self, call: Call) -> None:
        """A call was made."""
        call = self._with_inodes_of_here(call)
        if call.name in _SYNCS:
            self._sync(call.inode)
            return
        change = self._change(call)
        if change is not None:
            self._made += 1
            self.pending.append(change)

    def _with_inodes_of_here(self, call: Call) -> Call:
        """A file system gives the number of a deleted file to a new one; here it gets its own."""
        makes = call.name.startswith("mkdir") or (call.flags & O_CREAT and not self._is_there(call))
        if makes and self._is_known(self._here(call.inode)):
            self._renewed[call.inode] = (self._made + 1) * _BEYOND + call.inode
        return replace(
            call,
            inode=self._here(call.inode),
            parent=self._here(call.parent),
            other_parent=self._here(call.other_parent),
        )

    def _here(self, inode: int) -> int:
        return self._renewed.get(inode, inode)

    def _is_known(self, inode: int) -> bool:
        known = inode in self.certain.files or inode in self.certain.folders
        return known or any(inode == one for change in self.pending for _, _, one in change.names)

    def _is_there(self, call: Call) -> bool:
        names = self._now().folders.get(self._here(call.parent), {})
        return names.get(call.path.rpartition("/")[2]) == self._here(call.inode)

    def _sync(self, inode: int) -> None:
        kept = [one for one in self.pending if self._is_kept(one, inode)]
        for change in kept:
            self.certain.apply(change)
        self.pending = [one for one in self.pending if one not in kept]

    def _is_kept(self, change: Change, inode: int) -> bool:
        if change.inode == inode:
            return True
        if any(folder == inode for folder, _, _ in change.names):
            return True
        return not self._strict and any(one == inode for _, _, one in change.names)

    def _change(self, call: Call) -> Change | None:
        number, name = self._made, call.path.rpartition("/")[2]
        match call.name:
            case "write" | "pwrite64":
                return Change(number, call.inode, call.offset, call.data)
            case "ftruncate":
                return Change(number, call.inode, length=call.offset)
            case "open" | "openat" | "creat":
                return self._opened(call, number, name)
            case "mkdir" | "mkdirat":
                self.certain.folders.setdefault(call.inode, {})  # empty until names are kept
                return Change(number, names=((call.parent, name, call.inode),))
            case "unlink" | "unlinkat" | "rmdir":
                return Change(number, names=((call.parent, name, 0),))
            case "rename" | "renameat" | "renameat2":
                other = call.other.rpartition("/")[2]
                return Change(
                    number,
                    names=((call.parent, name, 0), (call.other_parent, other, call.inode)),
                )
            case "link" | "linkat":
                other = call.other.rpartition("/")[2]
                return Change(number, names=((call.other_parent, other, call.inode),))
            case "close" | "fcntl" | "flock" | "chmod" | "fchmod" | "fchmodat" | "utimensat":
                return None
            case "fchmodat2":
                return None
        raise NotImplementedError(f"the model does not know {call.name}; teach it")

    def _opened(self, call: Call, number: int, name: str) -> Change | None:
        if self._now().folders.get(call.parent, {}).get(name) == call.inode:
            truncates = call.flags & O_TRUNC
            return Change(number, call.inode, length=0) if truncates else None
        if call.flags & O_CREAT:
            return Change(number, names=((call.parent, name, call.inode),))
        return None

    def _now(self) -> Image:
        """With everything that is pending: what processes see."""
        now = Image(self.certain.root, {}, {k: dict(v) for k, v in self.certain.folders.items()})
        for change in self.pending:
            if change.names:
                now.apply(change)
        return now

    def crashed(self, lost: Iterable[int], fate: Fate) -> Image:
        """The disk after a crash now that lost the changes of these numbers, and no other."""
        gone = set(lost)
        image = self.certain.copy()
        for change in self.pending:
            if change.number not in gone:
                image.apply(change)
            elif change.inode and fate is not Fate.LOST:
                image.apply(change, fate)
        return image
