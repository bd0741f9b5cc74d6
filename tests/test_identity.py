"""Ids say what a thing is: equal for equal things, in any order, and other for any difference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.identity import chunk_id, document_digest, snapshot_id, source_digest, text_key
from corpus.types import Document, LedgerRow, Status

DOCUMENT = Document("a.md", "a.md", "A", "text", "md", {"author": "x"})
ROW = LedgerRow("a.md", 1, "a.md", Status.INDEXED, "", "0" * 64, 4, digest="d")


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b.md"},
        {"source": "b.md"},
        {"title": "B"},
        {"text": "text "},
        {"format": "txt"},
        {"metadata": {"author": "y"}},
        {"metadata": {}},
    ],
)
def test_a_document_has_another_digest_whatever_differs(change: dict[str, object]) -> None:
    assert document_digest(replace(DOCUMENT, **change)) != document_digest(DOCUMENT)  # type: ignore[arg-type]  # fields of it


def test_a_digest_does_not_hang_on_the_order_of_metadata_or_documents() -> None:
    one = replace(DOCUMENT, metadata={"a": "1", "b": "2"})
    other = replace(DOCUMENT, metadata={"b": "2", "a": "1"})

    assert document_digest(one) == document_digest(other)
    assert source_digest(["x", "y"]) == source_digest(["y", "x"]) != source_digest(["x"])


def test_fields_do_not_run_into_each_other() -> None:
    one = replace(DOCUMENT, title="ab", text="c")
    other = replace(DOCUMENT, title="a", text="bc")

    assert document_digest(one) != document_digest(other)
    assert chunk_id("d", 1, 23) != chunk_id("d", 12, 3)


@given(st.text("0123456789abcdef", min_size=1), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_chunk_id_fits_the_signed_integers_of_every_library(
    digest: str, start: int, end: int
) -> None:
    assert 0 <= chunk_id(digest, start, end) < 2**63


def test_ids_are_the_same_on_every_machine() -> None:
    """Written down once: stores that exist hang on them."""
    assert chunk_id("d", 0, 4) == 1995379885695799165
    assert text_key("text") == "d732c6be860e019351f99173fa6ae612"
    assert document_digest(DOCUMENT).startswith("795252e77a0f6398")


@given(st.permutations([replace(ROW, path=name, source=name) for name in "abcd"]))
def test_a_snapshot_is_named_by_what_it_says_in_any_order(rows: list[LedgerRow]) -> None:
    assert snapshot_id(rows, {"x": 1}, "f") == snapshot_id(sorted(rows, key=str), {"x": 1}, "f")


@pytest.mark.parametrize(
    "change",
    [
        {"source": "b"},
        {"root": 2},
        {"path": "b"},
        {"status": Status.EMPTY},
        {"reason": "r"},
        {"digest": "e"},
        {"stale": True},
    ],
)
def test_a_snapshot_that_says_otherwise_has_another_id(change: dict[str, object]) -> None:
    other = replace(ROW, **change)  # type: ignore[arg-type]  # fields of it

    assert snapshot_id([other], {}, "f") != snapshot_id([ROW], {}, "f")
    assert snapshot_id([ROW], {}, "g") != snapshot_id([ROW], {}, "f")
    assert snapshot_id([ROW], {"chunking": 1}, "f") != snapshot_id([ROW], {}, "f")


def test_a_snapshot_id_is_a_safe_name() -> None:
    name = snapshot_id([ROW], {}, "f")

    assert name.isalnum()
    assert len(name) == 20
