"""Passages: numbered by rank, sentence by sentence, and nothing shown twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corpus.types import Chunk, Hit, Scores
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
        assert covered or one.text in [other.text for other in shown]
    for passage in build(hits)[0]:
        whole = texts[passage.chunk.document_id]
        for part in passage.sentences:
            assert whole[part.start : part.end] == part.text
            assert passage.chunk.start <= part.start < part.end <= passage.chunk.end
