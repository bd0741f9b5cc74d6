"""The store: a snapshot is whole or it is refused, and what fails leaves the last good one."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import (
    CorpusError,
    NoSnapshot,
    RagError,
    SnapshotDamaged,
    StoreNotWritable,
    UnknownDocument,
    UnknownSnapshot,
)
from corpus.manifest import Manifest
from corpus.store import CURRENT, Store
from corpus.types import Hit, Mode, Query
from tests.conftest import WordHashEncoder, Workbench, tree


def ask(store: Store, text: str, mode: Mode = Mode.HYBRID) -> tuple[Hit, ...]:
    vector = None if mode is Mode.WORDS else WordHashEncoder().encode_query(text)
    return store.open().search(Query(text, vector, 10, mode))


def fill(bench: Workbench, number: int = 3) -> str:
    for count in range(number):
        bench.write(f"{count}.md", f"# Note {count}\n\nThis is about subject{count}.")
    return str(bench.ingest().snapshot)


def files_of(store: Store, snapshot_id: str) -> list[str]:
    """Every file of a snapshot, below the store."""
    return [*store.manifest(snapshot_id).files, f"snapshots/{snapshot_id}/manifest.json"]


# --- what was published is whole ------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A store of two segments, to be copied and never changed."""
    bench = Workbench(tmp_path_factory.mktemp("published"))
    fill(bench, 4)
    bench.write("late.md", "# Late\n\nThis came later.")
    bench.ingest()
    return bench


@pytest.fixture
def copy(published: Workbench, tmp_path: Path) -> Store:
    shutil.copytree(published.store.path, tmp_path / "copy")
    return Store(tmp_path / "copy")


def _damages() -> dict[str, object]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)

    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-2])

    def grow(path: Path) -> None:
        path.write_bytes(path.read_bytes() + b"\0")

    def empty(path: Path) -> None:
        path.write_bytes(b"")

    def delete(path: Path) -> None:
        path.unlink()

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    return {one.__name__: one for one in (flip, cut, grow, empty, delete, folder)}


@pytest.mark.parametrize("damage", _damages().values(), ids=_damages())
def test_a_snapshot_is_refused_whichever_of_its_files_is_damaged(
    published: Workbench, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    current = published.store.require_current()
    names = files_of(published.store, current)
    assert {name.partition("/")[0] for name in names} == {"segments", "snapshots"}
    answered = []
    for number, name in enumerate(names):
        store = Store(tmp_path / str(number))
        shutil.copytree(published.store.path, store.path)
        damage(store.path / name)
        try:
            store.open()
        except SnapshotDamaged:
            continue
        answered.append(name)
    assert answered == []


def test_files_that_change_places_are_seen(published: Workbench, tmp_path: Path) -> None:
    names = files_of(published.store, published.store.require_current())
    for number, (one, other) in enumerate(pairwise(names)):
        store = Store(tmp_path / str(number))
        shutil.copytree(published.store.path, store.path)
        first = (store.path / one).read_bytes()
        if first == (store.path / other).read_bytes():
            continue
        (store.path / one).write_bytes((store.path / other).read_bytes())
        (store.path / other).write_bytes(first)
        with pytest.raises(SnapshotDamaged):
            store.open()


def test_a_manifest_of_another_snapshot_is_refused(copy: Store) -> None:
    current, other = (one.id for one in copy.snapshots())
    manifest = (copy.path / "snapshots" / other / "manifest.json").read_bytes()
    (copy.path / "snapshots" / current / "manifest.json").write_bytes(manifest)

    with pytest.raises(SnapshotDamaged, match=other):
        copy.open()


@given(st.binary(max_size=300) | st.sampled_from([b"null", b"[]", b"{}", b'{"sha256": "x"}', b"7"]))
def test_no_bytes_are_a_manifest_but_those_that_were_written(data: bytes) -> None:
    with pytest.raises(SnapshotDamaged):
        Manifest.from_bytes(data)


def test_a_snapshot_of_a_later_format_is_refused_with_what_to_do(published: Workbench) -> None:
    from dataclasses import replace

    manifest = published.store.manifest(published.store.require_current())
    with pytest.raises(SnapshotDamaged, match="format 99.*new store"):
        Manifest.from_bytes(replace(manifest, format=99).to_bytes())


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"../snapshots/x", b"a b", b"x/y"])
def test_a_pointer_that_points_nowhere_is_damage_and_no_answer(copy: Store, content: bytes) -> None:
    (copy.path / CURRENT).write_bytes(content)

    with pytest.raises(SnapshotDamaged, match="CURRENT"):
        copy.open()


