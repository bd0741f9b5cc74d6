"""The cache of stamps: it may save a reading, and must never hide a change."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.seen import NAME, Seen
from ingest.sources import Source, Stamp
from tests.conftest import Workbench

LONG_AGO, NOW = 1_000_000_000 * 10**9, 1_700_000_000 * 10**9
SOURCE = Source(1, "a.md", "/x/a.md", "md", Stamp(5, LONG_AGO, LONG_AGO, 77))


def noted(store: Path, source: Source = SOURCE, read_at_ns: int = NOW) -> Seen:
    seen = Seen(store)
    seen.note(source, "hash", read_at_ns)
    seen.save()
    return Seen(store)


def test_a_file_that_looks_as_it_did_need_not_be_read(tmp_path: Path) -> None:
    assert noted(tmp_path).sha256(SOURCE) == "hash"


@pytest.mark.parametrize(
    "stamp",
    [
        Stamp(6, LONG_AGO, LONG_AGO, 77),
        Stamp(5, LONG_AGO + 1, LONG_AGO, 77),
        Stamp(5, LONG_AGO, LONG_AGO + 1, 77),  # same size, modification time set back
        Stamp(5, LONG_AGO, LONG_AGO, 78),
    ],
)
def test_a_file_that_looks_otherwise_is_read(tmp_path: Path, stamp: Stamp) -> None:
    assert noted(tmp_path).sha256(replace(SOURCE, stamp=stamp)) is None


def test_another_file_is_another_file(tmp_path: Path) -> None:
    seen = noted(tmp_path)

    assert seen.sha256(replace(SOURCE, path="b.md")) is None
    assert seen.sha256(replace(SOURCE, root=2)) is None


@pytest.mark.parametrize("age_ns", [0, 1, 10**9, -(10**9)])
def test_a_stamp_that_is_too_fresh_is_not_believed(tmp_path: Path, age_ns: int) -> None:
    fresh = replace(SOURCE, stamp=Stamp(5, NOW - age_ns, LONG_AGO, 77))

    assert noted(tmp_path, fresh).sha256(fresh) is None


def test_bytes_that_were_seen_are_not_new_wherever_they_are(tmp_path: Path) -> None:
    fresh = replace(SOURCE, stamp=Stamp(5, NOW, NOW, 77))
    seen = noted(tmp_path, fresh)
    moved, other = replace(SOURCE, path="b.md"), replace(SOURCE, path="c.md")
    seen.note(fresh, "other", NOW)
    seen.note(moved, "hash", NOW)

    assert seen.is_new(fresh)
    assert not seen.is_new(moved)
    assert not seen.is_new(other), "it was not read"


def test_a_file_that_is_rewritten_within_the_tick_of_the_clock_is_hashed_again(
    bench: Workbench,
) -> None:
    """Same name, same size, same times, same inode: only its bytes tell."""
    path = bench.write("a.txt", "About apples.")
    bench.ingest()
    before = path.stat()
    path.write_text("About grapes.")
    source = _walked(bench)
    stamp = Stamp(before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino)

    assert Seen(bench.store.path).sha256(replace(source, stamp=stamp)) is None
    assert bench.ingest().changed == 1
    assert "grapes" in bench.store.open().document("a.txt").text


def test_a_settled_file_is_not_read_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.txt", "About apples.")
    real = time.time_ns
    monkeypatch.setattr("ingest.reading.time.time_ns", lambda: real() + 5 * 10**9)
    bench.ingest()
    monkeypatch.setattr("ingest.reading.read", _must_not_be_called)

    assert bench.ingest().unchanged == 1


def _must_not_be_called(source: Source) -> None:
    raise AssertionError(f"{source.path} was read again")


@pytest.mark.parametrize(
    "damage",
    [b"", b"garbage", b"\xff\n\xff", b"{}", b"0" * 64 + b'\n{"1:a.md": [5, 1, 1, 77, "wrong"]}'],
)
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: bytes) -> None:
    noted(tmp_path)
    (tmp_path / NAME).write_bytes(damage)

    assert Seen(tmp_path).sha256(SOURCE) is None


def test_one_flipped_bit_makes_the_cache_forget(tmp_path: Path) -> None:
    noted(tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    for place in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        (tmp_path / NAME).write_bytes(flipped)
        assert Seen(tmp_path).sha256(SOURCE) is None


def test_files_that_are_gone_are_forgotten_and_those_of_other_roots_are_not(
    tmp_path: Path,
) -> None:
    other = replace(SOURCE, root=2)
    seen = Seen(tmp_path)
    seen.note(SOURCE, "one", NOW)
    seen.note(other, "two", NOW)
    seen.save()

    later = Seen(tmp_path)  # a run over root 1, in which the file is gone
    later.keep_others({1})
    later.save()

    assert (Seen(tmp_path).sha256(SOURCE), Seen(tmp_path).sha256(other)) == (None, "two")


def _walked(bench: Workbench) -> Source:
    from corpus.roots import Root
    from ingest.sources import walk

    (source,) = walk(Root(1, str(bench.folder)), max_bytes=10**6).sources
    return source
