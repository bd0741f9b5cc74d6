"""The order that a reranker makes, with a scorer that says what the test wrote down."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.settings import RetrievalSettings
from corpus.types import Chunk, Hit, Scores
from rag.reranking import Reranker


class Clock:
    """Seconds that pass only when something takes them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """Scores texts as it was told, each in so many seconds; keeps what it was given."""

    name = "scripted"

    def __init__(
        self,
        scores: Callable[[str], float] | Mapping[str, float],
        clock: Clock | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._scores = scores if callable(scores) else scores.__getitem__
        self._clock, self.seconds = clock or Clock(), seconds
        self.batches: list[list[str]] = []
        self.loaded = 0

    def load(self) -> None:
        self.loaded += 1

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        bodies = [text.partition("\n")[2] for text in texts]
        self.batches.append(bodies)
        self._clock.now += self.seconds * len(texts)
        return [self._scores(body) for body in bodies]


def found(*texts: str) -> list[Hit]:
    return [
        Hit(
            rank,
            1 / rank,
            Chunk(rank, f"{text}.md", "Title", "md", 0, len(text), text, ("Head",)),
            Scores(0.5, 1.0, 1 / rank),
        )
        for rank, text in enumerate(texts, start=1)
    ]


def reranker(scorer: Scripted, clock: Clock | None = None, **settings: float) -> Reranker:
    named = RetrievalSettings(**{f"rerank_{name}": value for name, value in settings.items()})
    return Reranker(scorer, named, clock or Clock())


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.chunk.text for hit in hits]


def test_hits_stand_by_their_scores_and_tell_where_they_stood() -> None:
    hits, told = reranker(Scripted({"a": -2.0, "b": 7.5, "c": 7.5, "d": 9.0})).rerank(
        "q", found("a", "b", "c", "d")
    )

    assert names(hits) == ["d", "b", "c", "a"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.fused_rank for hit in hits] == [4, 2, 3, 1]
    assert [hit.scores.rerank for hit in hits] == [9.0, 7.5, 7.5, -2.0]
    assert [hit.score for hit in hits] == [1 / 4, 1 / 2, 1 / 3, 1.0]  # the fused one, as before
    assert (told.model, told.candidates, told.scored) == ("scripted", 4, 4)
    assert (told.ended_by_budget, told.note) == (False, "")


def test_a_text_is_scored_under_its_title_and_headings() -> None:
    given: list[str] = []

    class Reads(Scripted):
        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            given.extend([question, *texts])
            return [0.0] * len(texts)

    reranker(Reads({})).rerank("Which?", found("a"))

    assert given == ["Which?", "Title > Head\na"]


def test_hits_beyond_the_depth_keep_their_places() -> None:
    hits, told = reranker(Scripted(ord), depth=2).rerank("q", found(*"abzc"))

    assert names(hits) == ["b", "a", "z", "c"]
    assert [hit.scores.rerank for hit in hits] == [98, 97, None, None]
    assert (told.candidates, told.scored, told.ended_by_budget) == (2, 2, False)


def test_what_the_time_did_not_suffice_for_stands_below_in_the_order_found() -> None:
    clock = Clock()
    scorer = Scripted(lambda text: float(ord(text)), clock, seconds=0.02)
    hits, told = reranker(scorer, clock, budget_ms=130).rerank("q", found(*"abcdefghij"))

    assert names(hits) == [*"fedcba", *"ghij"]
    assert told.ended_by_budget
    assert told.scored == 6
    assert told.ms == pytest.approx(120)
    assert scorer.batches == [list("abcd"), list("ef")]  # the best first, and what still fits


