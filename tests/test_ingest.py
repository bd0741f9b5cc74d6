"""Runs over a real folder into a real store: what a run does, and what it must not."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from corpus import roots
from corpus.errors import (
    BadRoot,
    EmbeddingMismatch,
    GuardRefused,
    NothingToIngest,
    StoreBusy,
    StoreNotWritable,
)
from corpus.runs import Outcome, RunLog
from corpus.types import Mode, Query, Status
from ingest.pipeline import Options
from tests.conftest import WordHashEncoder, Workbench, tree


def documents(bench: Workbench) -> set[str]:
    return set(bench.store.open().documents)


def found(bench: Workbench, text: str) -> list[str]:
    """Documents that word search finds for a text."""
    hits = bench.store.open().search(Query(text, None, 10, Mode.WORDS))
    return [hit.chunk.document_id for hit in hits]


def many(bench: Workbench, number: int) -> None:
    for count in range(number):
        bench.write(f"{count:02}.txt", f"Note {count}\n\nThis is about subject{count}.")


def test_a_folder_becomes_a_snapshot_whose_chunks_are_spans_of_its_documents(
    bench: Workbench,
) -> None:
    bench.write(
        "leave.md", "# Leave\n\nEmployees get 25 days.\n\n## Carry over\n\nFive days move on."
    )
    bench.write("deep/travel.txt", "Travel\n\nBook flights through the desk.")

    report = bench.ingest()

    snapshot = bench.store.open()
    assert (report.added, report.documents, report.failed) == (2, 2, ())
    assert report.snapshot == snapshot.id
    for name in ("leave.md", "deep/travel.txt"):
        document = snapshot.document(name)
        assert document.text == (bench.folder / name).read_text()
        for chunk in snapshot.chunks_of(name):
            assert document.text[chunk.start : chunk.end] == chunk.text
    assert [c.headings for c in snapshot.chunks_of("leave.md")] == [(), ("Carry over",)]


def test_a_second_run_over_an_unchanged_folder_writes_nothing(bench: Workbench) -> None:
    many(bench, 3)
    first = bench.ingest()
    before = dict(tree(bench.store.path))

    second = bench.ingest()

    assert (second.snapshot, second.unchanged, second.added) == (first.snapshot, 3, 0)
    assert bench.encoder.embedded == []
    assert dict(tree(bench.store.path)) == before


def test_a_touched_file_is_unchanged(bench: Workbench) -> None:
    path = bench.write("a.txt", "Something about parsnips.")
    first = bench.ingest()
    os.utime(path, (1_000_000_000, 1_000_000_000))

    second = bench.ingest()

    assert (second.snapshot, second.unchanged, second.changed) == (first.snapshot, 1, 0)


def test_a_refresh_embeds_only_what_changed(bench: Workbench) -> None:
    many(bench, 4)
    bench.ingest()
    bench.write("01.txt", "Note 1\n\nThis is about turnips now.")
    bench.encoder.embedded.clear()

    report = bench.runner.refresh(_options())

    assert (report.changed, report.unchanged, report.embedded_chunks) == (1, 3, 1)
    assert any("turnips" in text for text in bench.encoder.embedded)
    assert found(bench, "turnips") == ["01.txt"]
    assert found(bench, "subject1") == []


def test_a_rename_embeds_nothing_and_moves_the_document(bench: Workbench) -> None:
    many(bench, 3)
    bench.ingest()
    (bench.folder / "01.txt").rename(bench.folder / "renamed.txt")

    report = bench.ingest()

    assert (report.renamed, report.removed, report.added) == (1, 0, 0)
    assert bench.encoder.embedded == []
    assert documents(bench) == {"00.txt", "02.txt", "renamed.txt"}
    assert found(bench, "subject1") == ["renamed.txt"]


def test_a_copy_in_an_earlier_root_takes_the_name_and_the_other_keeps_its_document(
    bench: Workbench, tmp_path: Path
) -> None:
    bench.write("a.txt", "Something about parsnips.")
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.txt").write_text("Everyone gets 27 days of leave.")
    bench.ingest()
    bench.ingest(other)
    assert documents(bench) == {"a.txt", "c.txt"}

    bench.write("c.txt", "Everyone gets 27 days of leave.")
    report = bench.ingest(bench.folder, other)

    assert (report.failed, report.documents) == ((), 3)
    assert documents(bench) == {"a.txt", "c.txt", "other/c.txt"}
    assert set(found(bench, "leave")) == {"c.txt", "other/c.txt"}


def test_a_file_whose_name_a_broken_one_still_has_is_put_off_until_that_can_be_read(
    bench: Workbench, tmp_path: Path
) -> None:
    bench.write("a.txt", "Something about parsnips.")
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.txt").write_text("Everyone gets 27 days of leave.")
    bench.ingest()
    bench.ingest(other)

    bench.write("c.txt", "Turnips are planted in spring.")
    (other / "c.txt").write_bytes(b"\0\1\2" * 50)
    for _ in "ab":
        report = bench.ingest(bench.folder, other)
        assert len(report.failed) == 2
        assert any("put off" in one.reason for one in report.failed)
        assert found(bench, "leave") == ["c.txt"]

    (other / "c.txt").write_text("Everyone gets 30 days of leave.")
    report = bench.ingest(bench.folder, other)

    assert report.failed == ()
    assert found(bench, "turnips") == ["c.txt"]
    assert found(bench, "leave") == ["other/c.txt"]


def test_a_file_of_records_keeps_its_documents_when_it_is_renamed(bench: Workbench) -> None:
    record = '{"id": "leave", "text": "Everyone gets 27 days of leave."}'
    path = bench.write("old.jsonl", record)
    bench.ingest()

    path.rename(bench.folder / "new.jsonl")
    report = bench.ingest()

    assert (report.renamed, report.documents, report.embedded_chunks) == (1, 1, 0)
    assert bench.store.open().document("leave").source == "new.jsonl"


def test_files_that_swap_their_names_swap_their_texts(bench: Workbench) -> None:
    first, second = bench.write("a.txt", "Apples are red."), bench.write("b.txt", "Bees hum.")
    bench.ingest()
    first.rename(bench.folder / "c.txt")
    second.rename(first)
    (bench.folder / "c.txt").rename(second)

    bench.ingest()

    assert bench.encoder.embedded == []
    assert found(bench, "apples") == ["b.txt"]
    assert found(bench, "bees") == ["a.txt"]


def test_what_left_the_folder_leaves_the_corpus(bench: Workbench) -> None:
    many(bench, 3)
    bench.ingest()
    (bench.folder / "02.txt").unlink()

    report = bench.ingest()

    assert report.removed == 1
    assert documents(bench) == {"00.txt", "01.txt"}
    assert found(bench, "subject2") == []


def test_no_prune_keeps_what_is_gone(bench: Workbench) -> None:
    many(bench, 2)
    bench.ingest()
    (bench.folder / "01.txt").unlink()

    bench.ingest(prune=False)

    assert documents(bench) == {"00.txt", "01.txt"}


def test_going_back_and_forth_gives_the_same_ids(bench: Workbench) -> None:
    path = bench.write("a.txt", "The first version.")
    first = bench.ingest().snapshot
    path.write_text("The second version.")
    second = bench.ingest().snapshot
    path.write_text("The first version.")

    assert bench.ingest().snapshot == first != second
    assert found(bench, "first version") == ["a.txt"]


def test_a_fresh_store_over_the_same_folder_has_the_same_id(
    bench: Workbench, tmp_path: Path
) -> None:
    many(bench, 4)
    bench.ingest()
    bench.write("01.txt", "Changed.")
    (bench.folder / "02.txt").unlink()
    grown = bench.ingest().snapshot

    (tmp_path / "other").mkdir()
    other = Workbench(tmp_path / "other")

    assert other.ingest(bench.folder).snapshot == grown


def test_equal_texts_are_embedded_once_and_stay_two_documents(bench: Workbench) -> None:
    bench.write("a.txt", "The very same words.")
    bench.write("b.txt", "The very same words.")

    report = bench.ingest()

    assert (report.documents, report.embedded_chunks, report.reused_chunks) == (2, 1, 1)


def test_many_refreshes_leave_few_segments_and_the_right_documents(bench: Workbench) -> None:
    many(bench, 12)
    bench.ingest()
    for turn in range(20):
        bench.write(f"{turn % 12:02}.txt", f"Version {turn} about gourd{turn}.")
        bench.ingest()

    snapshot = bench.store.open()
    assert len(snapshot.manifest.segments) <= 5
    assert len(snapshot.documents) == 12
    assert found(bench, "gourd19") == ["07.txt"]
    assert found(bench, "gourd3") == []
    assert len(bench.store.snapshots()) <= bench.settings.ingest.keep_snapshots


def test_the_outcomes_add_up_to_the_files_seen(bench: Workbench) -> None:
    bench.write("good.md", "# Good\n\nText.")
    bench.write("empty.txt", "")
    bench.write(".hidden.md", "secret")
    bench.write("picture.png", "no text")
    (bench.folder / "binary.txt").write_bytes(b"\x00\x01\x02\x03" * 100)
    (bench.folder / "out.md").symlink_to("/etc/hostname")

    report = bench.ingest()

    total = report.added + report.empty + report.skipped + len(report.failed)
    assert (report.added, report.empty, report.skipped) == (1, 1, 3)
    assert [failure.path for failure in report.failed] == ["binary.txt"]
    assert total == report.files == len(report.sources) == 6
    ledger = {row.path: row for row in bench.store.ledger(bench.store.require_current())}
    assert ledger["out.md"].reason == "a link that leads outside the folder"
    assert ledger[".hidden.md"].reason == "hidden"
    assert ledger["picture.png"].status is Status.SKIPPED


def test_a_file_that_broke_keeps_its_last_good_version_and_is_tried_again(
    bench: Workbench,
) -> None:
    path = bench.write("a.txt", "About celery.")
    bench.ingest()
    path.write_bytes(b"\x00\x01\x02\x03" * 50)

    broken = bench.ingest()
    path.write_text("About fennel.")
    mended = bench.ingest()

    assert [failure.path for failure in broken.failed] == ["a.txt"]
    assert broken.documents == 1
    assert mended.failed == ()
    assert found(bench, "fennel") == ["a.txt"]


def test_a_file_that_broke_when_its_name_changed_keeps_its_last_good_version(
    bench: Workbench,
) -> None:
    bench.write("a.txt", "About fennel.")
    other = bench.folder.parent / "other"
    other.mkdir()
    path = other / "a.txt"
    path.write_text("About celery.")
    bench.runner.ingest([bench.folder, other], Options())
    [before] = found(bench, "celery")
    bench.runner.remove_root(bench.folder)  # the other one is the only a.txt now
    path.write_bytes(b"\x00\x01\x02\x03" * 50)

    broken = bench.runner.refresh(Options())
    kept = found(bench, "celery")
    path.write_text("About leek.")
    bench.runner.refresh(Options())

    assert ([failure.path for failure in broken.failed], broken.documents) == (["a.txt"], 1)
    assert kept == [before]
    assert found(bench, "leek") == ["a.txt"] != [before]


def test_records_get_the_ids_that_all_roots_together_give_them(bench: Workbench) -> None:
    bench.write("t.jsonl", '{"_id": "k0", "text": "About celery."}')
    other = bench.folder.parent / "other"
    other.mkdir()
    (other / "r.jsonl").write_text('{"_id": "k0", "text": "About fennel."}')
    bench.ingest()
    bench.runner.ingest([other], Options())  # looks at no other root

    bench.runner.refresh(Options())

    assert set(bench.store.open().documents) == {"t.jsonl/k0", "r.jsonl/k0"}
    assert bench.runner.refresh(Options()).unchanged == 2


def test_file_names_with_odd_characters_are_kept_apart_and_can_be_opened(
    bench: Workbench,
) -> None:
    bench.write("with space.txt", "One.")
    bench.write("new\nline.txt", "Two.")
    bench.write("ümlaut 文.txt", "Three.")
    raw = os.fsencode(bench.folder) + b"/bad\xff.txt"
    Path(os.fsdecode(raw)).write_text("Four.")

    report = bench.ingest()

    assert report.documents == 4
    assert documents(bench) == {"with space.txt", "new\nline.txt", "ümlaut 文.txt", "bad\\xff.txt"}


def test_records_are_documents_of_their_own(bench: Workbench) -> None:
    bench.write(
        "corpus.jsonl",
        '{"_id": "4983", "title": "Brains", "text": "About brains."}\n'
        '{"_id": "x", "text": "About knees."}\n',
    )
    bench.ingest()
    bench.write(
        "corpus.jsonl",
        '{"_id": "4983", "title": "Brains", "text": "About brains."}\n'
        '{"_id": "y", "text": "About elbows."}\n',
    )

    report = bench.ingest()

    assert documents(bench) == {"4983", "y"}
    assert report.embedded_chunks == 1


def test_two_roots_with_the_same_paths_keep_both(bench: Workbench, tmp_path: Path) -> None:
    bench.write("readme.md", "# One\n\nApples.")
    other = tmp_path / "wiki"
    other.mkdir()
    (other / "readme.md").write_text("# Two\n\nBees.")

    bench.ingest(bench.folder, other)
    bench.ingest(bench.folder)

    assert documents(bench) == {"readme.md", "wiki/readme.md"}
    bench.runner.remove_root(bench.folder)
    assert documents(bench) == {"wiki/readme.md"}


def test_a_root_that_is_taken_out_by_name_goes_whole_however_large(
    bench: Workbench, tmp_path: Path
) -> None:
    many(bench, 30)
    other = tmp_path / "wiki"
    other.mkdir()
    (other / "a.md").write_text("# A\n\nApples.")
    bench.ingest(bench.folder, other)

    report = bench.runner.remove_root(bench.folder)

    assert report.removed == 30
    assert documents(bench) == {"a.md"}


def test_include_exclude_and_ragignore_leave_out_and_say_so(bench: Workbench) -> None:
    bench.write(".ragignore", "drafts/\n*.tmp.md\n")
    bench.write("keep.md", "kept")
    bench.write("drafts/a.md", "left out")
    bench.write("b.tmp.md", "left out")

    report = bench.ingest()

    skipped = {row.path: row.reason for row in report.sources if row.status is Status.SKIPPED}
    assert documents(bench) == {"keep.md"}
    assert skipped["drafts/"].startswith("excluded by a pattern")
    assert skipped["b.tmp.md"] == "excluded by a pattern"


def test_a_mass_deletion_is_refused_until_it_is_allowed(bench: Workbench) -> None:
    many(bench, 20)
    first = bench.ingest().snapshot
    for count in range(11):
        (bench.folder / f"{count:02}.txt").unlink()

    with pytest.raises(GuardRefused, match=r"11 of 20 documents"):
        bench.ingest()
    assert bench.store.current_id() == first
    assert RunLog(bench.store.path).runs(being_written=False)[0].outcome is Outcome.REFUSED

    assert bench.ingest(max_delete_percent=60).documents == 9


def test_documents_that_are_excluded_now_are_counted_once_by_the_guard(bench: Workbench) -> None:
    many(bench, 20)
    bench.ingest()
    bench.write(".ragignore", "0[0-5].txt\n")

    report = bench.ingest()  # six of twenty go: not more than ten

    assert (report.removed, report.documents) == (6, 14)


def test_an_empty_or_missing_folder_takes_nothing_away(bench: Workbench) -> None:
    many(bench, 3)
    first = bench.ingest().snapshot
    moved = bench.folder.rename(bench.folder.parent / "unmounted")

    with pytest.raises(BadRoot, match="is not there"):
        bench.ingest()
    with pytest.raises(BadRoot, match="not mounted"):
        bench.runner.refresh(_options())
    bench.folder.mkdir()
    with pytest.raises(GuardRefused, match="is empty"):
        bench.runner.refresh(_options())

    assert bench.store.current_id() == first
    assert moved.is_dir()


def test_a_missing_root_does_not_keep_the_others_from_being_refreshed(
    bench: Workbench, tmp_path: Path
) -> None:
    bench.write("a.md", "apples")
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.md").write_text("bees")
    bench.ingest(bench.folder, other)
    (other / "b.md").rename(tmp_path / "b.md")
    other.rmdir()
    bench.write("c.md", "cherries")

    report = bench.runner.refresh(_options())

    assert documents(bench) == {"a.md", "b.md", "c.md"}
    assert [failure.path for failure in report.failed] == [str(other)]


@pytest.mark.parametrize("files", [{}, {"picture.png": "x", ".hidden.txt": "x"}])
def test_a_folder_without_readable_files_is_refused_with_the_formats_named(
    bench: Workbench, files: dict[str, str]
) -> None:
    for name, text in files.items():
        bench.write(name, text)

    with pytest.raises(NothingToIngest, match=r"\.md"):
        bench.ingest()
    assert bench.store.current_id() is None


def test_a_store_of_another_model_is_refused_and_stays_as_it_is(bench: Workbench) -> None:
    bench.write("a.md", "apples")
    bench.ingest()
    before = dict(tree(bench.store.path / "snapshots"))
    bench.encoder = WordHashEncoder("another-model")  # of the same dimension

    with pytest.raises(EmbeddingMismatch, match="another-model"):
        bench.ingest()
    assert dict(tree(bench.store.path / "snapshots")) == before


def test_one_run_at_a_time_and_the_refused_one_is_on_record(bench: Workbench) -> None:
    bench.write("a.md", "apples")
    bench.ingest()

    with bench.store.writing(), pytest.raises(StoreBusy, match=f"process {os.getpid()}"):
        bench.runner.refresh(_options())

    newest = RunLog(bench.store.path).runs(being_written=False)[0]
    assert newest.outcome is Outcome.SKIPPED


@pytest.mark.parametrize("stage", ["embed", "publish"])
def test_an_interrupted_run_leaves_the_old_snapshot_and_the_next_one_resumes(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    bench.write("old.txt", "Old apples.")
    first = bench.ingest().snapshot
    many(bench, 40)
    embedded: list[str] = []

    def interrupt(*_: object) -> None:
        embedded.extend(bench.encoder.embedded)
        raise KeyboardInterrupt

    target = "corpus.build.Build.add" if stage == "embed" else "corpus.build.Build.publish"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(target, interrupt)
        bench.ingest()

    assert embedded
    assert bench.store.current_id() == first
    assert RunLog(bench.store.path).runs(being_written=False)[0].outcome is Outcome.INTERRUPTED
    resumed = bench.ingest()
    assert resumed.documents == 41
    assert not set(bench.encoder.embedded) & {text for text in embedded if "Note" in text}
    assert not list(bench.store.path.rglob("tmp-*"))


def test_a_dry_run_tells_the_plan_and_writes_nothing(bench: Workbench) -> None:
    many(bench, 3)
    preview = bench.runner.preview([bench.folder], _options())
    assert (preview.added, preview.dry_run, preview.snapshot) == (3, True, None)
    assert not bench.store.path.exists()

    bench.ingest()
    before = dict(tree(bench.store.path))
    bench.write("01.txt", "Changed.")
    (bench.folder / "02.txt").rename(bench.folder / "moved.txt")
    preview = bench.runner.preview(None, _options())

    assert (preview.changed, preview.renamed, preview.unchanged) == (1, 1, 1)
    assert dict(tree(bench.store.path)) == before


def test_a_dry_run_names_every_source_by_what_would_become_of_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("same", "changed", "gone", "before"):
        bench.write(f"{name}.txt", f"All about {name}.")
    bench.write("broken.txt", "All about broken.")
    bench.write("picture.png", "x")
    bench.ingest()
    bench.write("new.txt", "News.")
    bench.write("changed.txt", "All about change.")
    (bench.folder / "gone.txt").unlink()
    (bench.folder / "before.txt").rename(bench.folder / "after.txt")
    bench.write("locked.txt", "Nobody can read this.")
    bench.write("broken.txt", "All about what broke.")
    _forbid({"locked.txt", "broken.txt"}, monkeypatch)

    preview = bench.runner.preview(None, _options())

    plan = preview.plan
    assert plan is not None
    assert (plan.added, plan.changed) == (("new.txt",), ("changed.txt",))
    assert [(one.before, one.now) for one in plan.renamed] == [("before.txt", "after.txt")]
    assert (plan.removed, plan.unchanged) == (("gone.txt",), ("same.txt",))
    assert [one.path for one in plan.unreadable] == ["broken.txt", "locked.txt"]
    assert {one.reason for one in plan.unreadable} == {"cannot be opened: Permission denied"}
    counts = (preview.added, preview.changed, preview.renamed, preview.removed, preview.unchanged)
    assert (counts, len(preview.failed)) == ((1, 1, 1, 1, 1), 2)
    assert preview.to_json()["plan"]["renamed"] == ({"before": "before.txt", "now": "after.txt"},)
    done = bench.ingest()
    assert counts == (done.added, done.changed, done.renamed, done.removed, done.unchanged)
    assert {one.path for one in done.failed} == {"broken.txt", "locked.txt"}
    assert {"plan", "estimate"}.isdisjoint(done.to_json())


def _forbid(names: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system refuse these files, as it refuses nothing to root."""
    real = os.open

    def refusing(path: os.PathLike[str] | str, *arguments: int, **others: int) -> int:
        if os.path.basename(path) in names:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **others)

    monkeypatch.setattr(os, "open", refusing)


