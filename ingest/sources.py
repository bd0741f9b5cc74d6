"""Walk a root: which files are there, which of them can be read, and what is left out why.

Nothing is opened here. Every file that is seen becomes either a :class:`Source` or a
ledger row that says why it was skipped; a hidden or excluded folder is one row and is not
entered. Links are followed to files inside the root only.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from corpus.errors import BadRoot
from corpus.roots import Root
from corpus.types import LedgerRow, Status
from ingest.readers import FORMATS

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".ragignore"

SIDECAR = ".meta.json"
"""After the name of a file: what else is known of it. See :mod:`ingest.sidecar`."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells, without reading, that a file is the one that was read before."""

    size: int  # bytes
    modified_ns: int
    changed_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file that some reader can read."""

    root: int  # key of its root
    path: str  # below the root, POSIX separators, undecodable bytes as \\xNN
    location: str  # where to open it, as the operating system names it
    format: str
    stamp: Stamp
    sidecar: Source | None = None  # of no format; what it says is part of this file


@dataclass(frozen=True, slots=True)
class Listing:
    """What a walk saw, each ordered by path."""

    root: Root
    sources: tuple[Source, ...]
    left_out: tuple[LedgerRow, ...]  # skipped or failed; their ids are given later


def walk(root: Root, *, max_bytes: int) -> Listing:
    """List a root.

    :param max_bytes: larger files are skipped.
    :raises BadRoot: when the root is not there or cannot be listed.
    """
    top = Path(root.path)
    if top.is_file():
        entries: Iterator[Found] = _single(top)
    elif top.is_dir():
        entries = _entries(top, _Rules(root.include, root.exclude))
    else:
        raise BadRoot(f"{root.path} is not there; expected a folder of documents, or one file")
    found = sorted(_apart(list(entries)), key=attrgetter("path"))
    sidecars = {one.path: one for one in found if one.path.endswith(SIDECAR) and not one.refusal}
    reasons = {one.path: _reason(one, max_bytes) for one in found if one.path not in sidecars}
    for path in sidecars:
        is_taken_in = reasons.get(path.removesuffix(SIDECAR)) == ""
        reasons[path] = _metadata_of(path, is_taken_in=is_taken_in)
    sources = [
        _source(root, one, sidecars.get(one.path + SIDECAR))
        for one in found
        if not reasons[one.path]
    ]
    left_out = [_left_out(root, one, why) for one in found if (why := reasons[one.path])]
    return Listing(root, tuple(sources), tuple(left_out))


def _metadata_of(path: str, *, is_taken_in: bool) -> str:
    """Why a sidecar is no document."""
    name = path.rpartition("/")[2].removesuffix(SIDECAR)
    return f"metadata of {name}" if is_taken_in else f"metadata of {name}, which is not taken in"


def _single(file: Path) -> Iterator[Found]:
    """A root that is one file, and its sidecar."""
    yield _classify(file.name, os.fspath(file), file.parent)
    beside = file.with_name(file.name + SIDECAR)
    if os.path.lexists(beside):
        yield _classify(beside.name, os.fspath(beside), beside.parent)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of a folder, before it is known whether it can be read."""

    path: str
    location: str
    stamp: Stamp = Stamp(0, 0, 0, 0)
    format: str | None = None  # None: no reader is known
    refusal: str = ""  # why it is left out, whatever its format; empty when it is not
    failed: bool = False  # it should have been readable


