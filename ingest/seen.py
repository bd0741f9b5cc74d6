"""What files looked like when they were last read, so that they need not be read again.

A cache beside the snapshots, safe to delete: without it a run reads and hashes every file
once. A stamp is believed only if it was taken some time after the file last changed,
because a file that is written twice within one tick of the file system's clock keeps its
stamp.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from corpus import sealed
from corpus.hashes import SETTLED_NS
from ingest.naming import Place
from ingest.sources import Source, Stamp

NAME = "seen.json"
_NO_STAMP = [0, 0, 0, 0]  # of a file whose own is not believed


class Seen:
    """Stamps and hashes by place."""

    def __init__(self, store: Path) -> None:
        self._path = store / NAME
        self._known: dict[str, list[object]] = sealed.read(self._path) or {}
        self._now: dict[str, list[object]] = {}

    def sha256(self, source: Source) -> str | None:
        """The hash of a file whose stamp has not changed since it was read, else None."""
        entry = self._known.get(_key((source.root, source.path)))
        if entry is None or entry[:4] != _listed(source.stamp):
            return None
        self._now[_key((source.root, source.path))] = entry
        return str(entry[4])

    def note(self, source: Source, sha256: str, read_at_ns: int) -> None:
        """Remember a file that was read at that moment (wall clock, nanoseconds)."""
        changed = max(source.stamp.modified_ns, source.stamp.changed_ns)
        stamp = _listed(source.stamp) if changed + SETTLED_NS < read_at_ns else _NO_STAMP
        self._now[_key((source.root, source.path))] = [*stamp, sha256]

    def is_new(self, source: Source) -> bool:
        """Whether this run has read a file, and no file of these bytes was seen before it."""
        entry = self._now.get(_key((source.root, source.path)))
        return entry is not None and entry[4] not in self._hashes

    @cached_property
    def _hashes(self) -> set[object]:
        return {entry[4] for entry in self._known.values()}

    def keep_others(self, roots: set[int]) -> None:
        """Keep what is known of files below other roots, which this run did not walk."""
        for key, entry in self._known.items():
            if int(key.partition(":")[0]) not in roots:
                self._now[key] = entry

    def save(self) -> None:
        """Write what was seen by this run, unless it is what was known before.

        A cache that cannot be written costs the next run some reading, and fails nothing.
        """
        if self._now != self._known:
            sealed.write(self._path, self._now)


def _key(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _listed(stamp: Stamp) -> list[object]:
    return [stamp.size, stamp.modified_ns, stamp.changed_ns, stamp.inode]
