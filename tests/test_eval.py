"""``rag eval`` as a user meets it: measure, compare, gate, make a set, look at the report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from corpus.types import Mode, Query
from rag.answerer import Answerer
from rag.evaluation.known_items import MASKED, make_questions
from rag.evaluation.masking import MaskedCorpus, MaskedSnapshot
from rag.evaluation.measures import MEASURES
from rag.evaluation.questions import read_questions
from rag.live import LiveCorpus
from tests import test_cli
from tests.conftest import WordHashEncoder, Workbench, settings_for
from tests.serving import Quoting

call, rag = test_cli.call, test_cli.rag
Rag, Ran = test_cli.Rag, test_cli.Ran

ROOT = Path(__file__).parent.parent
DEMO = ("agents.txt", "chat-templates.md", "hybrid-search.md", "sampling.md")

LEAVE = "# Leave\n\nEvery employee gets 27 days of annual leave in each calendar year."
TRAVEL = "# Travel\n\nFlights are booked through the travel desk on the second floor."
PARKING = "# Parking\n\nThe garage of the northern building has room for 140 bicycles."

LEAVE_DAYS: dict[str, Any] = {
    "id": "leave",
    "question": "How many days of annual leave does every employee get?",
    "answers": ["27"],
    "evidence": [{"doc": "leave.md", "quote": "27 days of annual leave"}],
    "answerable": True,
}
BICYCLES: dict[str, Any] = {
    "id": "bicycles",
    "question": "How many bicycles have room in the garage of the northern building?",
    "answers": ["140"],
    "evidence": [{"doc": "parking.md", "quote": "room for 140 bicycles"}],
    "answerable": True,
}
MOON: dict[str, Any] = {
    "id": "moon",
    "question": "Zebra xylophone?",
    "answers": [],
    "evidence": [],
    "answerable": False,
}
FLOOR: dict[str, Any] = {
    "id": "floor",
    "question": "Where are flights booked through the travel desk?",
    "answers": [],
    "evidence": [],
    "answerable": False,
    "masked": "travel.md",
}


@pytest.fixture
def corpus(bench: Workbench) -> Workbench:
    bench.write("leave.md", LEAVE)
    bench.write("travel.md", TRAVEL)
    bench.write("parking.md", PARKING)
    bench.ingest()
    return bench


def a_set(bench: Workbench, *rows: dict[str, Any], name: str = "questions.jsonl") -> Path:
    path = bench.folder.parent / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def value(ran: Ran, name: str, result: int = 0) -> float:
    found = ran.json["results"][result]["metrics"][name]
    assert found["low"] <= found["value"] <= found["high"]
    return float(found["value"])


# --- measuring ----------------------------------------------------------------------------------


def test_search_and_answers_are_measured_and_shown_in_a_table(corpus: Workbench, rag: Rag) -> None:
    questions = a_set(corpus, LEAVE_DAYS, BICYCLES, MOON)
    ran = rag("eval", questions, "--answers")

    assert ran.code == 0, ran.err
    assert "questions.jsonl: 3 questions (2 answerable, 1 not answerable)" in ran.out
    assert "spans.recall@1                2          1.000 [1.000, 1.000]" in ran.out
    for name in MEASURES:
        assert name in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


def test_json_has_the_measures_the_questions_and_what_they_were_measured_on(
    corpus: Workbench, rag: Rag
) -> None:
    questions = a_set(corpus, LEAVE_DAYS, BICYCLES, MOON)
    ran = rag("eval", questions, "--answers", "--json", "--quiet")

    about = ran.json["about"]
    assert about["snapshot"] == corpus.store.open().id
    assert about["engine"] == "quoting"
    assert (about["answerable"], about["unanswerable"], about["unknown"]) == (2, 1, 0)
    assert about["settings"]["retrieval"]["candidates"] == 100
    assert "word-hash" in about["fingerprint"]
    assert {name: value(ran, name) for name in ("answers.accuracy", "answers.gold_in_quotes")} == {
        "answers.accuracy": 1,
        "answers.gold_in_quotes": 1,
    }
    row = ran.json["results"][0]["rows"][0]
    assert (row["id"], row["rank"], row["answered"]["right"]) == ("leave", 1, True)
    assert row["found"][0]["document"] == "leave.md"
    assert row["gold"][0]["start"] == LEAVE.find("27 days")
    assert ran.err == ""


def test_of_a_long_hit_what_stands_around_the_gold_is_kept(bench: Workbench, rag: Rag) -> None:
    before = "The harbour office opens at seven and closes at noon on every working day. "
    bench.settings = settings_for(bench.store.path, RAG_CHUNKING__TARGET_TOKENS="64")
    bench.write("port.txt", f"{before * 3}Ferries to Bergen leave from pier nine.")
    bench.ingest()
    asked = {
        **LEAVE_DAYS,
        "question": "From which pier do ferries to Bergen leave?",
        "evidence": [{"doc": "port.txt", "quote": "pier nine"}],
    }
    found = rag("eval", a_set(bench, asked), "--json").json["results"][0]["rows"][0]["found"]
    good = next(one for one in found if one["good"])

    assert "leave from pier nine" in good["text"]
    assert len(good["text"]) <= 241


def test_all_modes_stand_beside_each_other(corpus: Workbench, rag: Rag) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS), "--compare-modes", "--json")

    assert [one["mode"] for one in ran.json["results"]] == ["hybrid", "dense", "words"]
    for number in range(3):
        assert value(ran, "spans.mrr", number) == 1


def test_judgements_say_which_documents_are_relevant_also_without_an_answer(
    corpus: Workbench, rag: Rag
) -> None:
    qrels = corpus.folder.parent / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nmoon\ttravel.md\t1\nleave\tgone.md\t1\n")
    ran = rag("eval", a_set(corpus, LEAVE_DAYS, MOON), "--qrels", qrels, "--json")

    metrics = ran.json["results"][0]["metrics"]
    assert metrics["documents.recall@10"]["questions"] == 1
    assert metrics["spans.recall@10"]["questions"] == 1
    assert [(one["question"], one["document"]) for one in ran.json["lost"]] == [
        ("leave", "gone.md")
    ]


def test_a_quote_that_is_nowhere_is_named_and_is_no_miss(corpus: Workbench, rag: Rag) -> None:
    gone = {**BICYCLES, "evidence": [{"doc": "parking.md", "quote": "room for 9 cars"}]}
    ran = rag("eval", a_set(corpus, LEAVE_DAYS, gone))

    assert ran.code == 0
    assert "bicycles: the document does not hold the quote (parking.md): 'room for 9 cars'" in (
        ran.err
    )
    assert "gold that is left out (1): the document does not hold the quote" in ran.out
    assert "spans.recall@1       1          1.000" in ran.out


def test_a_set_about_another_corpus_is_refused(corpus: Workbench, rag: Rag) -> None:
    other = {**LEAVE_DAYS, "evidence": [{"doc": "elsewhere.md", "quote": "27 days"}]}
    ran = rag("eval", a_set(corpus, other))

    assert ran.code == 1
    assert "the snapshot holds none of the gold of questions.jsonl ('elsewhere.md'" in ran.err


def test_a_wrong_row_is_wrong_usage_and_named(corpus: Workbench, rag: Rag) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS, {**BICYCLES, "answerable": 1}))

    assert ran.code == 2
    assert "questions.jsonl has lines that are not as expected" in ran.err
    assert "line 2: 'answerable' is 1;" in ran.err
    assert ran.out == ""


def test_a_question_whose_answer_breaks_is_wrong_and_the_others_count(
    corpus: Workbench, rag: Rag
) -> None:
    questions = a_set(corpus, LEAVE_DAYS, MOON)
    ran = rag("eval", questions, "--answers", "--engine", "breaking", "--json")

    assert ran.code == 3
    assert value(ran, "answers.accuracy") == 0
    assert {row["answered"]["status"] for row in ran.json["results"][0]["rows"]} == {"failed"}
    assert "the engine ran out of steam" in ran.out


def test_several_questions_at_once_come_to_the_same(corpus: Workbench, rag: Rag) -> None:
    questions = a_set(corpus, LEAVE_DAYS, MOON, BICYCLES, FLOOR)
    one, four = (
        rag("eval", questions, "--answers", "--parallel", count, "--json").json["results"]
        for count in ("1", "4")
    )
    assert one == four


def test_answers_of_another_mode_than_the_service_has_are_refused(
    corpus: Workbench, rag: Rag
) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS), "--answers", "--mode", "words")

    assert ran.code == 2
    assert "--answers are made from the hybrid search" in ran.err


# --- a gate -------------------------------------------------------------------------------------


def test_a_measure_below_the_gate_is_5_and_everything_is_told_first(
    corpus: Workbench, rag: Rag
) -> None:
    questions = a_set(corpus, LEAVE_DAYS, MOON)
    passed = rag("eval", questions, "--fail-under", "spans.recall@1=1")
    failed = rag("eval", questions, "--answers", "--fail-under", "answers.f1=0.9")
    area = rag("eval", questions, "--answers", "--fail-under", "answers.aurc=0.01")
    missing = rag("eval", questions, "--fail-under", "answers.f1=0.1")

    assert (passed.code, failed.code, area.code, missing.code) == (0, 5, 5, 5)
    assert "answers.f1 is 0." in failed.err
    assert "asked for was 0.9" in failed.err
    assert "answers.f1" in failed.out
    assert "answers.f1 was not measured" in missing.err


@pytest.mark.parametrize("gate", ["recall=1", "spans.mrr", "spans.mrr=high", "spans.mrr=1.1"])
def test_a_gate_that_could_not_close_is_wrong_usage(corpus: Workbench, rag: Rag, gate: str) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS), "--fail-under", gate)

    assert (ran.code, ran.out) == (2, "")


# --- two runs -----------------------------------------------------------------------------------


def test_a_difference_names_exactly_the_questions_that_changed(
    corpus: Workbench, rag: Rag, tmp_path: Path
) -> None:
    questions = a_set(corpus, LEAVE_DAYS, BICYCLES, MOON)
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    rag("eval", questions, "--answers", "--out", before)
    # The garage is written about elsewhere too, and more to the point.
    (bench := corpus).write("garage.md", f"# Garage\n\n{BICYCLES['question']}")
    bench.ingest()
    rag("eval", questions, "--answers", "--out", after)

    same = rag("eval", "diff", before, before, "--json").json
    ran = rag("eval", "diff", before, after, "--json").json
    told = rag("eval", "diff", before, after)

    assert same["changed"] == []
    assert {one["difference"] for one in same["metrics"].values()} == {0}
    assert [(one["id"], one["direction"]) for one in ran["changed"]] == [("bicycles", "worse")]
    assert (ran["changed"][0]["rank_before"], ran["changed"][0]["rank_after"]) == (1, 2)
    assert ran["metrics"]["spans.mrr"]["difference"] == -0.25
    assert "snapshot" in ran["settings"]
    assert "worse: 1\n  bicycles  rank 1 -> 2" in told.out
    assert max(map(len, told.out.splitlines())) <= 100


def test_runs_over_different_questions_are_not_compared(
    corpus: Workbench, rag: Rag, tmp_path: Path
) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    rag("eval", a_set(corpus, LEAVE_DAYS), "--out", before)
    rag("eval", a_set(corpus, BICYCLES, name="other.jsonl"), "--out", after)
    ran = rag("eval", "diff", before, after)

    assert ran.code == 1
    assert "the runs have different questions" in ran.err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "[" * 100_000])
def test_a_file_that_is_no_run_is_refused(rag: Rag, tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    ran = rag("eval", "diff", path, path)

    assert ran.code == 2
    assert str(path) in ran.err


# --- the report ---------------------------------------------------------------------------------


class _Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = "<img src=x onerror=alert(1)><script>alert('days')</script>\u202e"


def test_the_report_shows_everything_and_nothing_in_it_runs_or_loads(
    bench: Workbench, rag: Rag, tmp_path: Path
) -> None:
    bench.write("<b>leave.txt", f"Every employee gets 27 days of annual leave. {HOSTILE}")
    bench.ingest()
    hostile = {
        "id": "<i>&'\"",
        "question": f"How many days of annual leave does every employee get {HOSTILE}?",
        "answers": [HOSTILE, "27"],
        "evidence": [
            {"doc": "<b>leave.txt", "quote": "27 days"},
            {"doc": "<b>leave.txt", "quote": "</table><script>x</script>"},
        ],
        "answerable": True,
    }
    report = tmp_path / "report.html"
    ran = rag("eval", a_set(bench, hostile, MOON), "--answers", "--report", report)
    assert ran.code == 0, ran.err
    page = report.read_text(encoding="utf-8")
    seen = _Tags()
    seen.feed(page)

    assert not seen.tags & {"script", "img", "link", "iframe", "i", "object", "form", "a"}
    assert not {name for name in seen.attributes if name.startswith("on") or "src" in name}
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "\u202e" not in page
    assert {"svg", "table", "q"} <= seen.tags
    for text in ("27 days", "<b>leave.txt", "<i>&'\"", "spans.recall@5", "right", "moon"):
        assert text in seen.text
    assert "onerror=alert(1)" in seen.text  # as text
    assert "Risk by coverage" in seen.text
    assert "Gold that the snapshot does not hold" in seen.text


def test_a_report_of_search_alone_needs_no_answers(
    corpus: Workbench, rag: Rag, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    ran = rag("eval", a_set(corpus, LEAVE_DAYS), "--mode", "words", "--report", report)

    assert ran.code == 0
    assert "nothing: retrieval only" in report.read_text()


def test_a_report_that_cannot_be_written_is_an_error_and_leaves_nothing(
    corpus: Workbench, rag: Rag, tmp_path: Path
) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS), "--report", tmp_path / "no" / "report.html")

    assert ran.code == 1
    assert "cannot be written" in ran.err


# --- masking ------------------------------------------------------------------------------------


def test_a_masked_document_is_never_found_and_the_others_keep_their_order(
    corpus: Workbench,
) -> None:
    snapshot = corpus.store.open()
    text = "days of annual leave, flights, bicycles"
    for mode in Mode:
        query = Query(text, corpus.encoder.encode_query(text), 10, mode)
        found = [hit.chunk.document_id for hit in snapshot.search(query)]
        left = MaskedSnapshot(snapshot, "leave.md").search(query)
        assert "leave.md" in found
        assert [hit.chunk.document_id for hit in left] == [x for x in found if x != "leave.md"]
        assert [hit.rank for hit in left] == list(range(1, len(left) + 1))


def test_enough_is_found_where_the_masked_document_fills_the_first_places(
    bench: Workbench,
) -> None:
    bench.write("long.md", "\n\n".join(f"# Part {n}\n\nApples and pears." for n in range(30)))
    bench.write("short.md", "# Other\n\nApples are told of here as well.")
    bench.ingest()
    query = Query("apples pears", bench.encoder.encode_query("apples pears"), 3, Mode.DENSE)
    snapshot = bench.store.open()

    assert {hit.chunk.document_id for hit in snapshot.search(query)} == {"long.md"}
    masked = MaskedSnapshot(snapshot, "long.md").search(query)
    assert [hit.chunk.document_id for hit in masked] == ["short.md"]


def test_an_answer_is_made_without_the_masked_document(corpus: Workbench, rag: Rag) -> None:
    seen = {key: FLOOR[key] for key in FLOOR if key != "masked"}
    ran = rag("eval", a_set(corpus, {**seen, "id": "seen"}, FLOOR), "--answers", "--json")
    whole, masked = ran.json["results"][0]["rows"]

    assert whole["answered"]["status"] == "answered"
    assert "travel.md" in {hit["document"] for hit in whole["found"]}
    assert masked["answered"]["status"] == "abstained"
    assert "travel.md" not in {hit["document"] for hit in masked["found"]}
    assert value(ran, "answers.abstention_recall") == 0.5


def test_a_masked_document_that_is_not_there_is_named(corpus: Workbench, rag: Rag) -> None:
    ran = rag("eval", a_set(corpus, LEAVE_DAYS, {**FLOOR, "masked": "gone.md"}), "--json")

    assert [(one["question"], one["document"]) for one in ran.json["lost"]] == [
        ("floor", "gone.md")
    ]


def test_masking_leaves_the_answerer_itself_as_it_is(corpus: Workbench) -> None:
    live = LiveCorpus(corpus.store, WordHashEncoder())
    answerer = Answerer(live, WordHashEncoder(), [Quoting()], corpus.settings.retrieval)
    masked = answerer.over(MaskedCorpus(live, "leave.md"))

    found = [
        {hit.chunk.document_id for hit in one.search("annual leave", 10).hits}
        for one in (answerer, masked)
    ]
    assert found == [{"leave.md", "travel.md", "parking.md"}, {"travel.md", "parking.md"}]


# --- making a set -------------------------------------------------------------------------------

FACTS = (
    "Copper wires carry {n}00 amperes through the {place} transformer hall every morning.",
    "Inspectors from {place} must replace worn hydraulic seals within {n} working days.",
    "Temperature sensors near {place} report abnormal readings to supervisors after {n} minutes.",
)
PLACES = ("Bergen", "Ostrava", "Valencia", "Tampere", "Graz", "Porto")


@pytest.fixture
def plant(bench: Workbench) -> Workbench:
    for number, place in enumerate(PLACES, start=3):
        facts = " ".join(fact.format(n=number, place=place) for fact in FACTS)
        bench.write(f"{place.lower()}.md", f"# {place} works\n\n## Rules of {place}\n\n{facts}")
    bench.ingest()
    return bench


def silent(_: str) -> None:
    return None


def test_a_made_set_is_the_same_for_the_same_snapshot_and_seed(
    plant: Workbench, rag: Rag, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("one.jsonl", "two.jsonl", "three.jsonl")]
    for path, seed in zip(files, (0, 0, 1), strict=True):
        ran = rag("eval", "make", "--out", path, "-n", "12", "--seed", str(seed))
        assert ran.code == 0, ran.err
        assert ran.out.startswith("12 questions in ")
    one, two, three = (path.read_bytes() for path in files)

    assert one == two
    assert one != three


def test_a_made_set_is_the_same_in_every_process(plant: Workbench) -> None:
    program = (
        "import json, sys, pathlib\n"
        "from corpus.store import Store\n"
        "from rag.evaluation.known_items import make_questions\n"
        "snapshot = Store(pathlib.Path(sys.argv[1])).open()\n"
        "print(json.dumps(make_questions(snapshot, 20, 0, lambda _: None)))"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", program, plant.store.path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]


def test_a_made_set_asks_by_a_few_words_and_keeps_the_answer_to_itself(plant: Workbench) -> None:
    snapshot = plant.store.open()
    rows = make_questions(snapshot, 12, 0, silent)
    assert {row["kind"] for row in rows} == {"sentence", "heading", "masked"}
    assert len({row["id"] for row in rows}) == len(rows) == 12
    for row in rows:
        gold = row["left_out"] if row["kind"] == MASKED else row["evidence"][0]
        text = snapshot.document(gold["doc"]).text
        assert text[gold["start"] : gold["end"]] == gold["quote"]
        assert gold["quote"] not in row["question"]
        for answer in row["answers"]:
            assert answer in gold["quote"]
            assert answer not in row["question"].split()
        if row["kind"] == MASKED:
            assert (row["answerable"], row["answers"], row["evidence"]) == (False, [], [])
            assert row["masked"] == gold["doc"]


def test_a_made_set_evaluates_and_finds_what_it_asks_for(
    plant: Workbench, rag: Rag, tmp_path: Path
) -> None:
    made = tmp_path / "made.jsonl"
    rag("eval", "make", "--out", made, "-n", "15")
    ran = rag("eval", made, "--answers", "--mode", "hybrid", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["lost"] == []
    assert value(ran, "documents.recall@5") == 1
    assert len(read_questions(made, 2000).items) == 15


def test_what_stands_in_two_documents_is_not_asked_for(bench: Workbench) -> None:
    both = "Hydraulic excavators require certified operators for trenches below three metres."
    bench.write("a.md", f"# A\n\n{both}")
    bench.write("b.md", f"# B\n\n{both}")
    bench.write(
        "c.md", "# C\n\nScaffolding inspections happen weekly under two supervising site engineers."
    )
    bench.ingest()
    rows = make_questions(bench.store.open(), 10, 0, silent)

    assert [(row.get("masked") or row["evidence"][0]["doc"]) for row in rows] == ["c.md"]


def test_a_file_that_is_there_is_kept_unless_forced(
    plant: Workbench, rag: Rag, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("mine")
    refused = rag("eval", "make", "--out", path)
    kept = path.read_text()
    forced = rag("eval", "make", "--out", path, "-n", "500", "--force", "--json")

    assert (refused.code, kept, forced.code) == (2, "mine", 0)
    assert forced.json["questions"] == len(path.read_text().splitlines()) < 500
    assert "500 were asked for" in forced.err


# --- through the real model ---------------------------------------------------------------------


def test_the_demo_corpus_is_measured_from_the_command_line(
    call: Rag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_EMBEDDING__COMPILED", "false")
    monkeypatch.setenv("RAG_STORE", str(tmp_path / "store"))
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in DEMO:
        shutil.copy(ROOT / "corpus" / "documents" / name, documents)
    lines = (ROOT / "tests" / "demo" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    about = {line: [one["doc"] for one in json.loads(line)["evidence"]] for line in lines}
    questions = tmp_path / "questions.jsonl"
    questions.write_text("\n".join(line for line in lines if set(about[line]) <= set(DEMO)))

    assert call("ingest", documents, "--quiet").code == 0
    ran = call("eval", questions, "--answers", "--json", "--quiet")
    made = call("eval", "make", "--out", tmp_path / "made.jsonl", "-n", "30", "--quiet")
    measured = call("eval", tmp_path / "made.jsonl", "--json", "--quiet")

    assert (ran.code, made.code, measured.code) == (0, 0, 0), (ran.err, made.err, measured.err)
    assert ran.json["lost"] == measured.json["lost"] == []
    assert ran.json["about"]["answerable"] >= 10
    assert value(ran, "spans.recall@5") >= 0.9
    assert value(ran, "documents.recall@5") >= 0.9
    assert value(ran, "answers.gold_in_quotes") >= 0.6
    assert value(ran, "answers.citations_exact") == 1
    assert value(measured, "spans.recall@10") >= 0.9