def test_a_pointer_to_a_snapshot_that_is_gone_is_no_answer(copy: Store) -> None:
    (copy.path / CURRENT).write_bytes(b"0123456789abcdef\n")

    with pytest.raises(CorpusError, match="0123456789abcdef"):
        copy.open()


def test_with_a_damaged_pointer_the_snapshots_can_still_be_listed_and_one_activated(
    copy: Store,
) -> None:
    """How else would a user find the id to go back to?"""
    good = copy.require_current()
    (copy.path / CURRENT).write_bytes(b"")

    assert good in [one.id for one in copy.snapshots()]
    with copy.writing():
        copy.activate(good)
    assert copy.open().id == good


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "/etc", "x/../..", "tmp-1", "a\0b", "CURRENT", "\udcff"]
)
def test_an_id_that_is_no_snapshot_is_refused_whatever_it_spells(copy: Store, name: str) -> None:
    for ask_for in (copy.open, copy.manifest, copy.ledger, copy.activate):
        with pytest.raises(UnknownSnapshot):
            ask_for(name)


def test_a_store_without_a_snapshot_says_what_to_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")

    with pytest.raises(NoSnapshot, match="rag ingest"):
        store.open()
    assert store.snapshots() == []
    assert not store.path.exists()


# --- what a snapshot answers ----------------------------------------------------------------


def test_each_mode_finds_and_says_why(published: Workbench) -> None:
    for mode in Mode:
        best = ask(published.store, "about subject2", mode)[0]
        assert (best.rank, best.chunk.document_id) == (1, "2.md")
        scores = best.scores
        assert (scores.dense is not None) == (mode is not Mode.WORDS)
        assert (scores.words is not None) == (mode is not Mode.DENSE)
        assert (scores.fused is not None) == (mode is Mode.HYBRID)
    with pytest.raises(ValueError, match="vector"):
        published.store.open().search(Query("x", None, 3, Mode.DENSE))


def test_a_removed_document_is_found_by_no_way_of_asking(bench: Workbench) -> None:
    fill(bench, 8)
    (bench.folder / "3.md").unlink()
    bench.ingest()
    snapshot = bench.store.open()

    assert "3.md" not in snapshot.documents
    for mode in Mode:
        found = {hit.chunk.document_id for hit in ask(bench.store, "subject3", mode)}
        assert "3.md" not in found
    for look in (snapshot.document, snapshot.chunks_of):
        with pytest.raises(UnknownDocument, match=r"3\.md"):
            look("3.md")


def test_a_store_whose_last_root_was_removed_is_empty_and_can_be_filled_again(
    bench: Workbench,
) -> None:
    fill(bench)
    bench.runner.remove_root(bench.folder)

    assert (bench.store.open().documents, ask(bench.store, "subject1")) == ({}, ())
    bench.ingest()
    assert len(bench.store.open().documents) == 3


def test_every_chunk_is_a_span_of_its_document_whatever_the_text(bench: Workbench) -> None:
    odd = "😀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 e\u0301 \u202egnorw\u202c ﬁ\r\nline\x0btab\tend \u2028 ünd 文字。"
    bench.write("odd.txt", f"{odd}\n\n{odd * 20}")
    bench.write("nul.jsonl", '{"_id": "nul", "text": "before\\u0000after about parsnips"}\n')
    bench.ingest()
    snapshot = bench.store.open()

    assert "odd.txt" in snapshot.documents
    for name in snapshot.documents:
        text = snapshot.document(name).text
        for chunk in snapshot.chunks_of(name):
            assert chunk.text == text[chunk.start : chunk.end]


def test_a_snapshot_that_is_held_answers_threads_to_come_though_its_files_are_collected(
    bench: Workbench,
) -> None:
    fill(bench)
    held = bench.store.open()
    for turn in range(3):
        for count in range(3):
            bench.write(f"{count}.md", f"# Turn {turn}\n\nOther words {count}.")
        bench.ingest()
        with bench.store.writing():
            bench.store.collect(keep=1)
    assert held.id not in [one.id for one in bench.store.snapshots()]
    found: list[object] = []

    def ask_later() -> None:
        try:
            found.append(held.search(Query("subject1", None, 3, Mode.WORDS))[0].chunk.document_id)
            found.append(held.document("2.md").title)
        except Exception as error:  # to be told by the assertion
            found.append(error)

    thread = threading.Thread(target=ask_later)
    thread.start()
    thread.join()
    assert found == ["1.md", "Note 2"]


