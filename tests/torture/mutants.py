"""Safety steps that are taken out of the worker's child, one at a time.

Nothing of this is in the production code: a mutant replaces functions of the child's own
process. Most work on the calls to the system by the path that they are about, so that they
do not depend on how the code is cut into modules.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import corpus.files
import corpus.lease
import corpus.lock
import corpus.store
from corpus.errors import StoreNotWritable
from tests.torture.blind import BLIND, put

_STAGED = r"/tmp-[^/]+"


def apply(name: str) -> None:
    """Take a step out of this process."""
    MUTANTS[name]()


def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def _without_sync(pattern: str) -> Callable[[], None]:
    """No fsync of files and folders whose path ends like this."""
    ends = re.compile(f"(?:{pattern})$")

    def mutate() -> None:
        real = os.fsync

        def fsync(descriptor: Any) -> None:
            if not ends.search(os.readlink(f"/proc/self/fd/{descriptor}")):
                real(descriptor)

        put(os, "fsync", fsync)

    return mutate


def _pointer_in_place() -> None:
    """CURRENT is written over, not replaced."""

    def replace(path: Path, data: bytes) -> None:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        corpus.files.sync_folder(path.parent)

    put(corpus.files, "replace", replace)


def _pointer_first() -> None:
    """CURRENT points at the new snapshot before that has its name."""
    real = os.rename

    def rename(source: Any, target: Any, **options: Any) -> None:
        path = Path(target)
        if path.parent.name == "snapshots" and not path.name.startswith("tmp-"):
            corpus.files.replace(path.parent.parent / "CURRENT", f"{path.name}\n".encode())
        real(source, target, **options)

    put(os, "rename", rename)


def _names_not_whole() -> None:
    """A folder gets its name first and its files afterwards."""
    real = os.rename

    def rename(source: Any, target: Any, **options: Any) -> None:
        if not Path(source).is_dir() or Path(target).name.startswith("tmp-"):
            real(source, target, **options)
            return
        Path(target).mkdir()
        for one in os.listdir(source):
            real(Path(source, one), Path(target, one))
        corpus.files.sync_folder(Path(target))

    put(os, "rename", rename)


def _removed_in_place() -> None:
    """What is collected goes file by file, under its own name."""
    real = os.rename

    def rename(source: Any, target: Any, **options: Any) -> None:
        if Path(target).name.startswith("tmp-"):
            shutil.rmtree(source)
            os.mkdir(target)
            return
        real(source, target, **options)

    put(os, "rename", rename)


def _segments_first() -> None:
    """Segments are collected before the snapshots that need them."""
    real = corpus.store.Store._remove
    waiting: list[str] = []

    def remove(self: Any, folder: str, name: str) -> bool:
        if folder == "segments":
            done = real(self, folder, name)
            while waiting:
                real(self, "snapshots", waiting.pop())
            return done
        waiting.append(name)
        return True

    put(corpus.store.Store, "_remove", remove)


def _writes_once() -> None:
    """A write that stopped short, or failed for want of room, is taken for a whole one."""
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        with suppress(OSError):
            real(descriptor, data)
        return len(data)

    put(os, "write", write)


def _not_exclusive() -> None:
    """Files that may be there are opened for writing."""
    real = os.open

    def opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        return real(path, flags & ~os.O_EXCL, *rest, **options)

    put(os, "open", opened)


def _no_lock() -> None:
    put(corpus.lock, "_take", lambda *_, **__: True)


def _no_lease() -> None:
    @contextmanager
    def held(*_: object, **__: object) -> Iterator[None]:
        yield

    put(corpus.lease, "held", held)
    put(corpus.lease, "settle", _nothing)
    put(corpus.lease, "check", _nothing)


def _pointer_not_read_again() -> None:
    """An error after CURRENT was moved is taken for one before."""

    def set_current(self: Any, snapshot_id: str) -> None:
        try:
            corpus.files.replace(self.path / "CURRENT", f"{snapshot_id}\n".encode())
        except OSError as error:
            raise StoreNotWritable(f"{error}; the one before still answers") from error

    put(corpus.store.Store, "set_current", set_current)


def _errors_untold() -> None:
    @contextmanager
    def disk_errors(_: str = "") -> Iterator[None]:
        yield

    put(corpus.files, "disk_errors", disk_errors)


def _told_too_early() -> None:
    """The pointer is moved after the answer, in the background."""
    real = corpus.files.replace
    waiting: list[tuple[Path, bytes]] = []

    def replace(path: Path, data: bytes) -> None:
        if path.name == "CURRENT":
            waiting.append((path, data))
        else:
            real(path, data)

    put(corpus.files, "replace", replace)


MUTANTS: dict[str, Callable[[], None]] = {
    **BLIND,
    "no fsync of texts": _without_sync(r"/texts\.sqlite"),
    "no fsync of vectors": _without_sync(r"/vectors\.\w+"),
    "no fsync of windows": _without_sync(r"/windows\.\w+"),
    "no fsync of codes": _without_sync(r"/codes\.\w+"),
    "no fsync of catalogues": _without_sync(r"/catalogue\.sqlite"),
    "no fsync of the ledger": _without_sync(r"/ledger\.\w+"),
    "no fsync of the manifest": _without_sync(r"/manifest\.json"),
    "no fsync of CURRENT": _without_sync(r"/\.CURRENT[^/]+"),
    "no fsync of a segment's folder": _without_sync(rf"/segments{_STAGED}"),
    "no fsync of a snapshot's folder": _without_sync(rf"/snapshots{_STAGED}"),
    "no fsync of the words' folder": _without_sync(r"/words"),
    "no fsync of segments/": _without_sync(r"/segments"),
    "no fsync of snapshots/": _without_sync(r"/snapshots"),
    "no fsync of the store": _without_sync(r"/store"),
    "CURRENT written in place": _pointer_in_place,
    "CURRENT before the snapshot": _pointer_first,
    "CURRENT not moved": _told_too_early,
    "named before it is whole": _names_not_whole,
    "removed in place": _removed_in_place,
    "segments removed first": _segments_first,
    "short writes": _writes_once,
    "not exclusive": _not_exclusive,
    "no lock": _no_lock,
    "no lease": _no_lease,
    "CURRENT not read again": _pointer_not_read_again,
    "errors not told": _errors_untold,
}