class _Rules:
    """Which paths are wanted: the root's patterns, and ``.ragignore`` files on the way."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = _spec(include, "include") if include else None
        # Each with the folder it is about: "" or a path that ends in "/".
        self._exclude = [("", _spec(exclude, "exclude"))] if exclude else []

    def entering(self, folder: str, location: str) -> None:
        """Take in the ignore file of a folder, if it has one."""
        path = Path(location, IGNORE_FILE)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        except UnicodeDecodeError as error:
            raise BadRoot(f"{path} cannot be read: {error}") from error
        base = f"{folder}/" if folder else ""
        self._exclude.append((base, _spec(lines, str(path))))

    def refusal(self, path: str, *, is_folder: bool) -> str:
        """Why a path is left out; empty when it is wanted."""
        if path.rpartition("/")[2].startswith("."):
            return "hidden"
        for base, spec in self._exclude:
            if path.startswith(base):
                below = path.removeprefix(base) + "/" * is_folder
                if spec.match_file(below):
                    return "excluded by a pattern"
        meant = path.removesuffix(SIDECAR)  # a sidecar belongs to its file
        if self._include and not is_folder and not self._include.match_file(meant):
            return "not among the included patterns"
        return ""


def _spec(patterns: Iterable[str], origin: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error) as error:  # pathspec's own, and of the expression it makes
        raise BadRoot(f"a pattern of {origin} means nothing: {error}") from error


def _apart(found: Sequence[Found]) -> Iterable[Found]:
    """Tell names apart that are shown alike: one has a byte, the other its ``\\xNN``."""
    shown_once = len({one.path for one in found}) == len(found)
    return found if shown_once else _marked(found)


def _marked(found: Iterable[Found]) -> Iterator[Found]:
    taken: set[str] = set()
    for one in sorted(found, key=lambda one: os.fsencode(one.location), reverse=True):
        path = one.path
        if path in taken:
            mark = hashlib.blake2b(os.fsencode(one.location), digest_size=4).hexdigest()
            path = str(PurePosixPath(path).with_stem(f"{PurePosixPath(path).stem}~{mark}"))
        taken.add(path)
        yield one if path == one.path else replace(one, path=path)


def _entries(top: Path, rules: _Rules) -> Iterator[Found]:
    pending = [("", os.fspath(top))]
    while pending:
        folder, location = pending.pop()
        try:
            with os.scandir(location) as entries:
                listed = list(entries)
            rules.entering(folder, location)
        except OSError as error:
            if not folder:
                raise BadRoot(f"{top} cannot be listed: {error.strerror}") from error
            reason = f"folder cannot be listed: {error.strerror}"
            yield Found(folder + "/", location, refusal=reason, failed=True)
            continue
        for entry in listed:
            path = f"{folder}/{readable(entry.name)}".lstrip("/")
            is_folder = entry.is_dir(follow_symlinks=False)
            refusal = rules.refusal(path, is_folder=is_folder)
            if is_folder and not refusal:
                pending.append((path, entry.path))
            elif is_folder:
                yield Found(path + "/", entry.path, refusal=f"{refusal}; folder not entered")
            elif refusal:
                yield Found(path, entry.path, refusal=refusal)
            else:
                yield _classify(path, entry.path, top)


def _classify(path: str, location: str, top: Path) -> Found:
    """Look at one file without opening it."""
    try:
        target, status = location, os.lstat(location)
        if stat.S_ISLNK(status.st_mode):
            target = os.path.realpath(location, strict=True)
            if not Path(target).is_relative_to(top.resolve()):
                return Found(path, location, refusal="a link that leads outside the folder")
            if Path(target).is_dir():
                return Found(path, location, refusal="a link to a folder of the same root")
            status = os.lstat(target)
    except OSError as error:
        reason = f"cannot be looked at: {error.strerror}"
        return Found(path, location, refusal=reason, failed=True)
    if not stat.S_ISREG(status.st_mode):
        return Found(path, location, refusal="not a regular file")
    stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return Found(path, target, stamp, format_of(path))


def format_of(path: str) -> str | None:
    """The format of a file by its suffix, or None where no reader is known."""
    return FORMATS.get(os.path.splitext(path)[1].lower())


def readable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are shown as ``\\xNN``."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _reason(found: Found, max_bytes: int) -> str:
    if found.refusal:
        return found.refusal
    if found.format is None:
        suffix = PurePosixPath(found.path).suffix
        kind = f"{suffix} files" if suffix else "files without a suffix"
        return f"no reader for {kind}"
    if found.stamp.size > max_bytes:
        return f"larger than {max_bytes / 1e6:g} MB (ingest.max_file_mb)"
    return ""


def _source(root: Root, found: Found, beside: Found | None = None) -> Source:
    sidecar = None if beside is None else _source(root, beside)
    format_ = found.format or ""
    return Source(root.key, found.path, found.location, format_, found.stamp, sidecar)


def _left_out(root: Root, found: Found, reason: str) -> LedgerRow:
    status = Status.FAILED if found.failed else Status.SKIPPED
    return LedgerRow(found.path, root.key, found.path, status, reason, size=found.stamp.size)
