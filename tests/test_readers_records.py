"""JSON lines: one document per good line, and a named reason for every other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UnreadableSource
from ingest.parsed import Reading
from ingest.readers import reader_for
from tests.reading import blocks, checked, unsearched

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["text", "_id", "k"]), inner),
    max_leaves=5,
)


def read(*lines: object) -> Reading:
    data = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return checked(reader_for("jsonl")(data.encode()))


@given(values=st.lists(JSON | st.dictionaries(st.sampled_from(["text", "_id", "title"]), JSON)))
def test_every_line_is_a_document_or_a_remark(values: list[object]) -> None:
    try:
        reading = read(*map(json.dumps, values))
    except UnreadableSource:
        return
    left_out = [remark for remark in reading.remarks if remark.startswith("line ")]
    if len(values) <= 10:
        assert len(reading.documents) + len(left_out) == len(values)
    assert len({document.record_id for document in reading.documents}) == len(reading.documents)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip))
def test_the_text_of_a_record_is_verbatim_and_searched(text: str) -> None:
    (document,) = read({"_id": "a", "text": text}).documents

    assert document.text == text
    assert unsearched(document) == []


def test_a_beir_record() -> None:
    record = {"_id": "42", "title": "On  rain", "text": "Wet.\n\nVery.", "metadata": {"year": 1999}}

    (document,) = read(record).documents

    assert (document.record_id, document.title, document.text) == ("42", "On rain", "Wet.\n\nVery.")
    assert document.metadata == {"year": "1999"}
    assert blocks(document) == ["Wet.", "Very."]


def test_other_names_of_the_fields_are_known() -> None:
    reading = read(
        {"id": 7, "contents": "a", "tags": ["x", 1], "ok": True, "gone": None, "deep": {"a": 1}},
        {"docid": "d", "body": "b"},
        "",
        {"content": "c"},
    )

    assert [d.record_id for d in reading.documents] == ["7", "d", "line-4"]
    assert reading.documents[0].metadata == {"tags": "x, 1", "ok": "true"}


def test_lines_that_are_no_records_are_named_with_the_reason() -> None:
    reading = read(
        {"_id": "1", "text": "a"},
        "nope",
        "[1]",
        {"_id": 1, "text": "b"},
        {"_id": "2", "text": "  "},
        {"_id": "3", "text": 4},
        {"_id": "5"},
        '{"_id": "6", "text": "\\ud800"}',
        "[" * 100_000,
    )

    assert [d.record_id for d in reading.documents] == ["1"]
    assert [remark.split(":")[0] for remark in reading.remarks] == [
        f"line {n}" for n in range(2, 10)
    ]
    for remark, reason in zip(
        reading.remarks,
        (
            "not JSON",
            "not an object",
            "that of line 1",
            "is empty",
            "not a string",
            "no text",
            "half",
        ),
        strict=False,
    ):
        assert reason in remark


def test_many_bad_lines_are_counted() -> None:
    reading = read({"text": "a"}, *["nope"] * 30)

    assert len(reading.remarks) == 11
    assert reading.remarks[-1] == "20 more lines are no records"


def test_a_file_without_a_record_is_refused_and_an_empty_one_is_empty() -> None:
    with pytest.raises(UnreadableSource, match=r"no line is a record; line 1: not JSON"):
        read("nope", "nope")
    assert read("", "  ").documents == ()
