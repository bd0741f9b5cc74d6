"""Passages: numbered by rank, sentence by sentence, neighbours as one, nothing shown twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from corpus.types import Chunk, Hit, Scores
from rag.duplicates import Text, asked_words, repeats
from rag.neighbours import MOST
from rag.passages import build

TEXT = "Préface 😀. One is here. Two is there! Three?\n\nA last line without stop"


def hit(rank: int, document: str, start: int, end: int, text: str = TEXT) -> Hit:
    chunk = Chunk(rank, document, "Title", "md", start, end, text[start:end], ("Head",))
    return Hit(rank, 1 / rank, chunk, Scores(0.1, None, 1 / rank))


def test_passages_are_numbered_by_rank_and_carry_the_scores_of_their_hits() -> None:
    hits = [hit(1, "a", 0, 10), hit(2, "b", 0, 23), hit(3, "a", 12, 23)]

    shown, _ = build(hits)

    assert [passage.number for passage in shown] == [1, 2, 3]
    assert [(passage.chunk, passage.score, passage.scores) for passage in shown] == [
        (one.chunk, one.score, one.scores) for one in hits
    ]


def test_sentences_are_spans_of_the_document_and_not_of_the_chunk() -> None:
    start = TEXT.index("One")
    ((passage,), _) = build([hit(1, "a", start, len(TEXT))])

    assert [one.text for one in passage.sentences] == [
        "One is here.",
        "Two is there!",
        "Three?",
        "A last line without stop",
    ]
    for one in passage.sentences:
        assert TEXT[one.start : one.end] == one.text


def test_of_overlapping_hits_the_better_is_shown_and_neighbours_both_are() -> None:
    shown, dropped = build(
        [hit(1, "a", 10, 20), hit(2, "a", 19, 30), hit(3, "a", 20, 30), hit(4, "a", 0, 10)]
    )

    assert [(one.chunk.start, one.chunk.end) for one in shown] == [(10, 20), (20, 30), (0, 10)]
    assert [one.number for one in shown] == [1, 2, 3]
    assert [(one.start, one.end, one.reason) for one in dropped] == [(19, 30, "overlaps passage 1")]


def test_equal_text_of_two_documents_is_shown_once_and_equal_spans_of_two_both() -> None:
    assert [
        one.chunk.document_id for one in build([hit(1, "a", 0, 10), hit(2, "b", 0, 10)])[0]
    ] == ["a"]
    other = hit(2, "b", 0, 10, "Other text altogether")
    assert [one.chunk.document_id for one in build([hit(1, "a", 0, 10), other])[0]] == ["a", "b"]


def test_no_hits_are_no_passages() -> None:
    assert build([]) == ((), ())


def test_neighbours_are_one_passage_in_the_place_of_the_better_with_its_scores() -> None:
    one, two, three, last = (TEXT.index(word) for word in ("One", "Two", "Three", "A last"))
    hits = [
        hit(1, "b", 0, 10),
        hit(2, "a", two, three - 1),
        hit(3, "b", last, len(TEXT)),
        hit(4, "a", one, two - 1),
    ]

    (first, joined, last_one), dropped = build(hits, between=reader(a=TEXT, b=TEXT))

    assert dropped == ()
    assert [shown.chunk.document_id for shown in (first, joined, last_one)] == ["b", "a", "b"]
    assert (joined.number, joined.score, joined.scores) == (2, hits[1].score, hits[1].scores)
    assert (joined.chunk.start, joined.chunk.end) == (one, three - 1)
    assert joined.chunk.text == "One is here. Two is there!"
    assert [part.rank for part in joined.hits] == [2, 4]
    assert [part.text for part in joined.sentences] == ["One is here.", "Two is there!"]


def test_overlapping_hits_are_one_passage_where_neighbours_are_put_together() -> None:
    hits = [hit(1, "a", 10, 30), hit(2, "a", 25, 40), hit(3, "a", 12, 20)]

    ((passage,), dropped) = build(hits, between=reader(a=TEXT))

    assert (passage.chunk.start, passage.chunk.end, passage.chunk.text) == (10, 40, TEXT[10:40])
    assert [(one.start, one.reason) for one in dropped] == [(12, "overlaps passage 1")]


def test_words_or_headings_between_two_hits_keep_them_apart() -> None:
    other = hit(3, "a", 23, 30)
    other = replace(other, chunk=replace(other.chunk, headings=("Another",)))
    hits = [hit(1, "a", 0, 6), hit(2, "a", 10, 23), other]

    shown, dropped = build(hits, between=reader(a=TEXT))

    assert [(one.chunk.start, one.chunk.end) for one in shown] == [(0, 6), (10, 23), (23, 30)]
    assert dropped == ()


def test_no_passage_is_made_of_more_hits_than_a_prompt_can_take_whole() -> None:
    text = " ".join(f"Sentence {number} stands here." for number in range(9))
    spans = [(at * 24, at * 24 + 23) for at in range(8)]
    hits = [hit(rank, "a", *span, text) for rank, span in enumerate(spans, start=1)]

    shown, dropped = build(hits, between=reader(a=text))

    assert [len(one.hits) for one in shown] == [MOST, MOST, 2]
    assert [one.number for one in shown] == [1, 2, 3]
    assert dropped == ()


def test_the_place_of_what_is_left_out_goes_to_the_next_hit() -> None:
    texts = {name: f"Text {name} says that {name} is so, and nothing else." for name in "abcd"}
    hits = [
        hit(1, "a", 0, 40, texts["a"]),
        hit(2, "b", 0, 40, texts["a"]),
        hit(3, "c", 0, 40, texts["c"]),
        hit(4, "d", 0, 40, texts["d"]),
    ]

    shown, dropped = build(hits, 2)

    assert [one.chunk.document_id for one in shown] == ["a", "c"]
    assert [(one.document_id, one.reason) for one in dropped] == [
        ("b", "the same text as passage 1")
    ]


def reader(**texts: str):  # type: ignore[no-untyped-def]  # a Between
    return lambda document, start, end: texts[document][start:end]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 20)), max_size=12)
)
def test_no_character_is_shown_twice_and_none_that_could_be_shown_is_left_out(
    spans: list[tuple[str, int, int]],
) -> None:
    texts = {"a": TEXT * 3, "b": TEXT.upper() * 3}
    hits = [
        hit(rank, document, start, start + length, texts[document])
        for rank, (document, start, length) in enumerate(spans, start=1)
    ]

    shown = [passage.chunk for passage in build(hits)[0]]

    seen = [(one.document_id, place) for one in shown for place in range(one.start, one.end)]
    assert len(set(seen)) == len(seen)
    for one in (found.chunk for found in hits if found.chunk not in shown):
        covered = any((one.document_id, place) in set(seen) for place in range(one.start, one.end))
        assert covered or any(repeats(Text(one), Text(other)) for other in shown)
    for passage in build(hits)[0]:
        whole = texts[passage.chunk.document_id]
        for part in passage.sentences:
            assert whole[part.start : part.end] == part.text
            assert passage.chunk.start <= part.start < part.end <= passage.chunk.end


WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "went", "away", "GET", "7.0", "not", "<"]


@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), min_size=1, max_size=3),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(1, 3), st.booleans()),
        max_size=14,
    ),
    st.integers(1, 6),
    st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
)
def test_what_is_shown_says_different_things_in_order_and_the_rest_has_a_reason(
    sentences: list[list[str]],
    found: list[tuple[str, int, int, bool]],
    k: int,
    question: str,
) -> None:
    parts = [" ".join(words * 4) + "." for words in sentences] * 3
    texts = {"a": "\n".join(parts), "b": "\n".join(parts[::-1]), "c": " ".join(parts).upper()}
    hits = list[Hit]()
    for document, first, count, stops in found:
        text, ends = texts[document], [0]
        for part in parts[::-1] if document == "b" else parts:
            ends.append(ends[-1] + len(part) + 1)
        start, end = ends[min(first, len(parts) - 1)], ends[min(first + count, len(parts))] - 1
        end -= stops * (end - start > 9)
        hits.append(hit(len(hits) + 1, document, start, end, text))
    asked = asked_words(question)

    shown, dropped = build(hits, k, asked=question, between=reader(**texts))

    parts_shown = sorted((part for one in shown for part in one.hits), key=lambda one: one.rank)
    for better, worse in combinations(parts_shown, 2):
        overlapping = better.chunk.document_id == worse.chunk.document_id and (
            better.chunk.start < worse.chunk.end and worse.chunk.start < better.chunk.end
        )
        assert overlapping or not repeats(Text(worse.chunk), Text(better.chunk), asked)
    assert [one.number for one in shown] == list(range(1, len(shown) + 1))
    assert [one.hits[0].rank for one in shown] == sorted(one.hits[0].rank for one in shown)
    seen = [(one.chunk.document_id, at) for one in shown for at in range(*span(one.chunk))]
    assert len(set(seen)) == len(seen)
    for one in shown:
        whole = texts[one.chunk.document_id]
        assert whole[one.chunk.start : one.chunk.end] == one.chunk.text
        assert all(whole[part.start : part.end] == part.text for part in one.sentences)
        assert 1 <= len(one.hits) <= MOST
        assert span(one.chunk) == (
            min(part.chunk.start for part in one.hits),
            max(part.chunk.end for part in one.hits),
        )
    looked_at = len(parts_shown) + len(dropped)
    assert len(shown) <= k
    assert looked_at == len(hits) or len(shown) == k
    assert {one.rank for one in parts_shown} <= set(range(1, looked_at + 1))
    numbers = {f"passage {one.number}" for one in shown}
    assert all(any(one.reason.endswith(number) for number in numbers) for one in dropped)


def span(chunk: Chunk) -> tuple[int, int]:
    return chunk.start, chunk.end
