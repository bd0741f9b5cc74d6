"""The measures against figures made by hand, their intervals, and the way answers are judged."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import pytest

from corpus.types import Chunk, Scores
from rag.answers import Answer, Citation, Outcome, Passage, Sentence, SnapshotInfo, Verdict
from rag.evaluation import coverage
from rag.evaluation.answering import (
    Answered,
    answer_values,
    failed,
    judged,
    stands_in,
    without_markers,
)
from rag.evaluation.bootstrap import compare, estimate, mean_of
from rag.evaluation.locating import Gold
from rag.evaluation.questions import Item
from rag.evaluation.retrieval import Ranking, document_values, first_good, span_values
from rag.evaluation.squad import exact_match, f1, normalised


def chunk(document: str, start: int, end: int) -> Chunk:
    return Chunk(0, document, "", "txt", start, end, "", ())


def gold(document: str, start: int, end: int) -> Gold:
    return Gold(document, start, end, "")


def other(count: int) -> list[Chunk]:
    return [chunk("other", 10 * n, 10 * n + 10) for n in range(count)]


# --- retrieval ----------------------------------------------------------------------------------


def test_a_toy_run_has_the_values_that_were_made_by_hand() -> None:
    late = Ranking([*other(2), chunk("a", 0, 10), chunk("a", 10, 20)], [gold("a", 5, 8)])
    two = Ranking(
        [chunk("b", 0, 10), *other(5), chunk("c", 0, 10)], [gold("b", 9, 12), gold("c", 0, 3)]
    )
    nothing = Ranking(other(3), [gold("a", 0, 4)])
    without = Ranking(other(3))

    values = span_values([late, two, nothing, without])

    assert values[0] == pytest.approx(
        {
            "recall@1": 0,
            "recall@5": 1,
            "recall@10": 1,
            "hit@1": 0,
            "hit@5": 1,
            "hit@10": 1,
            "mrr": 1 / 3,
            "ndcg@10": 1 / log2(4),
        }
    )
    assert values[1] == pytest.approx(
        {
            "recall@1": 0.5,
            "recall@5": 0.5,
            "recall@10": 1,
            "hit@1": 1,
            "hit@5": 1,
            "hit@10": 1,
            "mrr": 1,
            "ndcg@10": (1 + 1 / log2(8)) / (1 + 1 / log2(3)),
        }
    )
    assert set(values[2].values()) == {0.0}
    assert values[3] == {}
    assert [first_good(one) for one in (late, two, nothing, without)] == [3, 1, None, None]


def test_touching_is_not_overlapping() -> None:
    ranking = Ranking([chunk("a", 0, 10), chunk("a", 10, 20)], [gold("a", 10, 12)])

    assert first_good(ranking) == 2
    assert span_values([ranking])[0]["mrr"] == 0.5


def test_the_same_span_shown_twice_gains_once_and_two_in_one_chunk_gain_two() -> None:
    twice = Ranking([chunk("a", 0, 10), chunk("a", 5, 15)], [gold("a", 6, 9)])
    both = Ranking([chunk("a", 0, 100)], [gold("a", 0, 5), gold("a", 50, 55)])

    assert span_values([twice])[0]["ndcg@10"] == pytest.approx(1)
    assert set(span_values([both])[0].values()) == {1.0}


def test_a_long_chunk_that_shows_two_gains_two_where_it_stands() -> None:
    ranking = Ranking(
        [chunk("b", 0, 10), chunk("a", 0, 100)],
        [gold("a", 0, 5), gold("a", 50, 55), gold("b", 0, 5)],
    )

    assert span_values([ranking])[0]["ndcg@10"] == pytest.approx(
        (1 + 2 / log2(3)) / (2 + 1 / log2(3))
    )


def test_gold_beyond_the_tenth_hit_counts_for_mrr_alone() -> None:
    values = span_values([Ranking([*other(40), chunk("a", 0, 9)], [gold("a", 0, 9)])])[0]

    assert values.pop("mrr") == pytest.approx(1 / 41)
    assert set(values.values()) == {0.0}


def test_a_search_that_found_nothing_has_zeros() -> None:
    ranking = Ranking([], [gold("a", 0, 1)], {"a": 1})

    assert set(span_values([ranking])[0].values()) == {0.0}
    assert set(document_values([ranking])[0].values()) == {0.0}


def test_only_the_first_chunk_of_a_document_counts_among_documents() -> None:
    chunks = [chunk("x", 0, 1), chunk("x", 1, 2), chunk("x", 2, 3), chunk("a", 0, 1)]
    values = document_values([Ranking(chunks, (), {"a": 1, "gone": 1}), Ranking(chunks)])

    assert values[0] == pytest.approx(
        {
            "recall@1": 0,
            "recall@5": 0.5,
            "recall@10": 0.5,
            "mrr": 0.5,
            "ndcg@10": (1 / log2(3)) / (1 + 1 / log2(3)),
        }
    )
    assert values[1] == {}


def test_a_document_that_is_more_relevant_gains_more() -> None:
    ranked = Ranking([chunk("b", 0, 1), chunk("a", 0, 1)], (), {"a": 2, "b": 1})

    assert document_values([ranked])[0]["ndcg@10"] == pytest.approx(
        (1 + 2 / log2(3)) / (2 + 1 / log2(3))
    )


# --- exact match and F1 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Normans!", "normans"),
        ("an apple a day, the end", "apple day end"),
        ("U.S.A.", "usa"),
        ("10th-century", "10thcentury"),
        ("Athens", "athens"),
        ("“quoted”", "“quoted”"),
        (" \n", ""),
    ],
)
def test_texts_are_normalised_as_squad_does(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_the_best_gold_answer_counts() -> None:
    golds = ["Denmark, Iceland and Norway", "Norway"]

    assert exact_match("the norway", golds) == 1
    assert exact_match("Norway and Sweden", golds) == 0
    assert f1("Norway and Sweden", golds) == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert f1("", ["a"]) == 1  # both are empty once normalised
    assert f1("", ["x"]) == f1("y", ["x"]) == 0
    assert f1("x x y", ["x z"]) == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))


# --- answers ------------------------------------------------------------------------------------

DOCUMENT = "All get 27 days. In the north it is 127 days of rain."


def answer(text: str, *spans: tuple[int, int], quote: str | None = None) -> Answer:
    citations = tuple(
        Citation(
            marker=str(number),
            document_id="leave.md",
            title="",
            start=start,
            end=end,
            quote=DOCUMENT[start:end] if quote is None else quote,
            headings=(),
            page=None,
            score=1,
            verdict=Verdict.VERBATIM,
            answer_start=0,
            answer_end=1,
        )
        for number, (start, end) in enumerate(spans, start=1)
    )
    outcome = Outcome.ANSWERED if spans else Outcome.ABSTAINED
    info = SnapshotInfo("s", "", 0)
    return Answer("a", outcome, text, citations, "extractive", None, info, (), 1)


def asked(answers: Sequence[str] = ("27",), answerable: bool | None = True) -> Item:
    return Item(id="q", question="How many days?", answers=tuple(answers), answerable=answerable)


def values(item: Item, given: Answer, *golds: Gold) -> dict[str, float]:
    return answer_values(item, golds, judged(item, golds, given, (), {"leave.md": DOCUMENT}.get))


def test_a_right_answer_is_right_in_every_way() -> None:
    assert values(asked(["All get 27 days."]), answer("All get 27 days. [1]", (0, 16))) == {
        "accuracy": 1,
        "answered": 1,
        "gold_in_quotes": 1,
        "em": 1,
        "f1": 1,
        "citations_exact": 1,
    }


def test_a_number_within_another_is_not_that_number() -> None:
    rain = answer("In the north it is 127 days of rain. [1]", (17, 53))

    assert values(asked(), rain)["gold_in_quotes"] == 0
    assert values(asked(), rain)["accuracy"] == 0
    assert values(asked(["127"]), rain)["accuracy"] == 1


@pytest.mark.parametrize(
    ("wanted", "text", "held"),
    [
        ("5", "15 or 50", False),
        ("5", "15 or 5.", True),
        ("yes", "your eyes", False),
        ("norman", "the normans", False),
        ("東京", "私は東京都に住む", True),
        ("", "x", False),
    ],
)
def test_gold_stands_in_a_text_as_a_word(wanted: str, text: str, held: bool) -> None:
    assert stands_in(wanted or "\0", text) is held


def test_long_gold_is_found_by_its_place() -> None:
    item = asked(["x" * 101])
    said = answer("All get 27 days. [1]", (0, 16))

    assert values(item, said, gold("leave.md", 10, 20))["gold_in_quotes"] == 1
    assert values(item, said, gold("leave.md", 16, 20))["gold_in_quotes"] == 0
    assert values(item, said, gold("other.md", 10, 20))["accuracy"] == 0


def test_a_citation_that_is_not_its_span_is_told() -> None:
    said = answer("27 [1] and more [2]", (8, 10), (0, 3), quote="27")

    assert values(asked(), said)["citations_exact"] == 0.5


def test_abstaining_is_right_where_there_is_no_answer_and_only_there() -> None:
    silent = answer("The documents do not say.")

    assert values(asked([], answerable=False), silent) == {
        "accuracy": 1,
        "abstention_recall": 1,
        "abstention_precision": 1,
    }
    assert values(asked(), silent) == {
        "accuracy": 0,
        "answered": 0,
        "gold_in_quotes": 0,
        "em": 0,
        "f1": 0,
        "abstention_precision": 0,
    }
    assert values(asked([], answerable=None), silent) == {}


def test_answering_what_cannot_be_answered_is_wrong() -> None:
    found = values(asked([], answerable=False), answer("All get 27 days. [1]", (0, 16)))

    assert found == {"accuracy": 0, "abstention_recall": 0, "citations_exact": 1}


def test_a_failed_answer_is_neither_right_nor_an_abstention() -> None:
    assert answer_values(asked([], answerable=False), [], failed("broken")) == {
        "accuracy": 0,
        "abstention_recall": 0,
    }


def test_markers_are_no_part_of_what_was_said() -> None:
    assert without_markers(answer("27 days [1], not 5 [2][1] [3].", (0, 1), (1, 2))) == (
        "27 days, not 5 [3]."
    )


def test_confidence_is_that_of_the_evidence() -> None:
    text = "All employees get 27 days of annual leave."
    at = Chunk(1, "leave.md", "Leave", "md", 0, len(text), text, ())
    scores = Scores(0.8, 3.0, 1.0)
    passage = Passage(1, at, 1.0, scores, (Sentence(0, len(text), text),))
    about = Item(id="q", question="How many days of annual leave?", answerable=True)
    off = Item(id="q", question="Who painted the ceiling of Rome?", answerable=True)
    sure, unsure = (
        judged(one, (), answer("x"), [passage], lambda _: None).confidence for one in (about, off)
    )

    assert 0 <= unsure < sure <= 1


# --- risk and coverage --------------------------------------------------------------------------


def said(confidence: float, right: bool = True, status: str = "answered") -> Answered:
    return Answered(status, "", (), confidence, right)


def area(*pairs: tuple[bool, Answered]) -> float:
    confidences, wrong = coverage.columns(pairs)
    return float(coverage.areas(confidences, wrong, np.ones((1, len(pairs))))[0])


def test_the_area_under_the_curve_is_the_mean_risk() -> None:
    # Surest first: right, wrong, right: risks 0, 1/2, 1/3.
    pairs = [(True, said(0.9)), (True, said(0.5)), (True, said(0.7, right=False))]

    assert area(*pairs) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_an_abstention_comes_last_and_a_question_without_answer_is_never_right() -> None:
    abstained = (False, said(0.99, right=True, status="abstained"))
    drawn = coverage.curve(*coverage.columns([abstained, (True, said(0.1))]), answered=0.5)

    assert drawn.coverage == (0.5, 1)
    assert drawn.risk == (0, 0.5)


def test_the_order_of_equally_sure_answers_does_not_matter() -> None:
    right, wrong = (True, said(0.5)), (True, said(0.5, right=False))

    assert area(right, wrong) == area(wrong, right) == 0.5


def test_a_weight_is_a_question_that_often() -> None:
    confidences, wrong = coverage.columns([(True, said(0.9)), (True, said(0.5, right=False))])
    weighed = coverage.areas(confidences, wrong, np.array([[2.0, 1.0], [0.0, 3.0]]))
    repeated = area((True, said(0.9)), (True, said(0.9)), (True, said(0.5, right=False)))

    assert weighed.tolist() == pytest.approx([repeated, 1.0])


# --- intervals ----------------------------------------------------------------------------------


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        sample = (chance.random(100) < 0.7).astype(float)
        found = estimate({"m": (mean_of(sample), 100)}, 100, 1000, seed)["m"]
        assert found.low <= found.value <= found.high
        covered += found.low <= 0.7 <= found.high
    assert 180 <= covered <= 198


def test_a_seed_gives_the_same_interval_again_and_another_one_another() -> None:
    sample = np.random.default_rng(0).random(50)
    first, again, another = (
        estimate({"m": (mean_of(sample), 50)}, 50, 1000, seed)["m"] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != another


def test_questions_without_a_value_do_not_count() -> None:
    sample = np.array([1.0, np.nan, 0.0, np.nan])
    found = estimate({"m": (mean_of(sample), 2)}, 4, 1000, 0)["m"]

    assert (found.value, found.questions) == (0.5, 2)
    assert (found.low, found.high) == (0, 1)


def test_a_small_difference_on_every_question_is_clear_though_the_intervals_overlap() -> None:
    before = np.random.default_rng(2).random(100)
    after = before + 0.02
    alone = [estimate({"m": (mean_of(one), 100)}, 100, 1000, 0)["m"] for one in (before, after)]
    found = compare({"m": mean_of(before)}, {"m": mean_of(after)}, 100, 1000, 0)["m"]

    assert alone[0].high > alone[1].low
    assert found.is_clear
    assert found.difference == pytest.approx(0.02)
    assert found.low == pytest.approx(0.02)
