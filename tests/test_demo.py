"""The demo corpus with its questions, through the real model: what a newcomer sees first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.snapshot import Snapshot
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from rag.answerer import Answerer
from rag.answers import Answer, Outcome, Question
from rag.engines.extractive import ExtractiveEngine
from rag.live import LiveCorpus
from tests.conftest import settings_for

DOCUMENTS = Path(__file__).parent.parent / "corpus" / "documents"
LINES = (
    (Path(__file__).parent / "demo" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
)
QUESTIONS = [json.loads(line) for line in LINES]

Asked = list[tuple[dict[str, object], Answer]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Asked]:
    """The demo corpus, ingested, and every question with its answer."""
    settings = settings_for(tmp_path_factory.mktemp("demo") / "store")
    store = Store(settings.store)
    encoder = SentenceTransformerEncoder(settings.embedding)
    report = Runner(Means(store, settings, encoder, Silent())).ingest([DOCUMENTS], Options())
    assert not report.failed
    live = LiveCorpus(store, encoder)
    answerer = Answerer(live, encoder, [ExtractiveEngine()], settings.retrieval)
    asked = [(one, answerer.answer(Question(one["question"], 8))) for one in QUESTIONS]
    return live.get(), asked


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def folded(text: str) -> str:
    return " ".join(text.split()).lower()


def test_every_gold_quote_stands_in_the_text_that_was_taken_in(
    demo: tuple[Snapshot, Asked],
) -> None:
    snapshot, asked = demo
    for one, _ in asked:
        for evidence in one["evidence"]:  # type: ignore[attr-defined]  # lists, as the file has them
            assert folded(evidence["quote"]) in folded(snapshot.document(evidence["doc"]).text)


def test_every_citation_is_the_span_it_names(demo: tuple[Snapshot, Asked]) -> None:
    snapshot, asked = demo
    citations = [citation for _, answer in asked for citation in answer.citations]
    assert len(citations) > 60
    for one in citations:
        assert one.quote == snapshot.document(one.document_id).text[one.start : one.end]


def test_most_questions_that_have_an_answer_get_it(demo: tuple[Snapshot, Asked]) -> None:
    _, asked = demo
    facts = [(one, answer) for one, answer in asked if one["answerable"]]
    quoted = [
        any(
            folded(text) in folded(citation.quote)
            for text in one["answers"]  # type: ignore[attr-defined]
            for citation in answer.citations
        )
        for one, answer in facts
    ]
    assert share([answer.outcome is Outcome.ANSWERED for _, answer in facts]) >= 0.9
    assert share(quoted) >= 0.6


def test_a_question_about_something_else_is_not_answered(demo: tuple[Snapshot, Asked]) -> None:
    _, asked = demo
    off_topic = [answer for one, answer in asked if one["kind"] == "off_topic"]
    assert [answer.outcome for answer in off_topic] == [Outcome.ABSTAINED] * len(off_topic)
    assert all(answer.closest for answer in off_topic)
