"""Markers: each names what it says, none is lost, half of one is never seen."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.types import Chunk, Scores
from rag.answers import Cite, Passage, Sentence
from rag.engines.vllm.markers import Markers

Pieces = list[str | Cite]


def passage(number: int, sentences: int) -> Passage:
    chunk = Chunk(number, "a.md", "A", "md", 0, 1, "x", ())
    return Passage(number, chunk, 0.5, Scores(0.5, 1.0, 0.5), (Sentence(0, 1, "x"),) * sentences)


SHOWN = [passage(1, 3), passage(2, 2), passage(3, 1)]


def parsed(*parts: str) -> Pieces:
    markers = Markers(SHOWN)
    pieces = [piece for part in parts for piece in markers.feed(part)] + markers.end()
    joined: Pieces = []
    for piece in pieces:
        assert piece != ""
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A [1.2].", ["A", Cite(1, 2), "."]),
        ("A[1.2]", ["A", Cite(1, 2)]),
        ("A [1.2, 2.1] b", ["A", Cite(1, 2), Cite(2, 1), " b"]),
        ("A [1.2; 2.1]", ["A", Cite(1, 2), Cite(2, 1)]),
        ("A [1.2 2.1]", ["A", Cite(1, 2), Cite(2, 1)]),
        ("A [1.2][2.1]", ["A", Cite(1, 2), Cite(2, 1)]),
        ("A [1.2] [2.1]", ["A", Cite(1, 2), Cite(2, 1)]),
        ("A [1.1-1.3]", ["A", Cite(1, 1), Cite(1, 2), Cite(1, 3)]),
        ("A [1.1–3]", ["A", Cite(1, 1), Cite(1, 2), Cite(1, 3)]),
        ("A [1-3]", ["A", Cite(1, None), Cite(2, None), Cite(3, None)]),
        ("A [1.2, 1.1-1.3]", ["A", Cite(1, 2), Cite(1, 1), Cite(1, 3)]),
        ("A [1.3-1.1]", ["A", Cite(1, 3), Cite(1, 1)]),
        ("A [1.1-2.2]", ["A", Cite(1, 1), Cite(2, 2)]),
        ("A [ 1.2 ]", ["A", Cite(1, 2)]),
        ("A [1.2.]", ["A", Cite(1, 2)]),
        ("A [[1.2]]", ["A", Cite(1, 2)]),
        ("A 【1.2】。", ["A", Cite(1, 2), "。"]),
        ("A ［１．２］", ["A", Cite(1, 2)]),
        ("はい[1]。", ["はい", Cite(1, None), "。"]),
        ("A [1]", ["A", Cite(1, None)]),
        ("27 days[1].", ["27 days", Cite(1, None), "."]),
        ("A [1, 2.2]", ["A", Cite(1, None), Cite(2, 2)]),
    ],
)
def test_a_marker_is_a_citation_and_the_space_before_it_goes(text: str, expected: Pieces) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A [9.9].", ["A", Cite(9, 9), "."]),
        ("A [1.4]", ["A", Cite(1, 4)]),
        ("A [0.1]", ["A", Cite(0, 1)]),
        ("A [7] b", ["A", Cite(7, None), " b"]),
        ("[99]", [Cite(99, None)]),
        ("A [1, 9]", ["A", Cite(1, None), Cite(9, None)]),
        ("A [1.1-1.999]", ["A", Cite(1, 1), Cite(1, 2), Cite(1, 3), Cite(1, 999)]),
        ("A [8.1-8.999]", ["A", Cite(8, 1), Cite(8, 999)]),
    ],
)
def test_what_was_not_shown_is_a_citation_that_can_be_counted(text: str, expected: Pieces) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("[2024]", "[sic]", "[a]", "[]", "[ ]", "[1.2.3]", "[1.2, see above]", "[1.1234]", "[-1]"),
        *("[", "[1.2", "[1.2, ", "[[", "[[sic]]", "see [100]", "[10, 20]", "[^0-9]"),
        *("arr[0]", "arr[12] = 3", "`KEYS[1]`", "`[1, 2]`", "```lua\nreturn KEYS[1]\n```"),
        *("~~~\nx = [1]", "[x](https://example.org/a[b])", "- [ ] open\n- [x] done"),
        "[" + "1.1, " * 20 + "1.1]",
    ],
)
def test_what_only_looks_like_a_marker_stays_as_it_is(text: str) -> None:
    assert parsed(text) == [text]


def test_code_ends_where_its_ticks_or_its_fence_end() -> None:
    assert parsed("`KEYS[1]` is a key [1].") == ["`KEYS[1]` is a key", Cite(1, None), "."]
    assert parsed("```\nx[1]\n``` [1]") == ["```\nx[1]\n```", Cite(1, None)]
    assert parsed("```\nx\n```\nyes [1]") == ["```\nx\n```\nyes", Cite(1, None)]
    assert parsed("a ` alone\nyes [1]") == ["a ` alone\nyes", Cite(1, None)]
    assert parsed("`x[1] # [1.2]`") == ["`x[1] #", Cite(1, 2), "`"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A.\n[1.2]\nB", ["A.", Cite(1, 2), "\nB"]),
        ("A.\n\n[1.2] B", ["A.", Cite(1, 2), "\n\nB"]),
        ("A.\n[1.1]\n[1.2]", ["A.", Cite(1, 1), Cite(1, 2)]),
        ("- A\n[1.1]\n\n- B [1.2]", ["- A", Cite(1, 1), "\n\n- B", Cite(1, 2)]),
    ],
)
def test_a_line_break_before_a_marker_still_breaks_the_line(text: str, expected: Pieces) -> None:
    assert parsed(text) == expected


def test_text_is_let_out_at_once_unless_it_may_become_a_marker() -> None:
    markers = Markers(SHOWN)

    assert markers.feed("The leave is") == ["The leave is"]
    assert markers.feed(" ") == []
    assert markers.feed("27 days ") == [" 27 days"]
    assert markers.feed("[1") == []
    assert markers.feed(".2") == []
    assert markers.feed("]. ") == [Cite(1, 2), "."]
    assert markers.feed("[s") == [" [s"]
    assert markers.feed("ic] [1") == ["ic]"]
    assert markers.end() == [" [1"]


def test_no_more_than_64_characters_are_held_back() -> None:
    markers = Markers(SHOWN)
    told = "".join(piece for _ in range(200) for piece in markers.feed("[1") if piece)  # type: ignore[misc]  # text only

    assert len(told) >= 400 - 64
    digits = Markers(SHOWN)
    assert digits.feed("[" + "1" * 62) == []
    assert digits.feed("1") == ["[" + "1" * 63]


TEXTS = st.text("[]【】［］１．12.9, -–;a`\n~0", max_size=40)
MARKER_LIKE = st.sampled_from(
    [
        "[1.2]",
        " [1.2]",
        "[9.9]",
        "[1]",
        "[[1.1]]",
        "【2.1】",
        "[1.1-1.3]",
        "\n[3.1]",
        "a[1]",
        "`",
        "[sic]",
    ]
)
ANSWERS = st.lists(TEXTS | MARKER_LIKE, max_size=12).map("".join)


@given(ANSWERS, st.lists(st.integers(1, 7), min_size=1, max_size=30))
@example("a [[1.2]", [1])
@example("\n[1.2] \n[1.1]x", [1])
def test_however_the_text_is_cut_the_result_is_the_same(text: str, sizes: list[int]) -> None:
    parts, at = [], 0
    for size in sizes * (len(text) + 1):
        if at >= len(text):
            break
        parts.append(text[at : at + size])
        at += size

    assert parsed(*parts) == parsed(text)
    assert parsed(*text) == parsed(text)


@given(ANSWERS)
def test_nothing_but_markers_and_the_space_before_them_is_lost(text: str) -> None:
    marker = r"[\[\]【】［］１．1239.0,–;-]+"
    left = "".join("\0" if isinstance(piece, Cite) else piece for piece in parsed(text))
    stretches = re.split("\0+", re.sub(r"\s", "", left))

    assert re.fullmatch(marker.join(map(re.escape, stretches)), re.sub(r"\s", "", text))


@given(ANSWERS.map(lambda text: text.replace("`", "")))
def test_no_marker_of_a_shown_sentence_is_left_in_the_text(text: str) -> None:
    left = "\0".join(piece for piece in parsed(text.replace("~", "")) if isinstance(piece, str))

    assert not re.search(r"[\[【] ?(?:1\.[123]|2\.[12]|3\.1|[123]) ?[\]】]", left)


def test_a_long_answer_takes_time_in_proportion_to_its_length() -> None:
    def seconds(text: str) -> float:
        began = time.perf_counter()
        parsed(*text)
        return time.perf_counter() - began

    seconds("[1" * 1000)
    for unit in ("[1", "[[1.1", "word [1.2] ", "[" * 10, "`[1]"):
        short, long = seconds(unit * 500), seconds(unit * 5000)
        assert long < 40 * max(short, 0.002), unit
