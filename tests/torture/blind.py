"""Mutants that believe what they read: no hash is compared, nothing is read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus.files
import corpus.ledger
import corpus.manifest
import corpus.segment
import corpus.snapshot


def put(place: object, name: str, value: object) -> None:
    """Replace something of this process."""
    setattr(place, name, value)


class _Same:
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]  # what is equal to everything has none

    def __init__(self, *_: object) -> None:
        """In place of a function, whatever it is given."""

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False


def _read_anything(path: Path, _: object) -> bytes:
    """Read a file and believe it."""
    return path.read_bytes()


def _no_read_back() -> None:
    """What was written is not read again."""
    put(corpus.files, "read_checked", _read_anything)


def _no_vectors_read_back() -> None:
    """Nor are the vectors."""
    written: dict[str, Any] = {}
    real = corpus.files.record_of

    class Remembering(corpus.files.CheckedWriter):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            written[path.name] = self

    def record_of(path: Path) -> Any:
        return written[path.name].record if path.name in written else real(path)

    put(corpus.segment, "CheckedWriter", Remembering)
    put(corpus.segment, "record_of", record_of)


def _no_hash_of_words() -> None:
    put(corpus.snapshot, "record_of", _Same)


def _no_hash_of_texts() -> None:
    put(corpus.segment, "record_of", _Same)


def _no_hash_of_vectors() -> None:
    put(corpus.segment, "map_checked", _read_anything)


def _no_hash_of_ledger() -> None:
    put(corpus.ledger, "read_checked", _read_anything)


def _no_hash_of_manifest() -> None:
    put(corpus.manifest, "_checksum", _Same)


BLIND: dict[str, Callable[[], None]] = {
    "no read-back": _no_read_back,
    "no read-back of vectors": _no_vectors_read_back,
    "no hash of words": _no_hash_of_words,
    "no hash of texts": _no_hash_of_texts,
    "no hash of vectors": _no_hash_of_vectors,
    "no hash of the ledger": _no_hash_of_ledger,
    "no hash of the manifest": _no_hash_of_manifest,
}
