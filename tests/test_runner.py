"""Runs in the cases that are rare and hurt: what they must neither lose, repeat nor die of."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from corpus import roots
from corpus.errors import BadRoot, GuardRefused, RagError
from corpus.store import Store
from corpus.types import Mode, Query
from ingest.pacing import rare_collections
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from tests.conftest import Workbench


def record(identity: str, text: str) -> str:
    return json.dumps({"_id": identity, "text": text}) + "\n"


def test_a_root_that_is_added_while_a_refresh_waits_for_its_turn_is_not_forgotten(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "apples")
    bench.ingest()
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "b.md").write_text("bees")
    real = Store.writing

    @contextmanager
    def late(store: Store) -> Iterator[None]:
        """Somebody else had the lock, took in another folder, and was done in time."""
        monkeypatch.setattr(Store, "writing", real)
        bench.ingest(tmp_path / "wiki")
        with real(store):
            yield

    monkeypatch.setattr(Store, "writing", late)
    bench.write("a.md", "apricots")
    bench.runner.refresh(Options())

    assert [root.name for root in roots.read(bench.store.path)] == ["docs", "wiki"]


def test_a_text_that_stands_in_the_corpus_is_not_embedded_though_a_copy_of_it_was_removed(
    bench: Workbench,
) -> None:
    for count in range(8):
        bench.write(f"{count}.txt", f"About subject{count}.")
    for name in ("a", "b"):
        bench.write(f"same-{name}.txt", "The very same words.")
    for gone in ("a", "b"):
        bench.ingest()
        (bench.folder / f"same-{gone}.txt").unlink()
        bench.ingest()
        bench.write(f"again-{gone}.txt", "The very same words.")
        report = bench.ingest()
        assert (report.added, report.embedded_chunks) == (1, 0)
        (bench.folder / f"again-{gone}.txt").rename(bench.folder / f"same-{gone}.txt")


def test_records_that_leave_a_file_are_guarded_like_files_that_leave_a_folder(
    bench: Workbench,
) -> None:
    """An export that broke off looks like a file that shrank."""
    rows = [record(str(count), f"About subject{count}.") for count in range(40)]
    bench.write("corpus.jsonl", "".join(rows))
    first = bench.ingest().snapshot
    bench.write("corpus.jsonl", "".join(rows[:2]))

    with pytest.raises(GuardRefused, match="38 of 40"):
        bench.ingest()
    assert bench.store.current_id() == first


def test_files_that_became_empty_are_guarded_like_files_that_are_gone(bench: Workbench) -> None:
    """A copy that broke off leaves empty files behind."""
    for count in range(20):
        bench.write(f"{count}.txt", f"About subject{count}.")
    first = bench.ingest().snapshot
    for count in range(15):
        bench.write(f"{count}.txt", "")

    with pytest.raises(GuardRefused, match="15 of 20"):
        bench.ingest()
    assert bench.store.current_id() == first


@pytest.mark.parametrize(
    "names",
    [
        (b"a\xff.txt", b"a\\xff.txt"),  # shown alike
        (b"a.txt", b"A.txt"),
        ("é.txt".encode(), b"e\xcc\x81.txt"),  # composed and decomposed
    ],
)
def test_names_that_look_alike_are_two_documents(
    bench: Workbench, names: tuple[bytes, bytes]
) -> None:
    for number, name in enumerate(names):
        with open(os.fsencode(bench.folder) + b"/" + name, "w") as file:
            file.write(f"About subject{number}.")

    assert bench.ingest().documents == 2


@pytest.mark.parametrize(
    "files",
    [
        ("a.jsonl", "a.ndjson"),
        ("a.jsonl", "b.jsonl", "a/c.jsonl"),
        ("x/corpus.jsonl", "y/corpus.jsonl"),
    ],
)
def test_records_of_one_id_in_several_files_are_several_documents(
    bench: Workbench, files: tuple[str, ...]
) -> None:
    for number, name in enumerate(files):
        bench.write(name, record("1", f"About subject{number}."))

    assert bench.ingest().documents == len(files)


def test_a_record_that_is_named_like_a_file_is_told_and_the_file_stays(bench: Workbench) -> None:
    bench.write("corpus.jsonl", record("readme.md", "taken") + record("2", "About bees."))
    bench.write("readme.md", "# Read me\n\nAbout apples.")

    report = bench.ingest()

    snapshot = bench.store.open()
    assert set(snapshot.documents) == {"readme.md", "2"}
    assert "apples" in snapshot.document("readme.md").text
    assert any("readme.md" in remark.reason for remark in report.remarks)


@pytest.mark.parametrize("length", [300, 5000, 70_000])
def test_a_record_of_any_name_can_be_taken_in_and_taken_out_again(
    bench: Workbench, length: int
) -> None:
    bench.write("corpus.jsonl", record("x" * length, "About long names.") + record("2", "Bees."))
    bench.ingest()
    bench.write("corpus.jsonl", record("2", "Bees."))

    assert bench.ingest().documents == 1
    hits = bench.store.open().search(Query("names", None, 5, Mode.WORDS))
    assert hits == ()


def test_a_setting_that_no_file_is_small_enough_for_is_refused_in_our_own_words(
    bench: Workbench,
) -> None:
    bench.write("a.md", "apples")
    bench.settings = replace(
        bench.settings, ingest=replace(bench.settings.ingest, max_file_mb=1e-9)
    )

    with pytest.raises(RagError, match="no file that can be read"):
        bench.ingest()


def test_a_damaged_journal_is_thrown_away(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "apples")
    bench.ingest()
    for damage in (b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 4000, b""):
        (bench.store.path / "journal.sqlite").write_bytes(damage)
        bench.write("b.md", f"bees {len(damage)}")
        bench.ingest()
    assert not (bench.store.path / "journal.sqlite").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"roots": [{"key": 1}]}', b"\xff"])
def test_a_damaged_list_of_roots_is_told_with_a_way_out(bench: Workbench, damage: bytes) -> None:
    bench.write("a.md", "apples")
    bench.ingest()
    (bench.store.path / "roots.json").write_bytes(damage)
    with pytest.raises(RagError, match=r"roots\.json.*delete it"):
        bench.runner.refresh(Options())

    (bench.store.path / "roots.json").unlink()
    report = bench.ingest()
    assert (report.unchanged, report.embedded_chunks) == (1, 0)


def test_a_run_leaves_the_pace_of_the_garbage_collector_as_it_was(bench: Workbench) -> None:
    before = gc.get_threshold()
    paces = []

    class Watching(Silent):
        def stage(self, name: str, total: int | None, detail: str = "") -> None:
            paces.append(gc.get_threshold())

    bench.write("a.md", "# A\n\nText.")
    Runner(Means(bench.store, bench.settings, bench.encoder, Watching())).ingest(
        [bench.folder], Options()
    )
    with pytest.raises(BadRoot):
        bench.ingest(bench.folder / "gone")

    assert before not in paces
    assert gc.get_threshold() == before


def test_what_a_run_has_made_is_not_looked_through_at_its_end() -> None:
    looked: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        looked.append(phase)

    with rare_collections():
        made = [[number] for number in range(20_000)]
        gc.callbacks.append(note)
    more = [[number] for number in range(10)]
    gc.callbacks.remove(note)

    assert (len(made), len(more), looked) == (20_000, 10, [])