def test_the_estimated_time_of_a_first_run_says_that_it_is_assumed(bench: Workbench) -> None:
    many(bench, 30)

    estimate = bench.runner.preview([bench.folder], _options()).estimate

    assert estimate is not None
    assert "assumed" in estimate.basis
    assert estimate.read_bytes == sum(one.stat().st_size for one in bench.folder.iterdir())
    assert estimate.embedded_chunks >= 30
    assert 0 < estimate.seconds < 60


def test_the_estimated_time_follows_what_runs_took_here(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.encoder.encode_documents

    def slowly(texts: list[str]) -> object:
        time.sleep(0.005 * len(texts))
        return real(texts)

    monkeypatch.setattr(bench.encoder, "encode_documents", slowly)

    def write(numbers: Iterable[int]) -> None:
        for number in numbers:
            words = " ".join(f"word{number}x{n}" for n in range(300))
            bench.write(f"{number}.txt", words)

    write(range(40))
    bench.ingest()
    write(range(100, 140))

    estimate = bench.runner.preview(None, _options()).estimate
    report = bench.ingest()

    assert estimate is not None
    assert estimate.basis.endswith("as in the last run")
    assert report.embedded_chunks <= estimate.embedded_chunks < 2 * report.embedded_chunks
    assert estimate.seconds > 0.005 * report.embedded_chunks


def test_a_run_that_reads_nothing_is_estimated_to_take_no_time(bench: Workbench) -> None:
    many(bench, 3)
    bench.ingest()

    estimate = bench.runner.preview(None, _options()).estimate

    assert estimate is not None
    assert (estimate.seconds, estimate.read_bytes, estimate.embedded_chunks) == (0, 0, 0)


def test_what_was_renamed_is_not_counted_as_to_be_embedded(bench: Workbench) -> None:
    many(bench, 20)
    bench.ingest()
    bench.folder.rename(bench.folder.with_name("aside"))
    bench.folder.mkdir()
    bench.folder.with_name("aside").rename(bench.folder / "deeper")

    estimate = bench.runner.preview(None, _options()).estimate

    assert estimate is not None
    assert estimate.read_bytes > 0
    assert estimate.embedded_chunks == 0


def test_a_file_that_changes_while_it_is_read_is_never_taken_in_torn(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.write("a.txt", "Version one.")
    real: Callable[..., os.stat_result] = os.fstat
    calls = iter(range(100))

    def rewriting(descriptor: int) -> os.stat_result:
        if next(calls) == 1:  # between the two looks at the first reading
            path.write_text("Version two, longer.")
        return real(descriptor)

    monkeypatch.setattr("ingest.reading.os.fstat", rewriting)
    bench.ingest()

    assert bench.store.open().document("a.txt").text == "Version two, longer."


def _options() -> object:
    from ingest.pipeline import Options

    return Options()


def test_only_a_run_over_all_roots_does_for_a_scheduled_one(
    bench: Workbench, tmp_path: Path
) -> None:
    log = RunLog(bench.store.path)
    bench.write("a.txt", "Apples.")
    bench.ingest()
    after_one_root = log.began_last()
    assert after_one_root > 0
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "b.txt").write_text("Bees.")

    bench.ingest(tmp_path / "wiki")
    assert log.began_last() == pytest.approx(after_one_root, rel=0, abs=0.001)
    bench.runner.refresh(_options())
    assert log.began_last() > after_one_root


def test_a_document_that_moves_to_another_root_is_found_after_every_refresh(
    bench: Workbench, tmp_path: Path
) -> None:
    other = tmp_path / "two"
    other.mkdir()
    bench.write("b.txt", "The tree is green.")
    path = bench.write("a.txt", "The flower is blue.")
    bench.ingest()
    path.rename(other / "a.txt")
    bench.ingest(other)

    bench.runner.refresh(Options())

    texts = {bench.store.open().document(one).text for one in bench.store.open().documents}
    assert texts == {"The flower is blue.", "The tree is green."}
    assert bench.runner.refresh(Options()).unchanged == 2


def test_an_emptied_file_leaves_no_document_behind(bench: Workbench) -> None:
    bench.write("a.txt", "The flower is blue.")
    bench.ingest()
    bench.write("a.txt", "")

    report = bench.ingest()

    assert (report.documents, report.empty) == (0, 1)
    assert bench.store.open().documents == {}


def test_a_root_that_was_emptied_does_not_keep_the_others_from_being_refreshed(
    bench: Workbench, tmp_path: Path
) -> None:
    other = tmp_path / "two"
    other.mkdir()
    (other / "b.txt").write_text("The tree is green.")
    bench.write("a.txt", "The flower is blue.")
    bench.ingest(bench.folder, other)
    (other / "b.txt").unlink()
    bench.runner.refresh(Options(max_delete_percent=100))
    bench.write("a.txt", "The flower is red.")

    assert bench.runner.refresh(Options()).changed == 1


def test_what_a_removed_root_held_does_not_come_back(bench: Workbench, tmp_path: Path) -> None:
    for name in ("two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(f"The secret of {name}.")
    bench.write("a.txt", "The flower is blue.")
    bench.ingest(bench.folder, tmp_path / "two")
    before = bench.store.require_current()
    bench.runner.remove_root(tmp_path / "two")
    with bench.store.changing():
        bench.store.activate(before)

    bench.ingest(tmp_path / "three")

    assert bench.store.open().documents.keys() == {"a.txt", "three.txt"}
    assert len({root.key for root in roots.read(bench.store.path)} | {2}) == 3, "2 was two's"


def test_changed_bytes_of_the_list_of_roots_are_noticed(bench: Workbench) -> None:
    bench.write("a.txt", "The flower is blue.")
    bench.ingest()
    path = bench.store.path / roots.NAME
    path.write_text(path.read_text().replace("/docs", "/dots"))

    with pytest.raises(StoreNotWritable, match="fails its own checksum"):
        bench.runner.refresh(Options())


def test_damage_that_a_run_meets_on_its_way_is_put_aside_and_the_run_goes_on(
    bench: Workbench,
) -> None:
    for number in range(5):
        bench.write(f"{number}.txt", f"The number {number}.")
    bench.ingest()
    (catalogue,) = bench.store.path.glob("segments/*/catalogue.sqlite")
    stamps = catalogue.stat()
    catalogue.write_bytes(catalogue.read_bytes()[:-1] + b"x")
    os.utime(catalogue, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))  # as bytes rot
    bench.write("0.txt", "Another number.")

    bench.ingest()

    assert len(bench.store.open().documents) == 5
    assert bench.store.open().document("0.txt").text == "Another number."
    assert any(bench.store.path.glob("quarantine/*"))
