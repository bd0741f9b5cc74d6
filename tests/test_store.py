"""The store: a snapshot is whole or it is refused, and what fails leaves the last good one."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import collecting, recovery, tags
from corpus.errors import (
    BadRequest,
    CorpusError,
    NoSnapshot,
    RagError,
    SnapshotDamaged,
    StoreNotWritable,
    TagsDamaged,
    UnknownDocument,
    UnknownFormat,
    UnknownSnapshot,
)
from corpus.files import record_of
from corpus.manifest import Manifest
from corpus.store import CURRENT, Store
from corpus.types import Hit, Mode, Query
from corpus.verifying import Verifier
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


def test_a_hit_has_the_scores_of_the_searches_that_found_it(published: Workbench) -> None:
    question = "this came later, about subject2"
    dense, words = (
        {hit.chunk.id: hit.scores for hit in ask(published.store, question, mode)}
        for mode in (Mode.DENSE, Mode.WORDS)
    )
    hits = ask(published.store, question)

    assert {hit.chunk.id for hit in hits} == dense.keys() | words.keys()
    for hit in hits:
        near, told = dense.get(hit.chunk.id), words.get(hit.chunk.id)
        assert (hit.scores.dense, hit.scores.whole) == (near and near.dense, near and near.whole)
        assert hit.scores.words == (told and told.words)
        assert hit.score == hit.scores.fused


def test_a_chunk_that_is_found_is_what_its_document_says_to_the_character(
    bench: Workbench,
) -> None:
    odd = 'quote " slash \\ tab\t del\x7f bell\x07 sep\u2028 face \U0001f600 e\u0301 [1] {}'
    heading = 'Of "quotes" \\ and \U0001f600'
    bench.write("odd.md", f"# Odd\n\n## {heading}\n\nsubject9 {odd}\n")
    bench.ingest()
    snapshot = bench.store.open()
    [chunk] = snapshot.chunks_of("odd.md")
    text = snapshot.document("odd.md").text

    assert [hit.chunk for hit in ask(bench.store, "subject9")] == [chunk]
    assert chunk.text == text[chunk.start : chunk.end]
    assert chunk.headings == (heading,)
    assert "\U0001f600" in chunk.text
    assert '"' in chunk.text
    assert "\\" in chunk.text


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
    with pytest.raises(UnknownDocument, match=r"3\.md"):
        snapshot.span("3.md", 0, 1)


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
        for start in range(0, len(text), 7):
            assert snapshot.span(name, start, start + 11) == text[start : start + 11]


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
    monkeypatch.setattr("ingest.seen.SETTLED_NS", -(10**12))  # so that it has something to save
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


# --- whoever writes puts aside what is damaged ---------------------------------------------------


def _rot(path: Path) -> None:
    """Change a byte and leave no trace."""
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _aside(store: Store) -> set[str]:
    folder = store.path / "quarantine"
    return {path.name.rpartition("-")[0] for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("damage", _damages().values(), ids=_damages())
def test_a_run_over_a_damaged_current_snapshot_puts_it_aside_and_does_its_work(
    published: Workbench, tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(damage)
    current = published.store.require_current()
    names = files_of(published.store, current)
    # Each file in one way, and some of them in every way.
    every = 1 if getattr(damage, "__name__", "") == "cut" else 6
    for number, name in enumerate(names[::every]):
        bench = _copy_of(published, tmp_path / str(number))
        damage(bench.store.path / name)
        caplog.clear()

        report = bench.ingest(published.folder)

        assert report.documents == 5
        assert bench.store.open().id == report.snapshot == current
        assert ask(bench.store, "subject3", Mode.WORDS)[0].chunk.document_id == "3.md"
        assert current in _aside(bench.store), name
        assert current in caplog.text
        assert "quarantine" in caplog.text


def _copy_of(bench: Workbench, root: Path) -> Workbench:
    """A copy of a store, its files as old as they were."""
    root.mkdir()
    copy = Workbench(root)
    shutil.copytree(bench.store.path, copy.store.path)
    return copy


@pytest.mark.parametrize("pointer", [b"", b"../x", b"0123456789abcdef", None])
def test_a_run_over_a_pointer_that_is_garbage_or_gone_goes_on_from_the_newest(
    bench: Workbench, pointer: bytes | None
) -> None:
    fill(bench)
    second = _second(bench)
    (bench.store.path / CURRENT).unlink()
    if pointer is not None:
        (bench.store.path / CURRENT).write_bytes(pointer)

    report = bench.ingest()

    assert (report.snapshot, report.unchanged, report.embedded_chunks) == (second, 3, 0)
    assert bench.store.current_id() == second


def test_damage_that_snapshots_share_has_everything_made_anew_and_nothing_deleted(
    bench: Workbench,
) -> None:
    fill(bench)
    _second(bench)
    shared = bench.store.manifest(bench.store.require_current()).segments[0].id
    path = bench.store.path / "segments" / shared / "texts.sqlite"
    damaged = path.read_bytes()[:-1]
    path.write_bytes(damaged)
    before = set(bench.store.ids())

    report = bench.ingest()

    assert (report.documents, bench.store.open().id) == (3, report.snapshot)
    assert ask(bench.store, "turnips")[0].chunk.document_id == "0.md"
    assert shared in _aside(bench.store)
    held = [one.read_bytes() for one in (bench.store.path / "quarantine").rglob("texts.sqlite")]
    assert damaged in held
    left = {one for one in before if one in bench.store.ids() or one in _aside(bench.store)}
    assert left == before


def test_what_rotted_without_a_trace_is_found_by_a_repair(bench: Workbench) -> None:
    first, second = fill(bench), _second(bench)
    _rot(bench.store.path / f"snapshots/{second}/ledger.jsonl")
    with bench.store.writing():
        assert bench.store.current_id() == second, "nothing shows"
        done = recovery.repair(bench.store)

    assert (done.current, done.put_aside) == (first, (f"snapshots/{second}",))
    assert bench.store.open().id == first
    assert bench.ingest().snapshot == second


def test_a_repair_leaves_a_sound_current_snapshot_and_puts_the_others_aside(
    bench: Workbench,
) -> None:
    first, second = fill(bench), _second(bench)
    with bench.store.writing():
        bench.store.activate(first)
    _rot(bench.store.path / f"snapshots/{second}/manifest.json")
    with bench.store.writing():
        done = recovery.repair(bench.store)

    assert (done.current, done.put_aside, done.problem) == (first, (f"snapshots/{second}",), "")
    assert bench.store.current_id() == first


def test_a_repair_of_a_sound_store_changes_no_byte(published: Workbench) -> None:
    before = dict(tree(published.store.path))
    with published.store.writing():
        recovery.repair(published.store)

    assert dict(tree(published.store.path)) == before


def test_what_cannot_be_read_for_now_is_not_put_aside(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench)
    second = _second(bench)
    path = bench.store.path / f"snapshots/{second}/words/meta.json"
    os.utime(path)

    def refused(_: Path) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("corpus.verifying.record_of", refused)
        with pytest.raises(SnapshotDamaged, match="Too many open files"):
            bench.ingest()

    assert _aside(bench.store) == set()
    assert bench.ingest().snapshot == second


def test_a_snapshot_of_another_version_is_refused_and_left_where_it_is(bench: Workbench) -> None:
    fill(bench)
    second = _second(bench)
    path = bench.store.path / f"snapshots/{second}/manifest.json"
    manifest = Manifest.from_bytes(path.read_bytes())
    path.write_bytes(replace(manifest, format=99).to_bytes())
    before = dict(tree(bench.store.path))

    with pytest.raises(UnknownFormat, match="format 99"):
        bench.ingest()
    with pytest.raises(UnknownFormat):
        recovery.first_usable(bench.store, bench.store.open)
    with bench.store.writing(recovers=False):
        recovery.repair(bench.store)

    after = dict(tree(bench.store.path))
    assert {name: after[name] for name in before if name != "runs.jsonl"} == {
        name: data for name, data in before.items() if name != "runs.jsonl"
    }
    assert _aside(bench.store) == set()


def test_a_crash_while_it_is_put_aside_leaves_the_sound_one_current(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fill(bench), _second(bench)
    (bench.store.path / f"snapshots/{second}/words/meta.json").unlink()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "quarantine", crash)
        with pytest.raises(KeyboardInterrupt), bench.store.writing():
            pass

    assert bench.store.open().id == first
    assert bench.ingest().snapshot == second


def test_what_is_put_aside_twice_is_kept_twice(bench: Workbench) -> None:
    for number in range(3):
        folder = bench.store.path / "snapshots" / "same"
        folder.mkdir(parents=True)
        (folder / "n").write_text(str(number))
        bench.store.quarantine(folder)
        if number == 1:  # somebody tidied up in between
            shutil.rmtree(bench.store.path / "quarantine" / "same-0")

    held = bench.store.path / "quarantine"
    assert sorted((one / "n").read_text() for one in held.iterdir()) == ["1", "2"]


def test_every_damaged_file_is_named_and_a_shared_one_is_read_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fill(bench), _second(bench)
    (bench.store.path / f"snapshots/{second}/words/meta.json").unlink()
    (bench.store.path / f"snapshots/{second}/ledger.jsonl").write_bytes(b"x")
    read = list[tuple[int, int]]()

    def counted(path: Path) -> object:
        read.append((path.stat().st_dev, path.stat().st_ino))
        return record_of(path)

    monkeypatch.setattr("corpus.verifying.record_of", counted)
    verifier = Verifier(bench.store.path)

    assert [str(one) for one in verifier.damage(second)][1:] == [
        f"snapshots/{second}/words/meta.json is missing"
    ]
    assert "1 bytes" in str(verifier.damage(second)[0])
    assert verifier.damage(first) == ()
    assert len(read) == len(set(read))


# --- tags, and what may go -----------------------------------------------------------------------


def _tag(store: Store, name: str, snapshot_id: str) -> None:
    with store.writing():
        tags.add(store.path, name, snapshot_id)


def test_a_tagged_snapshot_is_kept_and_one_whose_tag_is_gone_is_not(bench: Workbench) -> None:
    first, second = fill(bench), _second(bench)
    bench.write("0.md", "# Note 0\n\nThird.")
    bench.ingest()
    _tag(bench.store, "keep-me.1", first)
    with bench.store.writing():
        assert bench.store.collect(keep=1) == [second]
    assert ask(Store(bench.store.path), "subject1")
    assert bench.store.open("".join(bench.store.resolve("keep-me.1"))).id == first
    assert [one.tags for one in bench.store.snapshots()] == [(), ("keep-me.1",)]

    with bench.store.writing():
        assert tags.remove(bench.store.path, "keep-me.1") == first
        assert bench.store.collect(keep=1) == [first]


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b'{"tags": {}, "sha256": "x"}', b"\xff"])
def test_while_the_tags_cannot_be_read_nothing_is_collected(
    bench: Workbench, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = fill(bench), _second(bench)
    _tag(bench.store, "v1", first)
    path = bench.store.path / tags.NAME
    path.write_bytes(data)

    with bench.store.writing():
        assert bench.store.collect(keep=1) == []
    assert "no snapshot was removed" in caplog.text
    with pytest.raises(TagsDamaged, match="rag snapshots tag"):
        bench.store.resolve("v1")
    with pytest.raises(TagsDamaged), bench.store.writing():
        tags.add(bench.store.path, "v2", first)
    assert path.read_bytes() == data
    assert bench.store.resolve(first) == first
    assert len(bench.store.snapshots()) == 2
    bench.write("1.md", "# Note 1\n\nAnother.")
    assert bench.ingest().changed == 1, "a run goes on"


def test_no_byte_of_the_tags_can_change_unseen(bench: Workbench) -> None:
    _tag(bench.store, "v1", fill(bench))
    path = bench.store.path / tags.NAME
    data = path.read_bytes()
    told = json.loads(data)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x11
        path.write_bytes(changed)
        try:
            assert tags.read(bench.store.path) == told["tags"]  # a change of white space
        except TagsDamaged:
            continue


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a b", "a/b", "ü", "x" * 65, "deadbeef", "0" * 20, "a\n"]
)
def test_a_name_that_cannot_be_a_tag_is_refused(bench: Workbench, name: str) -> None:
    first = fill(bench)
    with pytest.raises(BadRequest, match="cannot be a tag"), bench.store.writing():
        tags.add(bench.store.path, name, first)
    assert bench.store.tags() == {}


def test_a_tag_of_a_snapshot_that_is_gone_says_so(bench: Workbench) -> None:
    first = fill(bench)
    _second(bench)
    _tag(bench.store, "v1", first)
    shutil.rmtree(bench.store.path / "snapshots" / first)

    with pytest.raises(UnknownSnapshot, match=f"'v1' is of snapshot {first}, which is gone"):
        bench.store.resolve("v1")


def test_the_beginning_of_an_id_is_enough_where_it_is_only_one(bench: Workbench) -> None:
    first = fill(bench)
    twin = f"{first[:10]}{'f' * 10}"
    assert bench.store.resolve(first[:8]) == first
    (bench.store.path / "snapshots" / twin).mkdir()

    with pytest.raises(UnknownSnapshot, match=f"(?=.*{first})(?=.*{twin})"):
        bench.store.resolve(first[:8])
    assert bench.store.resolve(first[:11]) == first


def test_what_would_go_is_what_goes_and_frees_as_many_bytes(bench: Workbench) -> None:
    fill(bench)
    for turn in range(4):
        bench.write("0.md", f"# Note 0\n\nTurn {turn} with some more words than before.")
        bench.ingest()
    left_over = bench.store.path / "segments" / "tmp-1-x"
    left_over.mkdir()
    (left_over / "a").write_bytes(bytes(1000))

    def bytes_held() -> int:
        files = {
            path.stat().st_ino: path.stat().st_size
            for folder in ("snapshots", "segments")
            for path in (bench.store.path / folder).rglob("*")
            if path.is_file()
        }
        return sum(files.values())

    before = bytes_held()
    with bench.store.writing():
        found = collecting.find(bench.store, 2)
        assert bytes_held() == before
        assert len(found.snapshots) == 3
        assert sorted(bench.store.remove(found)) == sorted(found.snapshots)

    assert bytes_held() == before - found.size
    for one in bench.store.ids():
        assert bench.store.open(one)


def test_segments_that_something_put_aside_needs_are_kept(bench: Workbench) -> None:
    first = fill(bench)
    needed = {ref.id for ref in bench.store.manifest(first).segments}
    bench.store.quarantine(bench.store.path / "snapshots" / first)
    bench.store.forget_current()
    bench.write("0.md", "# Note 0\n\nThis is about turnips.")
    bench.ingest()
    with bench.store.writing():
        bench.store.collect(keep=1)

    assert needed <= set(bench.store.segment_ids())


def test_what_a_killed_removal_left_does_not_keep_the_next_from_its_work(bench: Workbench) -> None:
    first, _ = fill(bench), _second(bench)
    left = bench.store.path / "snapshots" / f"tmp-{first}"
    left.mkdir()
    (left / "x").write_text("x")
    with bench.store.writing():
        assert bench.store.collect(keep=1) == [first]

    assert not left.exists()
    assert first not in bench.store.ids()


def test_a_pointer_that_cannot_be_read_for_a_moment_is_not_taken_for_damage(
    published: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, before = published.store, published.store.require_current()
    read_text = Path.read_text

    def failing(path: Path, *args: Any, **options: Any) -> str:
        if path.name == "CURRENT":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", failing)
    with pytest.raises(SnapshotDamaged, match="Input/output error"), store.writing():
        pytest.fail("nothing may be written now")
    monkeypatch.undo()

    assert store.require_current() == before
    assert not (store.path / "quarantine").exists()


def test_what_a_first_run_left_that_did_not_end_well_was_never_published(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "# A\n\nText.")

    def failing(*_: object) -> None:
        raise StoreNotWritable("the disk refuses")

    monkeypatch.setattr(Store, "set_current", failing)
    with pytest.raises(StoreNotWritable):
        bench.ingest()
    monkeypatch.undo()
    assert bench.store.ids(), "the snapshot has its name already"

    with pytest.raises(NoSnapshot):
        recovery.first_usable(bench.store, str)
    bench.write("a.md", "# A\n\nAnother text.")
    bench.ingest()

    assert "Another" in bench.store.open().document("a.md").text
