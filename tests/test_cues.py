"""Cues: what kind of thing a question asks for."""

from __future__ import annotations

import pytest

from rag.cues import holds, kind_asked


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did it open?", "date"),
        ("In which year did it open?", "date"),
        ("What was the first year?", "date"),
        ("How many rooms are there?", "number"),
        ("What percentage is water?", "number"),
        ("What is the current population of Rome?", "number"),
        ("Who opened it?", "name"),
        ("Whose idea was it?", "name"),
        ("Where is it?", "place"),
        ("In what country is Normandy located?", "place"),
        ("Why is it red?", "reason"),
        ("Since which version is it available?", "version"),
        ("How do I open it?", None),
        ("Wann wurde es gebaut?", None),
    ],
)
def test_a_question_tells_what_it_asks_for(question: str, kind: str | None) -> None:
    assert kind_asked(question) == kind


@pytest.mark.parametrize(
    ("kind", "sentence", "found"),
    [
        ("date", "It opened in May.", True),
        ("date", "It opened in 1889.", True),
        ("date", "It has 42 rooms.", False),
        ("number", "It has 42 rooms.", True),
        ("number", "It has two rooms.", True),
        ("number", "It has rooms.", False),
        ("name", "The idea was Eiffel's.", True),
        ("name", "The idea was good.", False),
        ("place", "It stands in Paris.", True),
        ("place", "It stands in mud.", False),
        ("reason", "It is red because it rusts.", True),
        ("reason", "It is red.", False),
        ("version", "Available since: 6.2.0", True),
        ("version", "Available since 6", False),
        (None, "It opened in 1889 in Paris.", False),
    ],
)
def test_a_sentence_holds_what_is_asked_for(kind: str | None, sentence: str, found: bool) -> None:
    assert holds(kind, sentence, frozenset()) is found


def test_what_the_question_says_itself_is_no_answer() -> None:
    assert not holds("date", "What happened in 1889?", {"1889"})
    assert holds("date", "Between 1889 and 1900 it rusted.", {"1889"})
