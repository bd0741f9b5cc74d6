"""A ledger reads back as it was written, and as earlier versions wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import ledger
from corpus.types import LedgerRow, Status

texts = st.text(st.characters(exclude_categories=["Cs"]))
rows = st.builds(
    LedgerRow,
    *(texts, st.integers(1, 9), texts, st.sampled_from(Status), texts, texts),
    *(st.integers(0, 2**50), texts, texts, st.integers(0), st.integers(0), texts),
    *(st.booleans(), texts),
)


@given(st.lists(rows))
def test_rows_read_back_as_they_were_written(written: list[LedgerRow]) -> None:
    data = ledger.to_bytes(written)

    assert ledger.from_bytes(data) == ledger.ordered(written)
    assert len(data.split(b"\n")) == len(written) + 1


@given(st.lists(rows))
def test_what_the_standard_library_wrote_is_read(written: list[LedgerRow]) -> None:
    data = "".join(json.dumps(asdict(row)) + "\n" for row in written).encode()

    assert ledger.from_bytes(data) == written


def test_what_later_versions_say_besides_is_passed_over() -> None:
    row = LedgerRow("a.md", 1, "a.md", Status.INDEXED)

    assert ledger.from_bytes(json.dumps({**asdict(row), "colour": "red"}).encode()) == [row]


@pytest.mark.parametrize("line", [b"{}", b'{"source": 1, "root": 1, "path": "a"}', b"x"])
def test_what_is_no_row_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ledger.from_bytes(line)
