"""Questions that lean on what was said before."""

from __future__ import annotations

import pytest

from rag.answers import Question, Speaker, Turn
from rag.followups import joined, needs_history, usable

HISTORY = (
    Turn(Speaker.USER, "When does the canteen open?"),
    Turn(Speaker.ASSISTANT, "At noon [1]."),
)


@pytest.mark.parametrize(
    "question",
    [
        "And on Sundays?",
        "What about the garden?",
        "Why?",
        "Does it close on holidays?",
        "Who runs the place there?",
        "Is that the same in winter?",
        "How much?",
        "What were their names?",
    ],
)
def test_a_question_that_points_back_needs_its_history(question: str) -> None:
    assert needs_history(question, HISTORY)
    assert not needs_history(question, ())
    assert not needs_history(question, (Turn(Speaker.ASSISTANT, "Hello."),))


@pytest.mark.parametrize(
    "question",
    [
        "How many days of annual leave does every employee get?",
        "What is a chat template?",
        "Which tokens end an answer of Gemma?",
        "When does the swimming pool open in winter?",
    ],
)
def test_a_question_that_stands_by_itself_does_not(question: str) -> None:
    assert not needs_history(question, HISTORY)


def test_without_a_model_the_words_of_the_topic_are_added() -> None:
    assert joined(Question("And on Sundays?", 5, HISTORY)) == (
        "When does the canteen open? And on Sundays?"
    )


def test_questions_are_added_back_to_the_one_that_names_the_topic_and_no_further() -> None:
    older = (Turn(Speaker.USER, "Where do visitors park their cars?"), *HISTORY)
    history = (*older, Turn(Speaker.USER, "And on Sundays?"), Turn(Speaker.ASSISTANT, "Never."))

    assert joined(Question("Why?", 5, history)) == (
        "When does the canteen open? And on Sundays? Why?"
    )


def test_a_long_topic_is_cut_and_not_left_out() -> None:
    long = (Turn(Speaker.USER, "canteen " * 200),)

    assert joined(Question("Why?", 5, long)).startswith("canteen canteen")
    assert len(joined(Question("Why?", 5, long))) < 320


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("Does the canteen open on Sundays?", "Does the canteen open on Sundays?"),
        ('\n "Does the canteen open on Sundays?" \n', "Does the canteen open on Sundays?"),
        ("Sure! Here it is:\nDoes it open?", None),
        ("word " * 200, None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_model_wrote_is_taken_only_where_it_looks_like_a_question(
    written: str | None, taken: str | None
) -> None:
    assert usable(written) == taken
