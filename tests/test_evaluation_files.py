"""Sets of questions and tables of judgements: what is read, what is refused, and where gold is."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import BadEvaluationFile
from corpus.types import Chunk
from rag.evaluation.folding import fold, folded
from rag.evaluation.locating import NO_DOCUMENT, NO_QUOTE, Gold, Locator
from rag.evaluation.qrels import read_qrels
from rag.evaluation.questions import Item, QuestionSet, read_questions
from rag.evaluation.retrieval import is_good
from tests.conftest import Workbench, settings_for

GOOD: dict[str, Any] = {
    "id": "leave",
    "question": "How many days of leave?",
    "answers": ["27"],
    "evidence": [{"doc": "leave.md", "quote": "27 days", "start": 20, "end": 27}],
    "answerable": True,
}


def written(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "questions.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read(tmp_path: Path, *rows: object) -> QuestionSet:
    return read_questions(written(tmp_path, *rows), max_chars=2000)


def item(**fields: object) -> Item:
    return Item.model_validate_json(json.dumps({**GOOD, **fields}))


# --- reading ------------------------------------------------------------------------------------


def test_a_row_is_read_with_what_it_needs_and_further_fields_are_ignored(tmp_path: Path) -> None:
    found = read(tmp_path, {**GOOD, "kind": "fact", "lang": "en"}, b"", {**GOOD, "id": "two"})

    assert [one.id for one in found.items] == ["leave", "two"]
    assert found.items[0].answers == ("27",)
    assert found.items[0].evidence[0].start == 20
    assert found.name == "questions.jsonl"
    assert len(found.sha256) == 64


def test_a_byte_order_mark_and_windows_line_ends_are_no_reason_to_fail(tmp_path: Path) -> None:
    row = json.dumps(GOOD).encode()
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + row + b"\r\n\r\n")

    assert len(read_questions(path, 2000).items) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b"{", "line 2: no JSON: "),
        (b"[1]", "line 2: 'the line' is [1]; input should be an object"),
        (b"\xff\xfe", "line 2: no JSON: "),
        (b"[" * 100_000, "line 2: no JSON: "),
        ({"id": "x", "question": "y"}, "'answerable' is missing; expected true, false, or null"),
        ({**GOOD, "answerable": "yes"}, "line 2: 'answerable' is 'yes'; "),
        ({**GOOD, "question": " "}, "line 2: question is empty"),
        ({**GOOD, "question": "x" * 2001}, "line 2: question has 2001 characters, 2000 are taken"),
        ({**GOOD, "id": 7}, "line 2: 'id' is 7; input should be a valid string"),
        ({**GOOD, "answers": "27"}, "line 2: 'answers' is '27'; "),
        ({**GOOD, "answers": [""]}, "line 2: 'answers.0' is ''; "),
        ({**GOOD, "evidence": [{"quote": "x"}]}, "line 2: 'evidence.0.doc' is missing"),
        ({**GOOD, "evidence": [{"doc": "x", "quote": ""}]}, "line 2: 'evidence.0.quote' is ''"),
        (
            {**GOOD, "evidence": [{"doc": "x", "quote": "y", "start": -1}]},
            "line 2: 'evidence.0.start' is -1; input should be greater than or equal to 0",
        ),
        (GOOD, "line 2: the id 'leave' stands on line 1 already"),
    ],
)
def test_a_wrong_row_is_refused_with_file_line_and_what_was_expected(
    tmp_path: Path, row: object, told: str
) -> None:
    with pytest.raises(BadEvaluationFile) as refused:
        read(tmp_path, GOOD, row)

    assert told in str(refused.value)
    assert str(tmp_path / "questions.jsonl") in str(refused.value)


def test_every_wrong_line_is_told_up_to_ten(tmp_path: Path) -> None:
    with pytest.raises(BadEvaluationFile) as refused:
        read(tmp_path, *[{"id": "x"}] * 13)

    assert [f"line {n}:" in str(refused.value) for n in range(1, 14)] == [True] * 10 + [False] * 3
    assert "and 3 more lines" in str(refused.value)


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEvaluationFile, match="holds no question"):
        read(tmp_path, b"")


def test_judgements_are_read_and_zero_means_not_relevant(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\ta b.md\t2\nq1\tc.md\t0\nq2\tc.md\t0\n")

    assert read_qrels(path).relevant == {"q1": {"a b.md": 2}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "begins with nothing; expected the names query-id, corpus-id, score"),
        ("q1\ta\t1\n", "begins with 'q1\\ta\\t1'; expected the names"),
        ("query-id\tcorpus-id\tscore\nq1\ta\n", "line 2: 2 columns; expected 3"),
        ("query-id\tcorpus-id\tscore\nq1\ta\tyes\n", "line 2: score is 'yes'; expected a whole"),
        ("query-id\tcorpus-id\tscore\nq1\ta\t-1\n", "line 2: score is '-1'"),
        ("query-id\tcorpus-id\tscore\nq\ta\t1\nq\ta\t1\n", "line 3: 'a' is judged for 'q' already"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(text)

    with pytest.raises(BadEvaluationFile) as refused:
        read_qrels(path)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)


# --- folding ------------------------------------------------------------------------------------


CLOSE = "e\u0301\u0323ﬁ\u00a0 \nｶﾞ\u09c7\u09be\u1112\u1161\u11abㄱㅏㄴ\uffa1\uffc2㎞ａ"
"""Characters that become one with others, or several."""


@given(st.text() | st.text(st.sampled_from(CLOSE)))
def test_a_folded_text_is_nfkc_with_single_spaces(text: str) -> None:
    found = fold(text)

    assert found.text.strip() == " ".join(unicodedata.normalize("NFKC", text).split())
    assert len(found.text) == len(found.starts) == len(found.ends)


@pytest.mark.parametrize(
    ("text", "quote", "found"),
    [
        ("the ﬁle is\n  here", "file is here", "ﬁle is\n  here"),
        ("27\u00a0days", "27 days", "27\u00a0days"),
        ("cafe\u0301 noir", "café", "cafe\u0301"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("ｶﾞｽ", "ガス", "ｶﾞｽ"),
        ("\u0995\u09c7\u09be.", "\u0995\u09cb", "\u0995\u09c7\u09be"),
        ("ㄱㅏ", "가", "ㄱㅏ"),
        ("10 ㎞ away", "10 km", "10 ㎞"),
    ],
)
def test_a_quote_is_found_as_a_reader_sees_it(text: str, quote: str, found: str) -> None:
    assert [text[start:end] for start, end in fold(text).find_all(folded(quote))] == [found]


def test_an_empty_quote_is_found_nowhere() -> None:
    assert list(fold("some text").find_all(folded(" \n"))) == []


# --- where gold stands --------------------------------------------------------------------------

TEXT = "# Leave\n\nAll get 27 days.\n\nIn the north, all get 27 days. Rest is good."


@pytest.fixture
def leave(bench: Workbench) -> Locator:
    bench.write("leave.md", TEXT)
    bench.ingest()
    return Locator(bench.store.open())


def where(locator: Locator, **evidence: object) -> list[str]:
    one = item(evidence=[{"doc": "leave.md", **evidence}])
    text = locator.text("leave.md") or ""
    return [f"{gold.start}:{text[gold.start : gold.end]}" for gold in locator.locate(one)[0]]


def test_of_several_places_the_nearest_counts_and_without_start_the_first(leave: Locator) -> None:
    text = leave.text("leave.md") or ""
    first, second = text.find("27 days"), text.rfind("27 days")

    assert where(leave, quote="27 days") == [f"{first}:27 days"]
    assert where(leave, quote="27 days", start=first + 3) == [f"{first}:27 days"]
    assert where(leave, quote="27 days", start=second - 6) == [f"{second}:27 days"]
    assert where(leave, quote="27 days", start=10_000) == [f"{second}:27 days"]


def test_gold_that_is_not_there_is_named_and_the_rest_counts(leave: Locator) -> None:
    gold, lost = leave.locate(
        item(
            evidence=[
                {"doc": "leave.md", "quote": "28 days"},
                {"doc": "gone.md", "quote": "27 days"},
                {"doc": "leave.md", "quote": "Rest is good"},
            ]
        )
    )

    assert [(one.document, one.quote) for one in gold] == [("leave.md", "Rest is good")]
    assert [(one.question, one.document, one.quote, one.reason) for one in lost] == [
        ("leave", "leave.md", "28 days", NO_QUOTE),
        ("leave", "gone.md", "27 days", NO_DOCUMENT),
    ]


def test_evidence_without_a_quote_is_no_span_and_is_not_lost(leave: Locator) -> None:
    assert leave.locate(item(evidence=[{"doc": "leave.md"}])) == ((), ())
    assert [one.reason for one in leave.locate(item(evidence=[{"doc": "x"}]))[1]] == [NO_DOCUMENT]


def test_quotes_that_overlap_are_one_piece_of_gold(leave: Locator) -> None:
    gold, _ = leave.locate(
        item(
            evidence=[
                {"doc": "leave.md", "quote": "All get 27 days"},
                {"doc": "leave.md", "quote": "27 days."},
                {"doc": "leave.md", "quote": "Rest"},
            ]
        )
    )
    text = leave.text("leave.md") or ""

    assert [text[one.start : one.end] for one in gold] == ["All get 27 days.", "Rest"]


def test_a_paragraph_counts_in_place_of_its_quote_and_moves_with_it(leave: Locator) -> None:
    text = leave.text("leave.md") or ""
    start = text.find("In the north")
    moved = 5
    one = item(
        evidence=[{"doc": "leave.md", "quote": "north", "start": start + 7 - moved}],
        paragraph={"doc": "leave.md", "start": start - moved, "end": start + 30 - moved},
    )

    assert leave.locate(one)[0] == (Gold("leave.md", start, start + 30, "north"),)


def test_evidence_on_a_page_is_the_page() -> None:
    chunks = [
        Chunk(n, "a.pdf", "A", "pdf", 10 * n, 10 * n + 12, "x" * 12, (), page)
        for n, page in enumerate([1, 2, 2, 3])
    ]

    class Paged:
        def document(self, name: str) -> object:
            return type("Document", (), {"text": "x" * 60})

        def chunks_of(self, name: str) -> list[Chunk]:
            return chunks

    locator = Locator(Paged())  # type: ignore[arg-type]  # all that it asks of a snapshot
    one = item(evidence=[{"doc": "a.pdf", "quote": "not to be looked for", "page": 2}])

    assert [(gold.start, gold.end) for gold in locator.locate(one)[0]] == [(10, 32)]


def test_another_way_of_cutting_leaves_gold_where_it_is(tmp_path: Path) -> None:
    sentences = [f"Rule {n} says that item {n} is stored in room {n * 7}." for n in range(60)]
    asked = item(evidence=[{"doc": "rules.md", "quote": sentences[31]}])
    found = []
    for target in ("60", "24"):
        (tmp_path / target).mkdir()
        bench = Workbench(tmp_path / target)
        bench.settings = settings_for(bench.store.path, RAG_CHUNKING__TARGET_TOKENS=target)
        bench.write("rules.md", "# Rules\n\n" + " ".join(sentences))
        bench.ingest()
        snapshot = bench.store.open()
        gold, lost = Locator(snapshot).locate(asked)
        chunks = snapshot.chunks_of("rules.md")
        assert not lost
        assert any(is_good(chunk, gold) for chunk in chunks)
        found.append((gold, len(chunks)))

    (gold, many), (same, more) = found
    assert gold == same
    assert more > many