@given(
    st.lists(st.floats(-20, 20), max_size=60),
    st.floats(0.0005, 0.2),
    st.floats(1, 2000),
    st.integers(1, 50),
)
def test_no_time_is_spent_beyond_the_budget_but_for_the_first_batch_and_no_hit_is_lost(
    scores: list[float], seconds: float, budget_ms: float, depth: int
) -> None:
    clock = Clock()
    hits = found(*(f"{number}" for number in range(len(scores))))
    scorer = Scripted(lambda text: scores[int(text)], clock, seconds)

    ordered, told = reranker(scorer, clock, budget_ms=budget_ms, depth=depth).rerank("q", hits)

    assert sorted(names(ordered)) == sorted(names(hits))
    assert [hit.rank for hit in ordered] == list(range(1, len(hits) + 1))
    scored = [hit for hit in ordered if hit.scores.rerank is not None]
    assert ordered[: len(scored)] == tuple(scored)
    assert {hit.fused_rank for hit in scored} == set(range(1, told.scored + 1))
    order = [(-(hit.scores.rerank or 0.0), hit.fused_rank) for hit in scored]
    assert order == sorted(order)
    tail = [hit.fused_rank for hit in ordered[len(scored) :]]
    assert tail == list(range(told.scored + 1, len(hits) + 1))
    assert told.ended_by_budget == (told.scored < min(depth, len(hits)))
    assert told.ms <= max(budget_ms, 4 * seconds * 1000) + 0.01


def test_a_slow_moment_is_forgotten_by_the_next_question() -> None:
    clock = Clock()
    scorer = Scripted(lambda text: 1.0, clock, seconds=5.0)
    slow = reranker(scorer, clock, budget_ms=100)
    assert slow.rerank("q", found(*"abcdefgh"))[1].scored == 4
    scorer.seconds = 0.001

    assert slow.rerank("q", found(*"abcdefgh"))[1].scored == 8


def test_a_model_that_cannot_be_loaded_leaves_the_order_with_a_note_and_is_tried_once() -> None:
    class Absent(Scripted):
        def load(self) -> None:
            super().load()
            raise OSError("no such folder: /models/cross")

    scorer = Absent({})
    broken = reranker(scorer)
    broken.warm_up()
    for _ in range(3):
        hits, told = broken.rerank("q", found("a", "b"))
        assert hits == tuple(found("a", "b"))
        assert "no such folder: /models/cross" in told.note
        assert (told.scored, told.ended_by_budget) == (0, False)
    assert scorer.loaded == 1


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_leaves_the_order_with_a_note(score: float) -> None:
    hits, told = reranker(Scripted({"a": 1.0, "b": score, "c": 3.0})).rerank("q", found(*"abc"))

    assert hits == tuple(found(*"abc"))
    assert "expected a number each" in told.note


def test_a_failure_half_way_leaves_the_whole_order_and_the_next_question_is_reranked() -> None:
    def score(text: str) -> float:
        if text == "e":
            raise RuntimeError("out of memory")
        return float(ord(text))

    broken = reranker(Scripted(score))
    hits, told = broken.rerank("q", found(*"abcdefg"))
    assert names(hits) == list("abcdefg")
    assert all(hit.scores.rerank is None for hit in hits)
    assert "out of memory" in told.note

    assert names(broken.rerank("q", found(*"abc"))[0]) == ["c", "b", "a"]


def test_no_hits_are_reranked_to_no_hits() -> None:
    assert reranker(Scripted({})).rerank("q", [])[0] == ()


def test_threads_take_turns_with_one_model_which_is_loaded_once() -> None:
    busy, together = threading.Lock(), []

    class Alone(Scripted):
        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            together.append(busy.acquire(blocking=False))
            try:
                return super().score(question, texts)
            finally:
                busy.release()

    scorer = Alone(lambda text: float(ord(text)))
    shared = Reranker(scorer, RetrievalSettings(rerank_budget_ms=10_000))
    orders: list[list[str]] = []
    threads = [
        threading.Thread(
            target=lambda: orders.append(names(shared.rerank("q", found(*"abcdefghijkl"))[0]))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(together)
    assert scorer.loaded == 1
    assert orders == [list("lkjihgfedcba")] * 8


def test_who_waits_for_the_model_waits_no_longer_than_the_budget() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Scripted):
        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            entered.set()
            assert leave.wait(10)
            return [0.0] * len(texts)

    shared = Reranker(Slow({}), RetrievalSettings(rerank_budget_ms=30))
    first = threading.Thread(target=lambda: shared.rerank("q", found("a")))
    first.start()
    assert entered.wait(10)

    began = time.monotonic()
    hits, told = shared.rerank("q", found("a", "b"))
    assert time.monotonic() - began < 5
    leave.set()
    first.join()

    assert names(hits) == ["a", "b"]
    assert (told.scored, told.ended_by_budget, told.note) == (0, True, "")
