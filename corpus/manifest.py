"""The manifest of a snapshot: what it is, and what every one of its files must be.

A JSON object that carries the sha256 of its own other fields, so that a damaged manifest
is known before anything it says is believed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from corpus.errors import SnapshotDamaged, UnknownFormat
from corpus.files import FileRecord
from corpus.fingerprint import Fingerprint
from corpus.identity import FORMAT

NAME = "manifest.json"
SEGMENTS = "segments"
SNAPSHOTS = "snapshots"
WORDS = "words"


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """A segment as one snapshot sees it."""

    id: str
    documents: int  # in the segment, removed ones included
    chunks: int
    removed: tuple[str, ...] = ()  # ids of documents that this snapshot no longer holds


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a reader must know before it opens a snapshot."""

    id: str
    parent: str | None
    sequence: int  # one more than the parent's: the order of publishing
    created: str  # ISO 8601, UTC; for humans, never for order
    fingerprint: Fingerprint
    probes: str  # corpus.fingerprint.encode_probes
    settings: Mapping[str, Any]  # what decided how documents were read and cut
    counts: Mapping[str, int]  # documents, chunks, and sources by status
    segments: tuple[SegmentRef, ...]
    files: Mapping[str, FileRecord]  # path below the store -> size and hash
    format: int = field(default=FORMAT)

    def to_bytes(self) -> bytes:
        """The file as it is written."""
        body = asdict(self)
        return _dump({**body, "sha256": _checksum(body)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest and believe it only if its own hash agrees.

        :raises SnapshotDamaged: when it is not JSON or not whole.
        :raises UnknownFormat: when another version of this project wrote it.
        """
        try:
            body = json.loads(data)
            recorded = body.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise SnapshotDamaged(f"a manifest cannot be read: {error}") from error
        if _checksum(body) != recorded:
            raise SnapshotDamaged("a manifest fails its own checksum")
        if body["format"] != FORMAT:
            raise UnknownFormat(
                f"the snapshot has format {body['format']}, this version reads {FORMAT}; "
                "use the version that wrote it, or ingest into a new store"
            )
        body.pop("index", None)  # of before 2026-11-30: how codes that are no longer read did
        return cls(
            **{
                **body,
                "fingerprint": Fingerprint(**body["fingerprint"]),
                "segments": tuple(_segment(ref) for ref in body["segments"]),
                "files": {name: FileRecord(**record) for name, record in body["files"].items()},
            }
        )


def read_manifest(store: Path, snapshot_id: str) -> Manifest:
    """Read the manifest of a snapshot.

    :raises SnapshotDamaged: when it is missing, unreadable, or not what it was.
    """
    path = store / SNAPSHOTS / snapshot_id / NAME
    try:
        manifest = Manifest.from_bytes(path.read_bytes())
    except OSError as error:
        raise SnapshotDamaged(
            f"snapshot {snapshot_id}: its manifest cannot be read: {error.strerror}"
        ) from error
    if manifest.id != snapshot_id:
        raise SnapshotDamaged(f"snapshot {snapshot_id}: its manifest is that of {manifest.id}")
    return manifest


def below(manifest: Manifest, prefix: str) -> dict[str, FileRecord]:
    """The files below a folder, by their names in it."""
    return {
        name.removeprefix(prefix): record
        for name, record in manifest.files.items()
        if name.startswith(prefix)
    }


def _segment(ref: Mapping[str, Any]) -> SegmentRef:
    return SegmentRef(ref["id"], ref["documents"], ref["chunks"], tuple(ref["removed"]))


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_dump(body)).hexdigest()


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, indent=1).encode() + b"\n"
