"""The comparison with peers measures what it says: the same folder, a real change, true ratios."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from bench import sets
from bench.peers import folder, plots, table
from bench.peers.__main__ import _keep, _left, parsed
from bench.peers.protocol import DEEP, found, quantile, rate
from bench.peers.running import Failed, run
from bench.peers.visiting import better

FILES = 24


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sets of a few made documents each."""
    for name, (below, *_) in folder.SETS.items():
        docs = tmp_path / "data" / name / "docs" / below
        docs.mkdir(parents=True)
        suffix = ".md" if name.endswith("docs_dev") else ".txt"
        for number in range(5):
            text = f"# {name} {number}\n\nOf {number} < 9 & more.\n\n" + "A line of it.\n" * 600
            (docs / f"{name}{number}{suffix}").write_text(text, encoding="utf-8")
    return tmp_path / "data"


def digest(at: Path) -> dict[str, str]:
    return {
        path.relative_to(at).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(at.rglob("*"))
        if path.is_file()
    }


def test_the_folder_is_the_same_wherever_its_data_lies(data: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "deep" / "er" / "data"
    shutil.copytree(data, elsewhere)

    one = folder.build(data, FILES, tmp_path / "one")
    two = folder.build(elsewhere, FILES, tmp_path / "two")

    assert one == two
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert len(digest(tmp_path / "one")) == one.files == FILES
    assert {Path(path).suffix for path in digest(tmp_path / "one")} == {".md", ".html", ".txt"}


def test_the_change_touches_what_the_plan_says_and_nothing_else(data: Path, tmp_path: Path) -> None:
    at = tmp_path / "docs"
    plan = folder.build(data, FILES, at)
    before = digest(at)
    texts = {name: (at / name).read_text() for name in before}

    plan.apply(at)

    after = digest(at)
    edited = {name for name in after if after[name] != before[name]}
    assert edited == {edit.path for edit in plan.edits}
    assert before.keys() - after.keys() == {plan.removed}
    for one in plan.gone:
        assert sum(one.word in text for text in texts.values()) == 1
        assert not any(one.word in (at / name).read_text() for name in after)
    for one in plan.new:
        assert not any(one.word in text for text in texts.values())
        assert sum(one.word in (at / name).read_text() for name in after) == 1
    with pytest.raises(ValueError, match="build it anew"):
        plan.apply(at)


@pytest.mark.parametrize(("files", "edited"), [(2, 1), (100, 1), (300, 3), (1000, 10)])
def test_one_file_in_a_hundred_is_edited(files: int, edited: int) -> None:
    changed = folder._spread(files)

    assert len(set(changed)) == len(changed) == 1 + edited
    assert max(changed) < files


def test_the_real_folder_holds_every_set() -> None:
    if not (sets.DATA / "xquad_dev").is_dir():
        pytest.skip(f"there are no evaluation sets in {sets.DATA}; RAG_DATA names their folder")

    chosen = list(folder._in_turn([folder._documents(sets.DATA, name) for name in folder.SETS]))

    assert {one.name for one in chosen[:12]} == set(folder.SETS)
    assert len(chosen) > 1_000


def test_a_word_that_is_gone_is_found_only_where_a_hit_still_holds_it() -> None:
    asked: list[tuple[str, int]] = []

    def search(text: str, k: int) -> list[str]:
        asked.append((text, k))
        return ["nothing of it", "the ledger q12z of the mill"]

    assert found(search, "q12z", "The ledger q12z.")
    assert not found(search, "q13z", "The ledger q13z.")
    assert asked == [("The ledger q12z.", DEEP), ("The ledger q13z.", DEEP)]


def visit(side: str, wall: float, rate_: float | str = 50.0, **more: Any) -> dict[str, Any]:
    return {
        "round": 0,
        "side": side,
        "ingest": {"wall_s": wall, "cpu_s": 2 * wall, "peak_mb": 100, "chunks": 7},
        "questions": {"p50_ms": wall, "per_s": {"2": rate_}},
        "before": [True, True],
        "stale": [False, False],
        "fresh": [True],
        **more,
    }


def test_sides_are_compared_by_medians_with_the_best_of_the_default_peers() -> None:
    runs = [
        *(visit("ours", wall, 400.0) for wall in (2.0, 1.0, 9.0)),
        *(visit("langchain", wall, 80.0) for wall in (20.0, 30.0, 90.0)),
        visit("txtai", 24.0, 50.0),
        visit("langchain_ours", 3.0, 390.0),
    ]

    middle = table.medians(runs)
    by_name = {figure.name: figure for figure in table.FIGURES}

    assert middle["ours"]["ingest wall_s"] == 2.0
    assert table.ratio(middle, by_name["ingest wall_s"], ["langchain", "txtai"]) == 12.0
    assert table.ratio(middle, by_name["rate 2"], ["langchain", "txtai"]) == 5.0
    row = next(line for line in table.markdown(middle).splitlines() if "ingest, s" in line)
    assert row == "| ingest, s | 2.00 | 30.00 | 24.00 | 3.00 | 12.0 | >= 8 x |"
    assert "1.50 x" in table.markdown(middle)


def test_what_fails_is_said_and_not_left_out_of_a_median() -> None:
    runs = [visit("ours", 1.0), visit("txtai", 4.0, 80.0), visit("txtai", 4.0, "8 clients: no")]

    middle = table.medians(runs)

    assert middle["txtai"]["rate 2"] == table.FAILS
    assert table.medians([visit("ours", 1.0, failed="no room")])["ours"]["failed"] == "no room"


def test_only_what_was_found_before_it_went_can_be_stale() -> None:
    runs = [
        visit("ours", 1.0),
        visit("llama_index", 1.0, stale=[True, True]),
        visit("llama_index", 1.0),
        visit("haystack", 1.0, before=[True, False], stale=[False, True], fresh=[False]),
    ]

    middle = table.medians(runs)

    assert middle["ours"][table.STALE] == "0 of 2"
    assert middle["llama_index"][table.STALE] == "2 of 2"  # the worst of its visits
    assert middle["haystack"][table.STALE] == "0 of 1"
    assert middle["haystack"][table.NEW] == "0 of 1"


def test_of_two_settings_of_threads_the_better_is_taken_for_each_figure() -> None:
    many = {"p50_ms": 9.0, "p99_ms": 10.0, "cpu_ms": 18.0, "per_s": {"1": 100.0, "2": "broke"}}
    one = {"p50_ms": 8.0, "p99_ms": 12.0, "cpu_ms": 8.0, "per_s": {"1": 90.0, "2": 140.0}}

    assert better([many, one]) == {
        "p50_ms": 8.0,
        "p99_ms": 10.0,
        "cpu_ms": 8.0,
        "per_s": {"1": 100.0, "2": 140.0},
    }


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert quantile([float(one) for one in range(1, 201)], 0.99) == 198.0
    assert quantile([7.0], 0.99) == 7.0


def test_clients_share_the_questions_and_one_that_fails_is_told() -> None:
    asked: list[str] = []

    assert rate(lambda text, _: asked.append(text), ["a", "b", "c", "d", "e"], 2) > 0
    assert sorted(asked) == ["a", "b", "c", "d", "e"]

    def breaks(text: str, k: int) -> None:
        raise ValueError("busy")

    with pytest.raises(RuntimeError, match="2 clients at once.*busy"):
        rate(breaks, ["a", "b"], 2)


def test_a_process_is_measured_with_the_children_it_waits_for() -> None:
    burn = "sum(range(6_000_000)); held = bytearray(60_000_000)"
    program = (
        "import json, subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-c', '{burn}; import time; time.sleep(.3)'])\n"
        "print('noise'); print(json.dumps({'embedded': 3}))"
    )

    spent = run([sys.executable, "-c", program])

    assert spent.told == {"embedded": 3}
    assert spent.peak_mb > 60
    assert 0.02 < spent.cpu_s < 60
    assert spent.wall_s > 0.3
    with pytest.raises(Failed, match="no such peer"):
        run([sys.executable, "-c", "import sys; sys.exit('no such peer')"])


def test_drawings_are_well_formed_whatever_a_side_is_called() -> None:
    bars = plots.bars([plots.Panel("ingest, s", 1, {"ours": 2.0, "<peer> & co": 20.0})])
    curves = plots.curves([plots.Curve("p50", [(1_000, 1.5), (1_000_000, 8.0)])])

    told = ET.fromstring(bars)
    widths = [float(one.get("width", "0")) for one in told.iter() if one.tag.endswith("rect")]
    assert widths[1] == pytest.approx(10 * widths[0])
    assert "<peer> & co" in "".join(told.itertext())
    assert len([one for one in ET.fromstring(curves).iter() if one.tag.endswith("circle")]) == 2


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    kept, sides = tmp_path / "runs" / "runs.jsonl", ["ours", "txtai"]

    assert _left(sides, 2, kept) == [(0, "ours"), (0, "txtai"), (1, "txtai"), (1, "ours")]
    for number, side in [(0, "ours"), (1, "txtai")]:
        _keep({"round": number, "side": side}, kept)
    assert _left(sides, 2, kept) == [(0, "txtai"), (1, "ours")]


def test_a_command_line_that_cannot_work_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--peers", "langchain,nobody"])
    assert "nobody" in capsys.readouterr().err
    assert parsed(["--peers", "txtai"]).peers == ["txtai"]
    assert json.dumps(parsed([]).peers).count("langchain") == 2