# --- what fails ------------------------------------------------------------------------------


def test_a_file_in_place_of_the_store_is_told(bench: Workbench) -> None:
    bench.store.path.write_text("a file")

    with pytest.raises(StoreNotWritable, match="--store"):
        fill(bench)
    assert bench.store.path.read_text() == "a file"


@contextmanager
def refusing(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """The disk is full from the call of that number on, counted over all that change it."""
    calls: list[str] = []
    with monkeypatch.context() as patched:
        for name in ("write", "fsync", "rename", "mkdir"):
            real = getattr(os, name)

            def call(*args: object, real: object = real, name: str = name, **kw: object) -> object:
                calls.append(name)
                if len(calls) > at:
                    raise OSError(errno.ENOSPC, "No space left on device")
                assert callable(real)
                return real(*args, **kw)

            patched.setattr(os, name, call)
        yield calls


def test_wherever_the_disk_refuses_the_old_snapshot_answers_and_the_error_says_so(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.seen._SETTLED_NS", -(10**12))  # so that it has something to save
    fill(bench)
    first = bench.store.require_current()
    with refusing(monkeypatch, at=10**6) as calls:
        bench.write("new.md", "# New\n\nAbout parsnips.")
        bench.ingest()
    wrong = []
    for at in range(len(calls)):
        shutil.rmtree(bench.store.path)
        (bench.folder / "new.md").unlink(missing_ok=True)
        fill(bench)
        bench.write("new.md", "# New\n\nAbout parsnips.")
        told: BaseException | None = None
        with refusing(monkeypatch, at):
            try:
                bench.ingest()
            except Exception as error:  # any may come; which may is asserted below
                told = error
        if not (told is None or isinstance(told, RagError)):
            wrong.append((at, calls[at], repr(told)))
        found = {hit.chunk.document_id for hit in ask(bench.store, "parsnips", Mode.WORDS)}
        if isinstance(told, StoreNotWritable):
            assert (bench.store.require_current(), found) == (first, set()), (at, told)
        else:
            assert found in (set(), {"new.md"})
    assert wrong == []
    bench.ingest()
    assert ask(bench.store, "parsnips", Mode.WORDS)[0].chunk.document_id == "new.md"


@pytest.mark.parametrize("limit", [0, 100, 600, 2000, 5000, 9000, 15000, 21000, 30000])
def test_a_disk_that_takes_no_more_bytes_leaves_the_old_snapshot(
    bench: Workbench, limit: int
) -> None:
    """SQLite, tantivy and FAISS write by themselves; a limit of the system stops them all."""
    fill(bench)
    first = bench.store.require_current()
    for count in range(40):
        bench.write(f"more{count}.md", f"# More {count}\n\n" + f"word{count} and parsnips. " * 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StoreNotWritable):
            bench.ingest()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert bench.store.open().id == first
    assert ask(bench.store, "parsnips", Mode.WORDS) == ()
    assert bench.ingest().documents == 43


def test_an_error_after_the_pointer_moved_is_told_from_one_before(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed, not committed, or unknown: then read again and tell the truth."""
    fill(bench)
    first, second = bench.store.require_current(), _second(bench)

    def refused(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("corpus.files.sync_folder", refused)
        bench.store.set_current(first)
        assert bench.store.current_id() == first
        patched.setattr("corpus.files.write_new", lambda *_: refused(Path()))
        with pytest.raises(StoreNotWritable, match="still answers"):
            bench.store.set_current(second)
    assert bench.store.current_id() == first


# --- going back, and tidying up ----------------------------------------------------------------


def _second(bench: Workbench) -> str:
    bench.write("0.md", "# Note 0\n\nThis is about turnips.")
    return str(bench.ingest().snapshot)


def test_going_back_makes_the_old_answers_answer(bench: Workbench) -> None:
    first, second = fill(bench), _second(bench)
    with bench.store.writing():
        bench.store.activate(first)

    assert bench.store.open().id == first
    assert ask(bench.store, "turnips", Mode.WORDS) == ()
    assert [one.id for one in bench.store.snapshots() if one.current] == [first]
    assert bench.ingest().snapshot == second


def test_a_damaged_snapshot_is_not_gone_back_to(bench: Workbench) -> None:
    first, second = fill(bench), _second(bench)
    (bench.store.path / f"snapshots/{first}/ledger.jsonl").write_bytes(b"")
    (bench.store.path / f"snapshots/{first}/words/meta.json").write_bytes(b"")

    with bench.store.writing(), pytest.raises(SnapshotDamaged):
        bench.store.activate(first)
    assert bench.store.open().id == second


def test_snapshots_are_listed_newest_first_with_the_damaged_ones_said_so(
    bench: Workbench,
) -> None:
    first, second = fill(bench), _second(bench)
    assert [one.id for one in bench.store.snapshots()] == [second, first]
    (bench.store.path / f"snapshots/{second}/manifest.json").write_bytes(b"{}")

    listed = bench.store.snapshots()

    assert [(one.id, bool(one.damage), one.current) for one in listed] == [
        (first, False, False),
        (second, True, True),
    ]


def test_collecting_keeps_the_newest_the_current_and_all_they_need(bench: Workbench) -> None:
    ids = [fill(bench)]
    for turn in range(4):
        bench.write("0.md", f"# Note 0\n\nTurn {turn}.")
        ids.append(str(bench.ingest().snapshot))
    (bench.store.path / "segments" / "tmp-left-over").mkdir()
    with bench.store.writing():
        bench.store.activate(ids[1])
        removed = bench.store.collect(keep=2)

    assert sorted(removed) == sorted([ids[0], ids[2]])
    left = [one.id for one in bench.store.snapshots()]
    assert sorted(left) == sorted([ids[1], ids[3], ids[4]])
    for one in left:
        assert bench.store.open(one).search(Query("subject1", None, 3, Mode.WORDS))
    needed = {ref.id for one in left for ref in bench.store.manifest(one).segments}
    assert {path.name for path in (bench.store.path / "segments").iterdir()} == needed


def test_nothing_that_a_damaged_snapshot_may_need_is_collected(bench: Workbench) -> None:
    first, _ = fill(bench), _second(bench)
    (bench.store.path / f"snapshots/{first}/manifest.json").write_bytes(b"{}")
    before = {path.name for path in (bench.store.path / "segments").iterdir()}
    with bench.store.writing():
        assert bench.store.collect(keep=1) == []

    assert {path.name for path in (bench.store.path / "segments").iterdir()} == before
    assert (bench.store.path / "snapshots" / first).is_dir()


@pytest.mark.parametrize("name", ["ledger.jsonl", "words/meta.json", "manifest.json"])
def test_a_damaged_snapshot_that_is_published_again_is_put_aside_and_mended(
    bench: Workbench, name: str
) -> None:
    first = fill(bench)
    before = (bench.folder / "0.md").read_text()
    _second(bench)
    (bench.store.path / f"snapshots/{first}/{name}").write_bytes(b"garbage")
    bench.write("0.md", before)

    assert bench.ingest().snapshot == first

    assert ask(bench.store, "subject0", Mode.WORDS)[0].chunk.document_id == "0.md"
    (aside,) = (bench.store.path / "quarantine").iterdir()
    assert (aside / name).read_bytes() == b"garbage"
    assert bench.store.ledger(first)


def test_a_damaged_segment_that_is_published_again_is_mended(bench: Workbench) -> None:
    """The same content gives the same segment; the one on disk is not to be trusted blindly."""
    first = fill(bench)
    (segment,) = (bench.store.path / "segments").iterdir()
    shutil.rmtree(bench.store.path / "snapshots")
    (bench.store.path / CURRENT).unlink()
    (segment / "vectors.faiss").write_bytes(b"garbage")

    assert bench.ingest().snapshot == first
    assert ask(bench.store, "subject0")[0].chunk.document_id == "0.md"


def test_a_store_can_be_moved_and_read_from_anywhere(bench: Workbench, tmp_path: Path) -> None:
    fill(bench)
    bench.store.path.rename(tmp_path / "elsewhere 文 #1?")

    assert ask(Store(tmp_path / "elsewhere 文 #1?"), "subject1")[0].chunk.document_id == "1.md"


def test_opening_and_asking_changes_no_byte(published: Workbench) -> None:
    before = dict(tree(published.store.path))
    ask(published.store, "subject1")
    published.store.snapshots()

    assert dict(tree(published.store.path)) == before
