"""What a question finds, on its whole way: k passages, neighbours as one, reranked or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode, Query
from rag.answerer import Answerer
from rag.answers import Question
from rag.commands.ask import _sources
from rag.commands.explain import _told
from rag.commands.opening import open_corpus
from rag.engines.extractive import ExtractiveEngine
from rag.live import LiveCorpus
from rag.reranking import Reranker
from rag.wire import answer_json, explanation_json, passage_json, search_json
from tests.conftest import Workbench, settings_for
from tests.tiny_cross_encoder import tiny_cross_encoder

QUESTION = Question("How many days of leave does the office in Berlin get?", 4)
CITIES = ("Berlin", "Paris", "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Perth", "Quito", "Sofia")


class ByCity:
    """Prefers texts by the city that they name."""

    name = "by-city"

    def __init__(self, *best: str, fails: bool = False) -> None:
        self._best, self._fails = best[::-1], fails

    def load(self) -> None:
        if self._fails:
            raise OSError("no weights")

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        return [
            float(
                max((at for at, city in enumerate(self._best, start=1) if city in text), default=0)
            )
            for text in texts
        ]


def answerer(bench: Workbench, scorer: ByCity | None = None) -> Answerer:
    retrieval = bench.settings.retrieval
    reranker = Reranker(scorer, retrieval) if scorer else None
    live = LiveCorpus(bench.store, bench.encoder)
    return Answerer(live, bench.encoder, [ExtractiveEngine()], retrieval, reranker=reranker)


def explained(bench: Workbench, question: Question, scorer: ByCity | None = None) -> dict[str, Any]:
    return explanation_json(answerer(bench, scorer).explain(question))


@pytest.fixture
def offices(bench: Workbench) -> Workbench:
    for number, city in enumerate(CITIES, start=20):
        bench.write(
            f"{city}.md",
            f"# {city}\n\nThe office in {city} gets {number} days of leave a year, and it asks for "
            f"them in March, because the office in {city} is small and all of it wants to travel.",
        )
    bench.ingest()
    return bench


@pytest.fixture
def handbook(bench: Workbench) -> Workbench:
    """Twelve copies of one page, and one page whose only section makes several chunks."""
    for number in range(12):
        bench.write(f"copy{number:02}.md", f"# Leave\n\n{SAME}")
    bench.write("other.md", "# Sickness\n\nWho is sick asks no one for days of leave.")
    bench.write("long.md", "# Office\n\n" + "\n\n".join(PARTS))
    bench.ingest()
    return bench


SAME = (
    "Every office has days of leave, and who works there asks for them in time, as the others "
    "do, so that the work goes on while some are away and nobody has to stay who does not want to."
)
PARTS = [
    f"Part {number} says what the office in Berlin does about {topic}, and why it does so, and "
    "who has to be asked before it is done, and how long it takes until the answer is there, as "
    "a rule, where nothing else was said by whoever is in charge of all such things there."
    for number, topic in enumerate(("leave", "travel", "money", "rooms"), start=1)
]


def test_copies_of_one_page_do_not_take_the_places_of_others(handbook: Workbench) -> None:
    told = explained(handbook, Question(f"Is it so that {SAME.lower()}", 4))

    passages = {one["passage"] for one in told["candidates"]} - {None}
    assert passages == {1, 2, 3, 4}
    documents = [one["document"]["id"] for one in told["candidates"] if one["passage"]]
    assert sum(name.startswith("copy") for name in documents) == 1
    assert "other.md" in documents
    reasons = [one["dropped"] for one in told["candidates"] if not one["passage"]]
    assert len(reasons) == 11
    assert all(re.fullmatch(r"the same text as passage \d", one) for one in reasons)


def test_neighbours_are_shown_as_one_and_what_is_cited_is_the_text_of_the_document(
    handbook: Workbench,
) -> None:
    asked = Question("What does the office in Berlin do about money and travel, and why?", 3)
    whole = handbook.store.open().document("long.md").text
    answers = answerer(handbook)

    explanation = answers.explain(asked)
    answer = answers.answer(asked)

    (joined,) = (one for one in explanation.shown if len(one.hits) > 1)
    body = passage_json(joined)
    assert whole[body["start"] : body["end"]] == body["text"] == joined.chunk.text
    assert [whole[one["start"] : one["end"]] for one in body["parts"]] == [
        part.chunk.text for part in sorted(joined.hits, key=lambda hit: hit.chunk.start)
    ]
    assert len(joined.sentences) > len(joined.hits[0].chunk.text.split(". "))
    told = explanation_json(explanation)
    together = {one["rank"]: one for one in told["candidates"] if one["passage"] == joined.number}
    assert set(together) == {hit.rank for hit in joined.hits}
    for rank, one in together.items():
        assert set(one["together_with"]) == set(together) - {rank}
    assert f"passage {joined.number}, together with" in _told(told, tokens=False)
    assert answer.citations
    for one in answer.citations:
        text = handbook.store.open().document(one.document_id).text
        assert one.quote == text[one.start : one.end]


def test_without_a_reranker_nothing_speaks_of_one(offices: Workbench) -> None:
    answers = answerer(offices)
    bodies = [
        explanation_json(answers.explain(QUESTION)),
        answer_json(answers.answer(QUESTION)),
        search_json(answers.search(QUESTION.text, 5)),
    ]
    for body in bodies:
        assert "rerank" not in body
        assert "rerank" not in body["timings_ms"]
    for hit in [*bodies[0]["candidates"], *bodies[2]["hits"]]:
        assert "fused_rank" not in hit
        assert set(hit["scores"]) == {"dense", "words", "fused"}


def test_search_and_ask_go_by_the_reranker(offices: Workbench) -> None:
    plain, best = answerer(offices), answerer(offices, ByCity("Quito", "Oslo"))

    found = search_json(best.search(QUESTION.text, 3))
    before = [hit.chunk.document_id for hit in plain.search(QUESTION.text, 10).hits]
    shown = best.explain(QUESTION).shown

    assert [hit["document"]["id"] for hit in found["hits"]][:2] == ["Quito.md", "Oslo.md"]
    assert len(found["hits"]) == 3
    for hit in found["hits"]:
        assert hit["fused_rank"] == before.index(hit["document"]["id"]) + 1
    assert [hit["scores"]["rerank"] for hit in found["hits"]] == [2.0, 1.0, 0.0]
    assert found["rerank"]["scored"] == found["rerank"]["candidates"] == len(CITIES)
    assert [one.chunk.document_id for one in shown][:2] == ["Quito.md", "Oslo.md"]
    answer = answer_json(best.answer(QUESTION))
    assert answer["rerank"]["model"] == "by-city"
    assert set(answer["timings_ms"]) == {"embed", "search", "rerank", "generate", "total"}


def test_a_search_for_words_alone_asks_nothing_of_the_model(
    offices: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answerer(offices)
    assert asked.search("Oslo", 3).hits  # opened, and held against the model
    monkeypatch.setattr(offices.encoder, "tokens", None)
    monkeypatch.setattr(offices.encoder, "encode_query", None)

    assert asked.search("Oslo", 3, Mode.WORDS).hits[0].chunk.title == "Oslo"
    with pytest.raises((AttributeError, TypeError)):
        asked.search("Oslo", 3)  # which is how it would show


@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.WORDS])
def test_one_search_alone_is_shown_as_it_is(offices: Workbench, mode: Mode) -> None:
    plain, best = answerer(offices), answerer(offices, ByCity("Quito"))
    asked = best.search(QUESTION.text, 4, mode)
    assert asked.hits == plain.search(QUESTION.text, 4, mode).hits
    assert asked.rerank is None


def test_explain_tells_every_candidate_its_place_before_and_after(offices: Workbench) -> None:
    told = explained(offices, QUESTION, ByCity("Quito"))

    assert [one["rank"] for one in told["candidates"]] == list(range(1, len(CITIES) + 1))
    assert {one["fused_rank"] for one in told["candidates"]} == set(range(1, len(CITIES) + 1))
    for one in told["candidates"]:
        assert (one["passage"] is None) == (one["dropped"] is not None)
    assert told["candidates"][-1]["dropped"] == "as many passages as were asked for stand before"
    screen = _told(told, tokens=False)
    assert f"reranked   {len(CITIES)} of {len(CITIES)} in" in screen
    assert "by by-city" in screen
    assert re.search(r"1\. 0\.\d+  \(was \d+\., rerank 1\.000\)  Quito\.md:", screen)


def test_a_reranker_that_fails_changes_no_answer_and_says_so(offices: Workbench) -> None:
    plain = answer_json(answerer(offices).answer(QUESTION))
    broken = answerer(offices, ByCity(fails=True))
    broken.warm_up()

    answer = answer_json(broken.answer(QUESTION))

    assert "no weights" in answer["rerank"]["note"]
    for name in ("status", "answer", "citations", "closest", "usage"):
        assert answer[name] == plain[name]
    assert "no weights" in _sources(answer)
    assert "no weights" in _told(explanation_json(broken.explain(QUESTION)), tokens=False)


def test_as_many_passages_are_shown_as_asked_for_where_there_are_so_many(
    offices: Workbench,
) -> None:
    for k in (1, 3, 10, 50):
        question = Question(QUESTION.text, k)
        assert len(answerer(offices).explain(question).shown) == min(k, len(CITIES))


def test_the_settings_name_the_model_and_it_is_loaded_before_the_first_question(
    tmp_path: Path,
) -> None:
    folder = tiny_cross_encoder(tmp_path / "cross")
    (tmp_path / "docs").mkdir()
    for city in CITIES:
        (tmp_path / "docs" / f"{city}.md").write_text(f"# {city}\n\nA model is served in {city}.")
    settings = settings_for(
        tmp_path / "store", RAG_RETRIEVAL__RERANKER=str(folder), RAG_EMBEDDING__COMPILED="false"
    )
    _ingest(settings, tmp_path / "docs")
    with open_corpus(settings) as opened:
        opened.answerer.warm_up()

        told = explanation_json(opened.answerer.explain(Question("Where is a model served?", 3)))

    assert told["rerank"]["note"] is None
    assert told["rerank"]["scored"] > 0
    assert told["rerank"]["ms"] < 5000  # loading it is not among what a question waits for
    scores = [one["scores"].get("rerank") for one in told["candidates"]]
    scored = [score for score in scores if score is not None]
    assert scored == sorted(scored, reverse=True)
    assert len(set(scored)) > 1


def _ingest(settings: Any, folder: Path) -> None:
    from corpus.encoders.transformer import SentenceTransformerEncoder
    from corpus.store import Store
    from ingest.pipeline import Means, Options
    from ingest.progress import Silent
    from ingest.runner import Runner

    encoder = SentenceTransformerEncoder(settings.embedding)
    Runner(Means(Store(settings.store), settings, encoder, Silent())).ingest([folder], Options())


@pytest.mark.parametrize(("index", "exact"), [("auto", False), ("exact", True)])
def test_the_setting_says_whether_every_vector_is_compared(
    offices: Workbench, monkeypatch: pytest.MonkeyPatch, index: str, exact: bool
) -> None:
    asked: list[Query] = []
    real = Snapshot.search

    def noted(self: Snapshot, query: Query) -> tuple[Hit, ...]:
        asked.append(query)
        return real(self, query)

    monkeypatch.setattr(Snapshot, "search", noted)
    offices.settings = settings_for(offices.store.path, RAG_RETRIEVAL__INDEX=index)

    answerer(offices).answer(QUESTION)

    assert {query.exact for query in asked} == {exact}
