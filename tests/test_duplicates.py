"""Near duplicates: what says nothing new is found, and what differs in a fact never is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.types import Chunk
from rag.duplicates import ALIKE, RUN, Text, asked_words, repeats

LONG = (
    "A replica follows its primary and takes over when the primary is gone for a while. It keeps "
    "a copy of every key, so that reads can be spread over many machines, and it asks for what it "
    "has missed as soon as the link is there again. Where too much was missed the whole set is "
    "sent once more, which costs the primary a fork, memory for the pages that change meanwhile, "
    "and a good part of its network for as long as it takes. An operator who cannot afford this "
    "gives the backlog more room, because a larger backlog holds more of what a replica may miss "
    "while it is away, and a partial transfer is then enough to catch up with the primary."
)

PART = LONG[LONG.index("It keeps") : LONG.index(" Where")]


def text(body: str, title: str = "Title", document: str = "a", headings: str = "Head") -> Text:
    return Text(Chunk(1, document, title, "md", 0, len(body), body, (headings,)))


def likeness(new: str, old: str, question: str = "") -> str:
    return repeats(text(new, document="b"), text(old), asked_words(question))


def test_the_same_text_a_part_of_it_and_nearly_the_same_are_told_apart() -> None:
    assert likeness(LONG, LONG) == "the same text as"
    assert likeness(PART, LONG) == "nothing that is not in"
    assert likeness(LONG.replace("many", "several"), LONG) == "nearly the same text as"
    assert likeness("Water boils at a hundred degrees and ice melts at none.", LONG) == ""


def test_a_text_that_holds_more_than_what_is_shown_is_no_duplicate() -> None:
    assert likeness(LONG, PART) == ""


def test_layout_and_emphasis_are_no_difference() -> None:
    assert likeness(LONG.replace("copy", "**copy**").replace(". ", ".\n\n"), LONG) != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a copy of every key", "a copy of every 7 keys"),
        ("too much was missed", "v7.2.1 was missed"),
        ("A replica follows", "A Sentinel follows"),
        ("too much was missed", "too much was not missed"),
        ("many machines", "many_machines"),
        ("many machines", "< machines"),
        ("spread over many", "spread over -5"),
        ("who cannot afford", "who can afford"),
        ("every key", "every KEY"),
        ("% of it", "% of 7 it"),
        ("-> 5 %", "<- 5 %"),
        ("-> 5 %", "-> -5 %"),
    ],
)
def test_a_number_a_name_a_sign_or_a_negation_that_differs_is_no_duplicate(
    old: str, new: str
) -> None:
    before = f"{LONG} So it goes from a to b -> 5 % of it."
    changed = before.replace(old, new)
    assert changed != before
    assert likeness(changed, before) == ""
    assert likeness(before, changed) == ""


def test_numbers_in_another_order_are_no_duplicate() -> None:
    one, other = (f"{LONG} It took {a} s, then {b} s." for a, b in (("10", "30"), ("30", "10")))
    assert likeness(one, other) == ""


def test_a_word_that_is_asked_for_tells_two_texts_apart() -> None:
    changed = LONG.replace("backlog more room", "buffer more room")
    assert likeness(changed, LONG) == "nearly the same text as"
    assert likeness(changed, LONG, "How large should the buffer be?") == ""
    assert likeness(changed, LONG, "How large should a backlog be?") == "nearly the same text as"


def test_what_stands_above_a_text_tells_it_apart_where_it_is_asked_for() -> None:
    old = text(LONG, title="Replication in version 6", document="v6/replication.md")
    new = text(LONG, title="Replication in version 7", document="v7/replication.md")
    assert repeats(new, old) == "the same text as"
    assert repeats(new, old, asked_words("What does a replica do in version 7?")) == ""
    assert repeats(new, old, asked_words("What does a replica do in version 6?")) != ""


def test_a_short_text_is_one_only_under_the_same_headings() -> None:
    of_get, of_set = (text("Time complexity: O(1)", title=name) for name in ("GET", "SET"))
    again = text("Time complexity: O(1)", title="GET", document="b")
    assert repeats(of_set, of_get) == ""
    assert repeats(again, of_get) == "the same text as"


def test_texts_without_words_or_capitals_can_be_compared() -> None:
    assert likeness("…", "…") == "the same text as"
    assert likeness("", "") == "the same text as"
    assert likeness("北京是中国的首都。", "东京是日本的首都。") == ""


@given(st.lists(st.sampled_from(LONG.lower().split()), min_size=20, max_size=60), st.data())
def test_likeness_is_the_share_of_runs_in_common(words: list[str], data: st.DataObject) -> None:
    """Against its definition, written down once more."""
    changed = list(words)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(words) - 1))] = "other"
    plain = [[word.strip(".,") for word in one] for one in (words, changed)]
    first, second = (
        {tuple(one[at : at + RUN]) for at in range(len(one) - RUN + 1)} for one in plain
    )
    alike = len(first & second) / len(first | second) >= ALIKE
    negations = [[w for w in one if w in ("cannot", "no", "not")] for one in plain]

    found = likeness(" ".join(plain[1]), " ".join(plain[0]))

    assert bool(found) == (alike and negations[0] == negations[1])


def test_fifty_texts_are_compared_in_a_few_milliseconds_at_most() -> None:
    bodies = [f"{LONG} This is number {number} of them." for number in range(50)]

    def compare() -> float:
        began, kept = time.perf_counter(), list[Text]()
        for body in bodies:
            new = text(body)
            assert not any(repeats(new, old) for old in kept)
            kept.append(new)
        return time.perf_counter() - began

    assert min(compare() for _ in range(5)) < 0.02  # a millisecond where nothing else runs
