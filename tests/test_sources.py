"""The walk: every file is seen once, and what is left out is said with the reason."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import BadRoot
from corpus.roots import Root
from corpus.types import Status
from ingest.sources import Listing, format_of, readable, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def listing(folder: Path, *, max_bytes: int = 1000, **patterns: tuple[str, ...]) -> Listing:
    return walk(Root(1, os.fspath(folder), **patterns), max_bytes=max_bytes)


def taken(found: Listing) -> list[str]:
    return [source.path for source in found.sources]


def left_out(found: Listing) -> dict[str, str]:
    return {row.path: row.reason for row in found.left_out}


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")


def test_every_file_is_seen_once_in_the_order_of_its_path(folder: Path) -> None:
    put(folder, "b.md", "a/z.txt", "a/b/c.html", "a.md", "picture.png", ".hidden.md")

    found = listing(folder)

    assert taken(found) == ["a.md", "a/b/c.html", "a/z.txt", "b.md"]
    assert left_out(found) == {".hidden.md": "hidden", "picture.png": "no reader for .png files"}
    assert {row.status for row in found.left_out} == {Status.SKIPPED}
    for source in found.sources:
        status = os.stat(folder / source.path)
        assert (source.stamp.size, source.stamp.inode) == (status.st_size, status.st_ino)


def test_hidden_folders_are_one_row_and_not_entered(folder: Path) -> None:
    put(folder, ".git/config.md", ".git/deep/a.md", "a.md")

    assert left_out(listing(folder)) == {".git/": "hidden; folder not entered"}


@pytest.mark.parametrize("name", ["A.MD", "a.Md", "b.MARKDOWN", "c.HTM", "d.Txt", "e.JSONL"])
def test_a_suffix_counts_in_any_case(folder: Path, name: str) -> None:
    put(folder, name)

    assert taken(listing(folder)) == [name]
    assert format_of(name) is not None


def test_files_without_a_reader_are_told_apart(folder: Path) -> None:
    put(folder, "README", "archive.tar.gz", "a.md~")

    assert left_out(listing(folder)) == {
        "README": "no reader for files without a suffix",
        "archive.tar.gz": "no reader for .gz files",
        "a.md~": "no reader for .md~ files",
    }


def test_links_are_followed_to_files_inside_only(folder: Path, tmp_path: Path) -> None:
    put(folder, "real.md", "deep/other.md")
    put(tmp_path, "secret.md", "docs-other/near.md")
    for name, target in {
        "inside.md": "real.md",
        "chain.md": "inside.md",
        "outside.md": "../secret.md",
        "absolute.md": "/etc/hostname",
        "sibling.md": "../docs-other/near.md",  # begins like the root
        "broken.md": "nowhere.md",
        "loop.md": "loop.md",
        "deep/up": "..",
        "out": "../docs-other",
    }.items():
        (folder / name).symlink_to(target)

    found = listing(folder)

    assert taken(found) == ["chain.md", "deep/other.md", "inside.md", "real.md"]
    reasons = left_out(found)
    for name in ("outside.md", "absolute.md", "sibling.md", "out"):
        assert reasons[name] == "a link that leads outside the folder"
    assert reasons["deep/up"] == "a link to a folder of the same root"
    failed = {row.path for row in found.left_out if row.status is Status.FAILED}
    assert failed == {"broken.md", "loop.md"}


def test_a_root_that_is_a_link_is_walked(folder: Path, tmp_path: Path) -> None:
    put(folder, "a.md")
    (folder / "b.md").symlink_to("a.md")
    (tmp_path / "link").symlink_to(folder)

    assert taken(listing(tmp_path / "link")) == ["a.md", "b.md"]


def test_what_is_no_regular_file_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(folder / "socket.md"))
        (folder / "device.md").symlink_to("/dev/zero")
        found = listing(folder)

    assert left_out(found) == {
        "device.md": "a link that leads outside the folder",
        "pipe.md": "not a regular file",
        "socket.md": "not a regular file",
    }


def test_an_ignore_file_that_is_a_fifo_does_not_hold_up_the_walk(folder: Path) -> None:
    put(folder, "a.md")
    os.mkfifo(folder / ".ragignore")

    def too_late(*_: object) -> None:
        raise TimeoutError("the walk waits for the FIFO")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        with suppress(BadRoot):
            listing(folder)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_size_limits_are_inclusive_and_told(folder: Path) -> None:
    (folder / "fits.md").write_bytes(b"x" * 1000)
    (folder / "large.md").write_bytes(b"x" * 1001)

    found = listing(folder)

    assert taken(found) == ["fits.md"]
    assert "ingest.max_file_mb" in left_out(found)["large.md"]


def test_a_folder_that_cannot_be_listed_is_one_failure_and_the_others_are_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a.md", "locked/b.md", "open/c.md")
    _lock(monkeypatch, folder / "locked")

    found = listing(folder)

    assert taken(found) == ["a.md", "open/c.md"]
    (row,) = found.left_out
    assert (row.path, row.status) == ("locked/", Status.FAILED)
    assert "Permission denied" in row.reason


def test_a_root_that_cannot_be_listed_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lock(monkeypatch, folder)

    with pytest.raises(BadRoot, match="Permission denied"):
        listing(folder)


def _lock(monkeypatch: pytest.MonkeyPatch, locked: Path) -> None:
    """As ``chmod 000`` does for anyone but root: neither listed nor looked into."""
    scandir, read_text = os.scandir, Path.read_text

    def refusing(path: str) -> object:
        if os.fspath(path) == os.fspath(locked):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def unreadable(path: Path, *args: object, **kwargs: object) -> str:
        if path.parent == locked:
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args, **kwargs)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(Path, "read_text", unreadable)


def test_patterns_are_those_of_gitignore(folder: Path) -> None:
    put(folder, "a.md", "drafts/b.md", "deep/drafts/c.md", "deep/d.tmp.md", "deep/keep.tmp.md")

    found = listing(folder, exclude=("drafts/", "*.tmp.md", "!keep.tmp.md"))
    assert taken(found) == ["a.md", "deep/keep.tmp.md"]
    assert taken(listing(folder, include=("/deep/**",), exclude=("drafts/",))) == [
        "deep/d.tmp.md",
        "deep/keep.tmp.md",
    ]
    assert taken(listing(folder, include=("*.txt",))) == []


def test_an_ignore_file_rules_its_own_folder_only(folder: Path) -> None:
    put(folder, "a.md", "one/a.md", "two/a.md", "one/sub/a.md")
    (folder / "one" / ".ragignore").write_text("# only here\n/a.md\n")

    found = listing(folder)

    assert taken(found) == ["a.md", "one/sub/a.md", "two/a.md"]
    assert left_out(found)["one/a.md"] == "excluded by a pattern"


@pytest.mark.parametrize("pattern", ["!", "[", "**a", "\\", "a\\", "[z-a]", "/", ""])
def test_a_pattern_that_means_nothing_is_refused_or_matches_nothing(
    folder: Path, pattern: str
) -> None:
    put(folder, "b.md")
    with suppress(BadRoot):
        assert taken(listing(folder, exclude=(pattern,))) in (["b.md"], [])
    (folder / ".ragignore").write_text(pattern)
    with suppress(BadRoot):
        assert taken(listing(folder)) in (["b.md"], [])


def test_an_ignore_file_that_is_no_text_is_refused_by_name(folder: Path) -> None:
    put(folder, "a.md")
    (folder / ".ragignore").write_bytes(b"\xff\xfe")

    with pytest.raises(BadRoot, match=r"\.ragignore"):
        listing(folder)


def test_one_file_can_be_a_root(folder: Path) -> None:
    put(folder, "a.md", "b.md")

    assert taken(listing(folder / "a.md")) == ["a.md"]
    with pytest.raises(BadRoot, match="not there"):
        listing(folder / "c.md")


def test_names_that_are_no_utf8_are_shown_and_can_be_opened(folder: Path) -> None:
    raw = os.fsencode(folder) + b"/caf\xe9\xff.md"
    with open(raw, "wb") as file:
        file.write(b"text")

    (source,) = listing(folder).sources

    assert source.path == "caf\\xe9\\xff.md"
    assert Path(source.location).read_text() == "text"


def test_two_names_that_are_shown_alike_stay_two_sources(folder: Path) -> None:
    for name in (b"a\xff.md", b"a\\xff.md"):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(name)

    paths = taken(listing(folder))

    assert len(set(paths)) == len(paths) == 2


@given(st.binary(min_size=1, max_size=30).filter(lambda name: not {0, 47} & set(name)))
def test_any_name_can_be_written_down(name: bytes) -> None:
    shown = readable(os.fsdecode(name))

    assert shown.encode("utf-8").decode("utf-8") == shown
