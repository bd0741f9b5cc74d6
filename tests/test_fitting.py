"""What goes into a prompt: counted in the model's tokens, whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import PromptTooLong
from rag.answers import Question, Speaker, Style, Turn
from rag.prompt.fitting import Asking, Fitted, Room, fit
from rag.prompt.instructions import load
from rag.prompt.model import PromptModel
from tests.talking import model, passage

ASKING = Asking(load(), Style.CONCISE, examples=True)
PASSAGES = [passage(n, [f"Sentence {n} has some words.", "Another one."] * n) for n in range(1, 9)]
QUESTION = Question("How many days?", 8)
MODEL: PromptModel = model()


def fitted(context: int, question: Question = QUESTION, passages: int = 10_000) -> Fitted:
    return fit(MODEL, ASKING, question, PASSAGES, Room(context, 100, passages))


def test_all_passages_are_shown_where_there_is_room() -> None:
    found = fitted(100_000)

    assert list(found.shown) == PASSAGES
    assert (found.dropped, found.left_out) == ((), ())
    assert sum(found.prompt.ledger().values()) == len(found.prompt.ids)
    parts = found.prompt.ledger()
    assert {f"passage {n}" for n in range(1, 9)} <= parts.keys()
    assert {"template", "instructions", "example", "question"} <= parts.keys()


@settings(max_examples=60)
@given(context=st.integers(1200, 6000))
def test_whatever_the_context_the_prompt_fits_and_nothing_is_cut(context: int) -> None:
    try:
        found = fitted(context)
    except PromptTooLong:
        return
    assert len(found.prompt.ids) + 100 <= context
    assert found.shown
    text = found.prompt.rendered.text
    for one in PASSAGES:
        whole = all(sentence.text in text for sentence in one.sentences)
        assert (f"\n[{one.number}] Leave" in text) == (one in found.shown)
        assert whole or one not in found.shown
    assert len(found.dropped) == len(PASSAGES) - len(found.shown)
    assert all("no room for it" in one.reason for one in found.dropped)


def test_the_best_passages_stay_and_a_smaller_one_takes_the_room_that_is_left() -> None:
    all_of_it = fitted(100_000).prompt.ledger()
    room = all_of_it["passage 1"] + all_of_it["passage 2"] + all_of_it["passage 3"] + 20

    found = fitted(100_000, passages=room)

    assert [one.number for one in found.shown] == [1, 2, 3]


def test_examples_go_before_the_conversation_and_its_oldest_turns_before_passages() -> None:
    turns = [Turn(Speaker.USER, f"Question {n}? " * 20) for n in range(3)]
    history = tuple(
        turn for one in turns for turn in (one, Turn(Speaker.ASSISTANT, "It is so. " * 20))
    )
    asked = Question("How many days?", 8, history)
    needed = len(fitted(100_000, asked).prompt.ids)
    example = fitted(100_000, asked).prompt.ledger()["example"]
    passages = sum(
        count for part, count in fitted(100_000, asked).prompt.ledger().items() if "passage" in part
    )

    bare = fitted(needed - passages - example // 2 + 100, asked)
    trimmed = fitted(needed - passages - example - 200 + 100, asked)

    assert bare.left_out == ("the examples",)
    assert bare.prompt.ledger()["history"] == fitted(100_000, asked).prompt.ledger()["history"]
    assert trimmed.left_out == ("the examples", "the 2 oldest turns of the conversation")
    assert "Question 0?" not in trimmed.prompt.rendered.text
    assert "Question 2?" in trimmed.prompt.rendered.text


def test_a_question_that_leaves_no_room_is_refused_with_the_numbers() -> None:
    with pytest.raises(PromptTooLong, match=r"have \d+ tokens .* the model holds 500") as refused:
        fitted(500, Question("word " * 500, 8))
    assert refused.value.param == "question"
