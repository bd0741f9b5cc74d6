"""Remembered hashes: they may save a reading, and must never hide a change."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from corpus import hashes
from corpus.files import FileRecord, record_of
from corpus.hashes import sha256_of


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A cache of its own, files as if large and written long ago, and what was read of them."""
    seen: list[Path] = []

    def watched(path: Path) -> FileRecord:
        seen.append(path)
        return record_of(path)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "REMEMBERED_FROM", 0)
    monkeypatch.setattr(hashes, "SETTLED_NS", -(10**12))
    monkeypatch.setattr(hashes, "record_of", watched)
    return seen


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    expected = [written(one, b"one"), written(other, b"other")]

    assert sha256_of([one, other]) == sha256_of([one, other]) == expected
    assert read == [one, other]


def test_a_file_that_is_written_in_place_is_read_again_though_its_time_is_put_back(
    tmp_path: Path, read: list[Path]
) -> None:
    path = tmp_path / "weights"
    written(path, b"before")
    state = path.stat()
    sha256_of([path])

    expected = written(path, b"after!")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert path.stat().st_size == state.st_size
    assert path.stat().st_mtime_ns == state.st_mtime_ns
    assert sha256_of([path]) == [expected]


def test_a_file_that_was_young_when_it_was_read_is_read_again(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "SETTLED_NS", 2 * 10**9)
    path = tmp_path / "weights"
    expected = written(path, b"young")

    assert sha256_of([path]) == sha256_of([path]) == [expected]
    assert read == [path, path]


def test_a_small_file_is_read_each_time(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "REMEMBERED_FROM", 6)
    small, large = tmp_path / "small", tmp_path / "large"
    expected = [written(small, b"small"), written(large, b"large!")]

    assert sha256_of([small, large]) == sha256_of([small, large]) == expected
    assert read == [small, large, small]


def test_a_damaged_memory_is_none(tmp_path: Path, read: list[Path]) -> None:
    path, memory = tmp_path / "weights", tmp_path / "cache" / "rag" / hashes.NAME
    expected = written(path, b"bytes")
    sha256_of([path])
    memory.write_bytes(memory.read_bytes().replace(expected.encode(), b"0" * 64))

    assert sha256_of([path]) == [expected]


def test_what_cannot_be_remembered_is_read_each_time(tmp_path: Path, read: list[Path]) -> None:
    (tmp_path / "cache").write_text("no folder")
    path = tmp_path / "weights"
    expected = written(path, b"bytes")

    assert sha256_of([path]) == sha256_of([path]) == [expected]
    assert read == [path, path]


def test_files_that_are_gone_are_forgotten(tmp_path: Path, read: list[Path]) -> None:
    gone, stays = tmp_path / "gone", tmp_path / "stays"
    written(gone, b"gone")
    written(stays, b"stays")
    sha256_of([gone])
    gone.unlink()
    sha256_of([stays])

    memory = (tmp_path / "cache" / "rag" / hashes.NAME).read_text()
    assert str(stays) in memory
    assert str(gone) not in memory
