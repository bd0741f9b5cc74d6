"""A question's way to its answer, with an engine that says what the test wrote down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from corpus.errors import BadRequest, EngineFailed, NoSnapshot
from corpus.types import Mode
from rag.answerer import Answerer
from rag.answers import CANNOT_ANSWER, Cite, Outcome, Passage, Piece, Prepared, Question
from rag.events import Cited, Done, Event, Found, Meta, Said
from rag.live import LiveCorpus
from rag.scope import Scope
from tests.conftest import Workbench

QUESTION = Question("How many days of leave?", 5)
Between = Callable[[], object]


class Scripted:
    """Says what it was given, and calls what it was given in between; keeps what it was shown."""

    name = "scripted"
    model: str | None = "script-1"

    def __init__(self, *script: Piece | Between) -> None:
        self._script = script
        self.shown: list[tuple[Question, Sequence[Passage]]] = []

    def condense(self, question: Question, scope: Scope) -> str | None:
        return None

    def prepare(self, question: Question, passages: Sequence[Passage]) -> Prepared:
        self.shown.append((question, passages))
        return Prepared(tuple(passages), self._say)

    def _say(self, _: Scope) -> Iterator[Piece]:
        for step in self._script:
            if isinstance(step, str | Cite):
                yield step
            else:
                step()


def answerer(bench: Workbench, *engines: Scripted) -> Answerer:
    live = LiveCorpus(bench.store, bench.encoder)
    return Answerer(live, bench.encoder, engines, bench.settings.retrieval)


@pytest.fixture
def corpus(bench: Workbench) -> Workbench:
    bench.write("leave.md", "# Leave\n\nEveryone gets 27 days of leave. It ends in March. 😀 Ask.")
    bench.write("travel.md", "# Travel\n\n## Flights\n\nBook flights through the desk.")
    bench.write("food.md", "# Food\n\nThe canteen opens at noon.")
    bench.write("rooms.md", "# Rooms\n\nRooms are booked at the desk.")
    bench.ingest()
    return bench


def kinds(events: Sequence[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_events_come_in_order_and_together_are_the_answer(corpus: Workbench) -> None:
    engine = Scripted("One", " claim.", Cite(1, 1), " Another.", Cite(2, 1), Cite(1, 1))

    events = list(answerer(corpus, engine).stream(QUESTION))

    assert kinds(events) == [
        *("Meta", "Found", "Said", "Said", "Said", "Cited"),
        *("Said", "Said", "Cited", "Said", "Cited", "Done"),
    ]
    meta, done = events[0], events[-1]
    assert isinstance(meta, Meta)
    assert isinstance(done, Done)
    answer = done.answer
    assert "".join(event.text for event in events if isinstance(event, Said)) == answer.text
    cited = tuple(event.citation for event in events if isinstance(event, Cited))
    assert cited == answer.citations
    assert answer.text == "One claim. [1] Another. [2] [1]"
    assert (answer.id, answer.engine, answer.model) == (meta.id, "scripted", "script-1")
    assert answer.snapshot == meta.snapshot
    assert answer.outcome is Outcome.ANSWERED
    assert answer.closest == ()
    assert set(answer.timings_ms) == {"embed", "search", "generate", "total"}
    parts = sum(answer.timings_ms[part] for part in ("embed", "search", "generate"))
    assert 0 <= parts <= answer.timings_ms["total"] + 0.01


def test_the_engine_is_shown_what_was_found_and_the_answer_counts_it(corpus: Workbench) -> None:
    engine = Scripted("Yes.")
    events = list(answerer(corpus, engine).stream(QUESTION))

    ((question, shown),) = engine.shown
    found, done = events[1], events[-1]
    assert isinstance(found, Found)
    assert isinstance(done, Done)
    assert (question, tuple(shown)) == (QUESTION, found.passages)
    assert shown[0].chunk.document_id == "leave.md"
    assert done.answer.passages_used == len(shown) <= QUESTION.k


def test_every_quote_is_the_very_text_of_its_document(corpus: Workbench) -> None:
    engine = Scripted(*(Cite(passage, part) for passage in range(6) for part in range(6)))

    answer = answerer(corpus, engine).answer(QUESTION)

    snapshot = corpus.store.open()
    assert len({one.marker for one in answer.citations}) >= 6
    for one in answer.citations:
        assert one.quote == snapshot.document(one.document_id).text[one.start : one.end]


def test_citations_of_what_was_not_shown_are_dropped_without_a_trace(corpus: Workbench) -> None:
    events = list(answerer(corpus, Scripted("A claim.", Cite(9, 9), " End.")).stream(QUESTION))

    assert kinds(events) == ["Meta", "Found", "Said", "Said", "Done"]
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.answer.text, done.answer.citations) == ("A claim. End.", ())


def test_an_abstention_is_a_success_that_names_what_came_closest(corpus: Workbench) -> None:
    answer = answerer(corpus, Scripted(CANNOT_ANSWER)).answer(QUESTION)

    assert (answer.outcome, answer.text) == (Outcome.ABSTAINED, CANNOT_ANSWER)
    assert answer.citations == ()
    assert 1 <= len(answer.closest) <= 3
    assert answer.closest[0].chunk.document_id == "leave.md"


def test_an_abstention_in_pieces_is_one_and_one_with_a_claim_is_none(corpus: Workbench) -> None:
    split = [CANNOT_ANSWER[:9], CANNOT_ANSWER[9:], "\n"]
    assert answerer(corpus, Scripted(*split)).answer(QUESTION).outcome is Outcome.ABSTAINED
    more = answerer(corpus, Scripted(CANNOT_ANSWER, " But still.")).answer(QUESTION)
    assert (more.outcome, more.closest) == (Outcome.ANSWERED, ())


def test_an_engine_that_says_nothing_has_not_answered(corpus: Workbench) -> None:
    answer = answerer(corpus, Scripted()).answer(QUESTION)

    assert answer.outcome is Outcome.ABSTAINED


def test_one_snapshot_serves_an_answer_whatever_is_published_meanwhile(
    corpus: Workbench,
) -> None:
    live = LiveCorpus(corpus.store, corpus.encoder)
    first = corpus.store.require_current()
    texts = {name: corpus.store.open().document(name).text for name in ("leave.md", "rooms.md")}

    def swap() -> None:
        for name in texts:
            corpus.write(name, "# New\n\nEverything about leave is new. 28 days.")
        corpus.ingest()
        live.poll()

    engine = Scripted("A", Cite(1, 1), swap, "B", Cite(2, 1), swap, "C", Cite(1, 2))
    asked = Answerer(live, corpus.encoder, [engine], corpus.settings.retrieval)

    answer = asked.answer(QUESTION)

    assert live.get().id != first == answer.snapshot.id
    old = corpus.store.open(first)
    for one in answer.citations:
        assert one.quote == old.document(one.document_id).text[one.start : one.end]
    assert asked.search("leave", 3).snapshot.id == live.get().id


def test_the_first_engine_is_the_default_and_another_can_be_asked_for(corpus: Workbench) -> None:
    other = Scripted("From the other.")
    other.name, other.model = "other", None
    asked = answerer(corpus, Scripted("From the first."), other)

    assert list(asked.engines) == ["scripted", "other"]
    assert asked.answer(QUESTION).text == "From the first."
    answer = asked.answer(QUESTION, "other")
    assert (answer.text, answer.engine, answer.model) == ("From the other.", "other", None)
    with pytest.raises(BadRequest, match="'third'.*scripted, other") as refused:
        asked.answer(QUESTION, "third")
    assert refused.value.param == "engine"


def test_an_engine_that_breaks_is_an_error_and_no_half_answer(corpus: Workbench) -> None:
    def fail() -> None:
        raise EngineFailed("out of steam")

    events: list[Event] = []
    with pytest.raises(EngineFailed, match="out of steam"):
        events.extend(answerer(corpus, Scripted("The answer", fail)).stream(QUESTION))
    with pytest.raises(EngineFailed):
        answerer(corpus, Scripted("The answer", fail)).answer(QUESTION)
    assert "Done" not in kinds(events)


def test_an_empty_store_is_told_before_anything_is_said(bench: Workbench) -> None:
    with pytest.raises(NoSnapshot):
        next(iter(answerer(bench, Scripted("x")).stream(QUESTION)))
    with pytest.raises(NoSnapshot):
        answerer(bench, Scripted("x")).search("x", 3)


def test_searching_obeys_k_and_mode_and_says_how_long_it_took(corpus: Workbench) -> None:
    asked = answerer(corpus, Scripted())

    for mode in Mode:
        result = asked.search("desk", 2, mode)
        assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
        assert 1 <= len(result.hits) <= 2
        assert result.snapshot.id == corpus.store.require_current()
        assert set(result.timings_ms) == {"embed", "search", "total"}
    assert {hit.chunk.document_id for hit in asked.search("desk", 9, Mode.WORDS).hits} == {
        "travel.md",
        "rooms.md",
    }
