"""Files that are whole or are not there: every refusal of the system is seen."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import files
from corpus.files import CheckedWriter, FileRecord
from tests.conftest import tree

FULL = OSError(errno.ENOSPC, "No space left on device")


def refuse(*_: object, **__: object) -> int:
    raise FULL


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_what_was_written_is_recorded_and_read_back(place: Path) -> None:
    with CheckedWriter(place / "a") as writer:
        assert [writer.write(b"one"), writer.write(b""), writer.write(b"two")] == [3, 0, 3]

    assert writer.record == FileRecord(6, hashlib.sha256(b"onetwo").hexdigest())
    assert writer.record == files.record_of(place / "a")
    assert files.read_checked(place / "a", writer.record) == b"onetwo"


def test_nothing_is_overwritten(place: Path) -> None:
    (place / "a").write_bytes(b"old")

    with pytest.raises(FileExistsError):
        files.write_new(place / "a", b"new")
    assert (place / "a").read_bytes() == b"old"


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_a_short_write_goes_on_where_it_stopped(
    place: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    real = os.write
    data = bytes(range(250)) * 10
    monkeypatch.setattr(os, "write", lambda to, rest: real(to, bytes(rest)[:at_once]))

    record = files.write_new(place / "a", data)

    assert (place / "a").read_bytes() == data
    assert record == files.record_of(place / "a")


@pytest.mark.parametrize("call", ["write", "fsync", "open", "rename"])
def test_replacing_is_all_or_nothing_and_a_refusal_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (place / "a").write_bytes(b"old")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(os, call, refuse)
        files.replace(place / "a", b"new")

    assert dict(tree(place)) == {"a": b"old"}
    files.replace(place / "a", b"new")
    assert dict(tree(place)) == {"a": b"new"}


def test_a_failed_fsync_is_told_and_not_tried_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one may succeed with the data gone."""
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    for write in (files.write_new, files.replace):
        with pytest.raises(OSError, match="Input/output"):
            write(place / write.__name__, b"data")
    with pytest.raises(OSError, match="Input/output"):
        files.sync_folder(place)
    assert len(calls) == 3


def test_a_new_file_and_its_name_are_synced_before_it_counts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noting(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(os, name)

        def call(*args: object) -> object:
            where = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else args[1]
            steps.append(f"{name} {Path(str(where)).name.partition('.')[0] or 'aside'}")
            return real(*args)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, noting(name))
    files.replace(place / "a", b"new")

    assert steps == ["fsync aside", "rename a", f"fsync {place.name}"]


@pytest.mark.parametrize("read", [files.read_checked, files.map_checked])
@given(data=st.binary(min_size=1, max_size=200), draw=st.data())
def test_any_difference_is_seen_when_reading(
    tmp_path_factory: pytest.TempPathFactory,
    read: Callable[[Path, FileRecord], bytes | mmap],
    data: bytes,
    draw: st.DataObject,
) -> None:
    path = tmp_path_factory.getbasetemp() / "checked"
    path.write_bytes(data)
    record = files.record_of(path)
    assert read(path, record)[:] == data
    at = draw.draw(st.integers(0, len(data) - 1))
    flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]

    for other in (flipped, data[:at], data + b"\0"):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="checked"):
            read(path, record)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(path, record)


def test_a_file_of_many_blocks_is_checked_to_its_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BLOCK", 7)
    data = bytes(range(50))
    record = files.write_new(place / "long", data)
    assert files.map_checked(place / "long", record)[:] == data

    (place / "long").write_bytes(data[:-1] + b"x")

    with pytest.raises(ValueError, match="checksum"):
        files.map_checked(place / "long", record)


def test_a_staging_folder_leaves_nothing_behind_and_can_be_renamed_away(place: Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.staging(place / "new") as folder:
        (folder / "half").write_bytes(b"x")
        raise KeyboardInterrupt
    assert list(tree(place)) == []

    with files.staging(place) as folder:
        assert folder.name.startswith("tmp-")
        (folder / "whole").write_bytes(b"x")
        os.rename(folder, place / "kept")
    assert list(tree(place)) == [("kept/whole", b"x")]


def test_where_there_are_no_hard_links_a_file_is_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a").write_bytes(b"x")
    files.link_or_copy(place / "a", place / "b")
    monkeypatch.setattr(os, "link", refuse)
    files.link_or_copy(place / "a", place / "c")

    assert (place / "b").samefile(place / "a")
    assert not (place / "c").samefile(place / "a")
    assert (place / "c").read_bytes() == b"x"
