"""Whether the files of snapshots are what their manifests say, file by file.

Opening a snapshot verifies it too, and ends at the first file that is wrong. This names
every one, reads a file once however many snapshots share it, and tells what is damaged
from what could only not be read now.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from corpus.errors import SnapshotDamaged, UnknownFormat
from corpus.files import FileRecord, record_of
from corpus.manifest import NAME as MANIFEST
from corpus.manifest import SNAPSHOTS, Manifest, read_manifest

_NOT_A_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What an error of the operating system says of the store; all others may pass."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what it must be."""

    path: str  # below the store
    found: str  # what is wrong with it, for humans
    certain: bool = True  # False: it could not be read, which says nothing about its bytes

    def __str__(self) -> str:
        return f"{self.path} {self.found}"


class Verifier:
    """Checks the snapshots of a store. Reads only.

    :param trusting: take a file for whole that has its size and is no younger than the
        manifest that lists it: files never change, so one that was written to stands out.
        Costs no reading, and does not see bytes that rotted where they lie.
    """

    def __init__(self, store: Path, *, trusting: bool = False) -> None:
        self._store, self._trusting = store, trusting
        self._known: dict[tuple[int, int], FileRecord] = {}  # by device and inode

    def damage(self, snapshot_id: str) -> tuple[Damage, ...]:
        """Every file of a snapshot that is not what it must be; none when it is sound.

        :raises UnknownFormat: when another version of this project wrote it.
        """
        name = f"{SNAPSHOTS}/{snapshot_id}/{MANIFEST}"
        try:
            manifest = read_manifest(self._store, snapshot_id)
            written_ns = (self._store / name).stat().st_mtime_ns
        except UnknownFormat:
            raise
        except (SnapshotDamaged, OSError) as error:
            found = error.found if isinstance(error, SnapshotDamaged) else str(error)
            return (Damage(name, f"is not what was written: {found}", is_lasting(error)),)
        checked = (self._check(manifest, path, written_ns) for path in sorted(manifest.files))
        return tuple(one for one in checked if one is not None)

    def require_sound(self, snapshot_id: str) -> str:
        """The id itself.

        :raises SnapshotDamaged: when a file is not what it must be, with the first and how
            many there are.
        """
        damage = self.damage(snapshot_id)
        if damage:
            raise SnapshotDamaged(told(snapshot_id, damage))
        return snapshot_id

    def _check(self, manifest: Manifest, name: str, written_ns: int) -> Damage | None:
        expected, path = manifest.files[name], self._store / name
        try:
            state = path.stat()
            if state.st_size != expected.size:
                return Damage(name, f"has {state.st_size} bytes, {expected.size} were written")
            if self._trusting and path.is_file() and state.st_mtime_ns <= written_ns:
                return None
            key = (state.st_dev, state.st_ino)
            if key not in self._known:
                self._known[key] = record_of(path)
        except _NOT_A_FILE as error:
            return Damage(name, "is missing" if isinstance(error, FileNotFoundError) else "no file")
        except OSError as error:
            return Damage(name, f"cannot be read: {error.strerror}", certain=False)
        return None if self._known[key] == expected else Damage(name, "fails its checksum")


def is_lasting(error: Exception) -> bool:
    """Whether reading again would find the same: false for an error that may pass."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return not isinstance(cause, OSError) or isinstance(cause, _NOT_A_FILE)


def told(snapshot_id: str, damage: tuple[Damage, ...]) -> str:
    """The damage of a snapshot in one sentence."""
    more = f" (and {len(damage) - 1} more of its files)" if len(damage) > 1 else ""
    return f"snapshot {snapshot_id} is damaged: {damage[0]}{more}"


def stamps(store: Path, snapshot_id: str) -> tuple[tuple[str, int, int, int], ...]:
    """Which bytes a snapshot consists of, as far as that shows without reading them."""
    manifest = f"{SNAPSHOTS}/{snapshot_id}/{MANIFEST}"
    try:
        names = [manifest, *read_manifest(store, snapshot_id).files]
    except SnapshotDamaged:
        names = [manifest]
    found = []
    for name in names:
        try:
            state = (store / name).stat()
        except OSError:
            continue
        found.append((name, state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(found)
