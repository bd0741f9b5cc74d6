"""What of a store may be removed, and how many bytes that frees.

The newest snapshots stay, the current one, those that are tagged, and all that any of them
needs. So does what is damaged: nothing that went wrong is deleted silently. While a manifest
cannot be read no segment is removed, because it may name any of them; segments that a
snapshot in quarantine needs stay as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import SnapshotDamaged
from corpus.manifest import NAME as MANIFEST
from corpus.manifest import SEGMENTS, SNAPSHOTS, Manifest

if TYPE_CHECKING:
    from corpus.store import Store


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may go."""

    snapshots: tuple[str, ...]  # ids, newest first
    segments: tuple[str, ...]  # ids
    left_overs: tuple[Path, ...]  # of runs that were killed
    size: int  # bytes that removing it all frees

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of it, below the store, in the order in which it has to go."""
        snapshots = (Path(SNAPSHOTS, one) for one in self.snapshots)
        return (*self.left_overs, *snapshots, *(Path(SEGMENTS, one) for one in self.segments))


def find(store: Store, keep: int) -> Garbage:
    """What of a store may go. Removes nothing.

    :param keep: how many of the newest snapshots stay.
    :raises TagsDamaged: when it is not known which snapshots are tagged.
    """
    summaries, tagged = store.snapshots(), set(store.tags().values())
    sound = [one for one in summaries if not one.damage]
    going = [one.id for one in sound[keep:] if not (one.current or one.id in tagged)]
    segments: list[str] = []
    if len(sound) == len(summaries):
        needed = {
            ref.id
            for one in summaries
            if one.id not in going
            for ref in store.manifest(one.id).segments
        }
        needed |= _needed_in_quarantine(store)
        segments = sorted(set(store.segment_ids()) - needed)
    left_overs = [
        path.relative_to(store.path)
        for folder in (SNAPSHOTS, SEGMENTS)
        for path in sorted((store.path / folder).glob("tmp-*"))
    ]
    found = Garbage(tuple(going), tuple(segments), tuple(left_overs), 0)
    size = freed_by(store.path / folder for folder in found.folders)
    return Garbage(found.snapshots, found.segments, found.left_overs, size)


def freed_by(folders: Iterable[Path]) -> int:
    """Bytes that removing some folders frees: a file that has another name elsewhere stays."""
    names: dict[tuple[int, int], int] = {}
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for folder in folders:
        for where, _, files in os.walk(folder):
            for file in files:
                with suppress(OSError):
                    state = os.lstat(os.path.join(where, file))
                    key = (state.st_dev, state.st_ino)
                    names[key] = names.get(key, 0) + 1
                    sizes[key] = (state.st_nlink, state.st_size)
    return sum(size for key, (links, size) in sizes.items() if names[key] >= links)


def _needed_in_quarantine(store: Store) -> set[str]:
    needed: set[str] = set()
    for path in (store.path / "quarantine").glob(f"*/{MANIFEST}"):
        with suppress(OSError, SnapshotDamaged):
            needed |= {ref.id for ref in Manifest.from_bytes(path.read_bytes()).segments}
    return needed
