"""What is known of documents besides their text: sidecars and paths, through real runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corpus.errors import SettingsError
from corpus.settings import load
from corpus.types import Mode, Query, Status
from ingest.pipeline import Options
from ingest.report import Report
from ingest.versions import reading_settings
from rag.filters.parser import parse
from tests.conftest import Workbench


def refresh(bench: Workbench) -> Report:
    bench.encoder.embedded.clear()
    return bench.runner.refresh(Options())


def metadata(bench: Workbench, name: str = "leave.md") -> dict[str, str]:
    return dict(bench.store.open().document(name).metadata)


def beside(bench: Workbench, value: object, name: str = "leave.md") -> Path:
    return bench.write(f"{name}.meta.json", json.dumps(value))


def reasons(report: Report) -> dict[str, str]:
    return {row.path: row.reason for row in report.sources}


def found(bench: Workbench, where: str) -> set[str]:
    query = Query("leave travel", None, 10, Mode.WORDS, where=parse(where).where)
    return {hit.chunk.document_id for hit in bench.store.open().search(query)}


@pytest.fixture
def two(bench: Workbench) -> Workbench:
    bench.write("leave.md", "---\nlang: en\ndate: 2024-03-01\n---\n\n# Leave\n\nAbout leave.")
    bench.write("travel.md", "# Travel\n\nAbout travel.")
    bench.ingest()
    return bench


def test_a_sidecar_lives_as_a_part_of_its_file(two: Workbench) -> None:
    before = two.store.open()
    assert before.document("leave.md").metadata == {"lang": "en", "date": "2024-03-01"}

    sidecar = beside(
        two, {"Team": "HR", "LANG": "de", "pages": 12, "draft": False, "tags": ["a", 2]}
    )
    added = refresh(two)

    assert (added.changed, added.unchanged, added.skipped, added.failed) == (1, 1, 1, ())
    assert two.encoder.embedded == [], "its text is the same"
    assert metadata(two) == {
        "date": "2024-03-01",
        "Team": "HR",
        "LANG": "de",
        "pages": "12",
        "draft": "false",
        "tags": "a, 2",
    }
    assert reasons(added)["leave.md.meta.json"] == "metadata of leave.md"
    assert set(two.store.open().documents) == {"leave.md", "travel.md"}
    assert found(two, "team = hr and lang = de and pages > 9 and tags = a") == {"leave.md"}
    assert found(two, "draft != false") == {"travel.md"}

    again = refresh(two)
    assert (again.snapshot, again.unchanged) == (added.snapshot, 2)

    beside(two, {"team": "Finance"})
    changed = refresh(two)
    assert (changed.changed, changed.unchanged) == (1, 1)
    assert metadata(two) == {"lang": "en", "date": "2024-03-01", "team": "Finance"}

    sidecar.write_text('{"team": "Finance",}')
    broken = refresh(two)
    assert (broken.changed, broken.failed) == (1, ())
    assert metadata(two) == {"lang": "en", "date": "2024-03-01"}
    assert [one.path for one in broken.remarks] == ["leave.md"]
    assert broken.remarks[0].reason.startswith("leave.md.meta.json was left out: not JSON (")
    assert refresh(two).snapshot == broken.snapshot

    sidecar.unlink()
    removed = refresh(two)
    assert (removed.changed, removed.remarks) == (1, ())
    assert removed.snapshot == before.id, "all is as it was"
    assert two.encoder.embedded == []


def test_the_same_content_is_the_same_snapshot_whenever_it_was_written(
    two: Workbench, tmp_path: Path
) -> None:
    beside(two, {"team": "HR"})
    report = refresh(two)
    for path in two.folder.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (tmp_path / "other").mkdir()
    other = Workbench(tmp_path / "other")
    for path in two.folder.iterdir():
        other.write(path.name, path.read_text())

    assert refresh(two).snapshot == report.snapshot
    assert refresh(two).changed == 0
    assert other.ingest().snapshot == report.snapshot


def test_a_file_that_moves_with_its_sidecar_is_renamed(two: Workbench) -> None:
    beside(two, {"team": "HR"})
    refresh(two)
    for name in ("leave.md", "leave.md.meta.json"):
        (two.folder / name).rename(two.folder / f"new-{name}")

    report = refresh(two)

    assert (report.renamed, report.added, report.removed) == (1, 0, 0)
    assert metadata(two, "new-leave.md")["team"] == "HR"
    assert two.encoder.embedded == []


def test_a_sidecar_can_state_the_title(two: Workbench) -> None:
    beside(two, {"title": "Holidays"})

    refresh(two)

    assert two.store.open().document("leave.md").title == "Holidays"
    assert "title" not in metadata(two)
    assert any("Holidays" in text for text in two.encoder.embedded)
    assert found(two, "title = holidays") == {"leave.md"}


def test_a_sidecar_is_about_every_record_of_its_file(bench: Workbench) -> None:
    bench.write(
        "all.jsonl", '{"_id": "a", "text": "leave", "year": 2023}\n{"_id": "b", "text": "leave"}'
    )
    beside(bench, {"year": 2024, "title": "All"}, "all.jsonl")

    bench.ingest()

    assert metadata(bench, "a") == metadata(bench, "b") == {"year": "2024", "title": "All"}
    assert bench.store.open().document("a").title == "a"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "it is not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b'{"a": null}', "the field 'a' is neither a string"),
        (b'{"a": {"b": 1}}', "the field 'a' is neither a string"),
        (b'{"a": [["b"]]}', "the field 'a' is neither a string"),
        (b'{"a": NaN}', "NaN, which is no number"),
        (b'{"a": 1, "a": 2}', "the field 'a' stands twice"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"": 1}', "has no name"),
        (b'{"\\ud800": 1}', "has no name"),
        (b'{"a": %s}' % (b"9" * 5000), "nested or long too far"),
        (b"[" * 30_000, "nested or long too far"),
        (b'{"a": "%s"}' % (b"x" * 1001), "has 1001 characters, 1000 are taken"),
        (json.dumps(dict.fromkeys(map(str, range(101)), 1)).encode(), "101 fields, 100 are taken"),
        (b" " * 70_000, "it has 70000 bytes, 65536 are taken"),
    ],
)
def test_a_sidecar_that_is_wrong_is_a_remark_and_the_file_is_taken_in(
    two: Workbench, data: bytes, why: str
) -> None:
    (two.folder / "leave.md.meta.json").write_bytes(data)

    report = refresh(two)

    assert (report.changed, report.failed) == (1, ())
    assert why in reasons(report)["leave.md"]
    assert "leave.md.meta.json was left out" in reasons(report)["leave.md"]
    assert metadata(two) == {"lang": "en", "date": "2024-03-01"}
    assert refresh(two).unchanged == 2


def test_a_sidecar_that_cannot_be_read_is_a_remark_until_it_can(two: Workbench) -> None:
    secret = beside(two, {"team": "HR"})
    outside = two.folder.parent / "outside.json"
    secret.rename(outside)
    secret.symlink_to(outside)

    report = refresh(two)

    assert metadata(two) == {"lang": "en", "date": "2024-03-01"}
    assert reasons(report)["leave.md.meta.json"] == "a link that leads outside the folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_sidecar_without_permission_is_a_remark(two: Workbench) -> None:
    beside(two, {"team": "HR"}).chmod(0)

    report = refresh(two)

    assert "cannot be opened" in reasons(report)["leave.md"]
    assert refresh(two).unchanged == 2


def test_a_sidecar_without_its_file_is_skipped_and_says_so(two: Workbench) -> None:
    beside(two, {"a": 1}, "gone.md")
    beside(two, {"a": 1}, "picture.png")
    (two.folder / "picture.png").write_bytes(b"x")

    report = refresh(two)

    skipped = {row.path: row.reason for row in report.sources if row.status is Status.SKIPPED}
    assert skipped == {
        "gone.md.meta.json": "metadata of gone.md, which is not taken in",
        "picture.png": "no reader for .png files",
        "picture.png.meta.json": "metadata of picture.png, which is not taken in",
    }


def test_included_patterns_include_sidecars_and_excluded_ones_exclude_them(
    bench: Workbench,
) -> None:
    bench.write("leave.md", "About leave.")
    beside(bench, {"team": "HR"})
    bench.settings = load({}, {"store": bench.store.path, "ingest": {"include": ["*.md"]}})
    bench.ingest()
    assert metadata(bench) == {"team": "HR"}

    bench.settings = load({}, {"store": bench.store.path, "ingest": {"exclude": ["*.json"]}})
    bench.ingest()
    assert metadata(bench) == {}


def test_a_single_file_has_its_sidecar_too(bench: Workbench) -> None:
    path = bench.write("leave.md", "About leave.")
    beside(bench, {"team": "HR"})

    report = bench.ingest(path)

    assert (report.added, report.skipped) == (1, 1)
    assert metadata(bench) == {"team": "HR"}


def test_names_are_taken_from_paths_and_nearer_ones_win(bench: Workbench) -> None:
    bench.write("hr/2023/leave.md", "---\nYear: 2024\n---\n\nAbout leave.")
    bench.write("it/2022/travel.md", "About travel.")
    bench.write("posts/2021-05-01-travel.md", "About travel.")
    beside(bench, {"TEAM": "Finance"}, "hr/2023/leave.md")
    bench.ingest()
    without = bench.store.open().id
    patterns = ["posts/{date}-travel.md", "{team}/{year}/**"]
    bench.settings = load({}, {"store": bench.store.path, "ingest": {"path_metadata": patterns}})

    report = bench.ingest()

    assert report.changed == 3, "how documents are read has changed"
    assert bench.encoder.embedded == []
    assert metadata(bench, "hr/2023/leave.md") == {"Year": "2024", "TEAM": "Finance"}
    assert metadata(bench, "it/2022/travel.md") == {"team": "it", "year": "2022"}
    assert metadata(bench, "posts/2021-05-01-travel.md")["date"] == "2021-05-01"
    assert found(bench, "date < 2022") == {"posts/2021-05-01-travel.md"}

    bench.settings = load({}, {"store": bench.store.path})
    assert bench.ingest().snapshot == without
    assert "path_metadata" not in reading_settings(bench.settings), "older stores go on as they are"


def test_a_rename_changes_what_the_path_says(bench: Workbench) -> None:
    settings = {"store": bench.store.path, "ingest": {"path_metadata": "{team}/**"}}
    bench.settings = load({}, settings)
    path = bench.write("hr/leave.md", "About leave.")
    bench.ingest()
    (bench.folder / "it").mkdir()
    path.rename(bench.folder / "it" / "leave.md")

    report = refresh(bench)

    assert report.renamed == 1
    assert metadata(bench, "it/leave.md") == {"team": "it"}


@pytest.mark.parametrize("pattern", ["{a}{b}/**", "docs/**", "{a}//b", "{a}/{a}"])
def test_a_pattern_that_names_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match=r"ingest\.path_metadata.*(means|names) nothing"):
        load({"RAG_INGEST__PATH_METADATA": pattern})


def test_what_a_killed_run_had_prepared_is_believed_with_its_own_sidecar_only(
    two: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside(two, {"team": "HR", "title": "One"})
    with monkeypatch.context() as patch:
        patch.setattr(two.encoder, "encode_documents", _killed)
        with pytest.raises(KeyboardInterrupt):
            refresh(two)
    assert (two.store.path / "prepared.sqlite").exists()

    beside(two, {"team": "Finance", "title": "Two"})
    refresh(two)

    assert metadata(two)["team"] == "Finance"
    assert two.store.open().document("leave.md").title == "Two"


def _killed(texts: list[str]) -> None:
    raise KeyboardInterrupt
