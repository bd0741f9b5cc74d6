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
import corpus.windows


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


def _no_read_back_of(name: str) -> Callable[[], None]:
    """Nor is this file of a segment, which its writer reads back itself."""

    def mutate() -> None:
        written: dict[Path, Any] = {}
        real, writer = corpus.segment.record_of, corpus.segment.CheckedWriter

        class Remembering(writer):  # type: ignore[misc, valid-type]  # may be a mutant's already
            def __init__(self, path: Path) -> None:
                super().__init__(path)
                if path.name == name:
                    written[path] = self

        def record_of(path: Path) -> Any:
            return written[path].record if path in written else real(path)

        put(corpus.segment, "CheckedWriter", Remembering)
        put(corpus.windows, "CheckedWriter", Remembering)
        put(corpus.segment, "record_of", record_of)

    return mutate


def _no_hash_of_words() -> None:
    put(corpus.snapshot, "record_of", _Same)


def _no_hash_of_texts() -> None:
    put(corpus.segment, "record_of", _Same)


def _no_hash_of_mapped(name: str) -> Callable[[], None]:
    def mutate() -> None:
        real = corpus.segment.map_checked

        def map_checked(path: Path, expected: Any) -> Any:
            return _read_anything(path, expected) if path.name == name else real(path, expected)

        put(corpus.segment, "map_checked", map_checked)

    return mutate


def _no_hash_of_ledger() -> None:
    put(corpus.ledger, "read_checked", _read_anything)


def _no_hash_of_manifest() -> None:
    put(corpus.manifest, "_checksum", _Same)


BLIND: dict[str, Callable[[], None]] = {
    "no read-back": _no_read_back,
    "no read-back of vectors": _no_read_back_of(corpus.segment.VECTORS),
    "no read-back of windows": _no_read_back_of(corpus.segment.WINDOWS),
    "no read-back of codes": _no_read_back_of(corpus.segment.CODES),
    "no hash of words": _no_hash_of_words,
    "no hash of texts": _no_hash_of_texts,
    "no hash of vectors": _no_hash_of_mapped(corpus.segment.VECTORS),
    "no hash of codes": _no_hash_of_mapped(corpus.segment.CODES),
    "no hash of the ledger": _no_hash_of_ledger,
    "no hash of the manifest": _no_hash_of_manifest,
}
