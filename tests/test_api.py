"""The HTTP service, request by request: shapes, refusals, and what is never given away."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.runs import RunLog
from corpus.settings import ServeSettings
from corpus.store import Store
from rag.answerer import Answerer
from rag.api import security
from rag.api.app import create_app
from rag.api.context import Context
from rag.api.openapi import OPERATIONS, document
from rag.job_progress import JobProgress, line_of
from rag.jobs import Jobs
from rag.live import LiveCorpus
from rag.requests import AskRequest
from tests.conftest import WordHashEncoder, Workbench
from tests.serving import Quoting, events_of, service_of

Json = dict[str, Any]

QUESTION = "How many days of annual leave does every employee get?"
ODD_NAME = "über uns/a 100% odd#name?\nwith [all].txt"
LEAVE = "Every employee gets 27 days of annual leave. Leave ends in March. 😀 Ask early."


@dataclass
class Service:
    """One service over one corpus."""

    bench: Workbench
    context: Context
    app: Flask

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def post(self, path: str, body: object) -> Any:
        return self.client.post(path, json=body)

    def get(self, path: str) -> Json:
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        body: Json = response.get_json()
        return body


def service_over(bench: Workbench, jobs: Jobs | None = None) -> Service:
    answerer, live, store = service_of(bench.settings, bench.folder.parent / "notes")
    command = [sys.executable, "-c", "print('{}')"]
    context = Context(answerer, live, store, jobs or Jobs(command), bench.settings)
    return Service(bench, context, create_app(context))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("corpus"))
    bench.write("leave.md", f"# Annual leave\n\n{LEAVE}\n")
    bench.write("travel/trains.md", "# Travel\n\nTrains are preferred for short journeys.\n")
    record = {"_id": "text", "title": "Odd", "text": "A document whose id ends in text."}
    bench.write("travel/more.jsonl", json.dumps(record) + "\n")
    bench.write(ODD_NAME, "The canteen opens at noon. The canteen menu changes on Monday.\n")
    bench.write(
        "records.jsonl",
        "".join(
            json.dumps(
                {"_id": f"r{n}", "title": f"Record {n}", "text": f"Record {n} is about rivers."}
            )
            + "\n"
            for n in range(3)
        ),
    )
    bench.write("empty.txt", "")
    (bench.folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    bench.ingest()
    return bench


@pytest.fixture(scope="module")
def shared(corpus: Workbench) -> Service:
    """A service that tests only read from."""
    return service_over(corpus)


@pytest.fixture
def own(bench: Workbench) -> Service:
    """A service of the test's own, with two snapshots in its store."""
    bench.write("leave.md", "Every employee gets 25 days of annual leave.\n")
    bench.ingest()
    bench.write("leave.md", f"{LEAVE}\n")
    bench.ingest()
    return service_over(bench)


def error_of(response: Any, status: int) -> Json:
    """The error of a response, once its shape is known to be the promised one."""
    assert response.status_code == status, response.text
    body = response.get_json()
    assert list(body) == ["error"]
    error: Json = body["error"]
    assert list(error) == ["type", "message", "param", "request_id", "retryable", "hint"]
    assert error["request_id"] == response.headers["X-Request-Id"]
    assert error["message"]
    assert ("Retry-After" in response.headers) == error["retryable"]
    assert "Traceback" not in response.text
    return error


# ---- asking ----------------------------------------------------------------------------------


def test_an_answer_has_the_promised_fields_and_no_others(shared: Service) -> None:
    body = shared.post("/v1/ask", {"question": QUESTION}).get_json()

    assert list(body) == [
        "id",
        "status",
        "answer",
        "citations",
        "engine",
        "model",
        "degraded",
        "degraded_reason",
        "finish_reason",
        "closest",
        "snapshot",
        "usage",
        "query",
        "thoughts",
        "uncited",
        "unknown_citations",
        "withheld",
        "note",
        "timings_ms",
    ]
    assert list(body["citations"][0]) == [
        "marker",
        "document",
        "start",
        "end",
        "quote",
        "heading",
        "page",
        "score",
        "verdict",
        "answer_start",
        "answer_end",
        "level",
        "missing",
    ]
    assert list(body["citations"][0]["document"]) == ["id", "title"]
    assert list(body["snapshot"]) == ["id", "created", "age_s", "problem"]
    assert body["snapshot"]["problem"] is None
    assert list(body["usage"]) == [
        "prompt_tokens",
        "completion_tokens",
        "passages_used",
        "passages_dropped",
    ]
    assert {"embed", "search", "generate", "total"} <= set(body["timings_ms"])
    assert (body["status"], body["degraded"], body["finish_reason"]) == ("answered", False, "stop")


def test_a_citation_opens_exactly_what_it_quotes(shared: Service) -> None:
    body = shared.post("/v1/ask", {"question": QUESTION}).get_json()

    assert body["citations"]
    for citation in body["citations"]:
        path = f"/v1/documents/{quote(citation['document']['id'], safe='')}/text"
        opened = shared.get(f"{path}?start={citation['start']}&end={citation['end']}")
        assert opened["text"] == citation["quote"]
        assert f"[{citation['marker']}]" in body["answer"]


def test_not_knowing_is_a_success_with_what_came_closest(shared: Service) -> None:
    response = shared.post("/v1/ask", {"question": "Who won the ice hockey final?"})
    body = response.get_json()

    assert response.status_code == 200
    assert (body["status"], body["citations"]) == ("abstained", [])
    assert body["answer"] == "The documents do not say."
    assert list(body["closest"][0]) == [
        "document",
        "heading",
        "page",
        "start",
        "end",
        "text",
        "score",
    ]


def test_k_is_how_many_passages_are_used(shared: Service) -> None:
    used = [
        shared.post("/v1/ask", {"question": QUESTION, "k": k}).get_json()["usage"]["passages_used"]
        for k in (1, 3)
    ]

    assert used == [1, 3]


def test_an_engine_can_be_asked_for_by_name(shared: Service) -> None:
    body = shared.post("/v1/ask", {"question": QUESTION, "engine": "terse"}).get_json()

    assert (body["engine"], len(body["citations"])) == ("terse", 1)


def test_search_has_the_promised_fields(shared: Service) -> None:
    body = shared.post("/v1/search", {"query": "annual leave", "k": 2}).get_json()

    assert list(body) == ["snapshot", "hits", "where", "note", "timings_ms"]
    assert [hit["rank"] for hit in body["hits"]] == [1, 2]
    first = body["hits"][0]
    assert list(first) == [
        "rank",
        "score",
        "document",
        "heading",
        "page",
        "start",
        "end",
        "text",
        "scores",
    ]
    assert list(first["scores"]) == ["dense", "words", "fused"]
    assert first["document"]["id"] == "leave.md"


@pytest.mark.parametrize(
    ("mode", "missing"), [("dense", "words"), ("words", "dense"), ("hybrid", None)]
)
def test_a_mode_asks_only_its_own_search(shared: Service, mode: str, missing: str | None) -> None:
    body = shared.post("/v1/search", {"query": "annual leave", "mode": mode}).get_json()

    assert body["hits"]
    if missing:
        assert all(hit["scores"][missing] is None for hit in body["hits"])


# ---- streaming -------------------------------------------------------------------------------


def test_a_stream_tells_the_same_as_the_whole_answer(shared: Service) -> None:
    response = shared.post("/v1/ask", {"question": QUESTION, "stream": True})
    events = events_of(response.text)
    whole = shared.post("/v1/ask", {"question": QUESTION}).get_json()

    names = [name for name, _ in events]
    assert names[:2] == ["meta", "passages"]
    assert names[-1] == "done"
    assert names.count("done") == 1
    assert "error" not in names
    done: Any = events[-1][1]
    assert "".join(str(data["text"]) for name, data in events if name == "token") == done["answer"]
    assert [data for name, data in events if name == "citation"] == done["citations"]
    for field in ("answer", "citations", "status", "engine", "usage"):
        assert done[field] == whole[field]
    assert events[0][1]["id"] == done["id"]


def test_a_stream_is_not_to_be_stored_or_buffered(shared: Service) -> None:
    response = shared.post("/v1/ask", {"question": QUESTION, "stream": True})

    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    response.close()


@pytest.mark.parametrize(
    ("engine", "kind", "message"),
    [
        ("breaking", "engine_failed", "the engine ran out of steam"),
        ("crashing", "internal", "something failed that should not have"),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error_that_says_so(
    shared: Service, engine: str, kind: str, message: str
) -> None:
    response = shared.post("/v1/ask", {"question": QUESTION, "engine": engine, "stream": True})
    events = events_of(response.text)

    assert response.status_code == 200  # it had begun
    assert [name for name, _ in events][-2:] == ["token", "error"]
    error: Any = events[-1][1]["error"]
    assert error["type"] == kind
    assert message in error["message"]
    assert "secret" not in response.text


def test_what_fails_before_the_first_event_is_a_plain_error(shared: Service) -> None:
    response = shared.post("/v1/ask", {"question": QUESTION, "engine": "gpt", "stream": True})

    error = error_of(response, 400)
    assert error["param"] == "engine"
    assert "quoting" in error["message"]


# ---- bad input -------------------------------------------------------------------------------

BAD_BODIES: list[tuple[bytes, str | None, str]] = [
    (b"", None, "not JSON"),
    (b"{", None, "not JSON"),
    (b"question=hello", None, "not JSON"),
    (b"[1, 2]", None, "an array"),
    (b'"hello"', None, "a string"),
    (b"null", None, "null"),
    (b"7", None, "a number"),
    (b'{"question": "caf\xe9"}', None, "not UTF-8"),
    ("\ufeff{}".encode(), None, "not JSON"),
    (b'{"question": "a", "question": "b"}', "question", "given twice"),
    (b'{"question": "a", "k": NaN}', None, "NaN"),
    (b'{"question": "a", "k": -Infinity}', None, "-Infinity"),
    (b'{"question": "a", "k": ' + b"9" * 5000 + b"}", None, "too far"),
    (b"[" * 60_000, None, "too far"),
    (b"{}", "question", "is missing"),
    (b'{"question": null}', "question", "string"),
    (b'{"question": 7}', "question", "string"),
    (b'{"question": ["a"]}', "question", "string"),
    (b'{"question": ""}', "question", "empty"),
    (b'{"question": " \\n\\t "}', "question", "empty"),
    (b'{"question": "\\ud800 hello"}', "question", "surrogate"),
    (b'{"question": "a\\u0000b"}', "question", "NUL"),
    (b'{"question": "' + b"x" * 4001 + b'"}', "question", "4000 are taken"),
    (b'{"question": "a", "k": 0}', "k", "greater than or equal to 1"),
    (b'{"question": "a", "k": 101}', "k", "less than or equal to 100"),
    (b'{"question": "a", "k": "5"}', "k", 'is "5"'),
    (b'{"question": "a", "k": true}', "k", "integer"),
    (b'{"question": "a", "k": 2.5}', "k", "integer"),
    (b'{"question": "a", "k": 1e400}', "k", "integer"),
    (b'{"question": "a", "stream": 1}', "stream", "boolean"),
    (b'{"question": "a", "stream": "true"}', "stream", "boolean"),
    (b'{"question": "a", "engine": 3}', "engine", "string"),
    (b'{"question": "a", "engine": "gpt"}', "engine", "there is no engine 'gpt'"),
    (b'{"qestion": "a"}', "qestion", "did you mean 'question'?"),
    (b'{"question": "a", "colour": 1}', "colour", "allowed: question, k, engine, history"),
    (b'{"question": "a", "\\ud800": 1}', "\\ud800", "unknown field"),
    (b'{"question": "a", "where": {}}', "where", "valid string"),
    (b'{"question": "a", "history": [{"role": "user"}]}', "history.0.content", "missing"),
    (b'{"question": "a", "history": ["x"]}', "history.0", "valid dictionary"),
    (
        b'{"question": "a", "history": [{"role": "system", "content": "x"}]}',
        "history.0.role",
        "'user' or 'assistant'",
    ),
    (
        b'{"question": "a", "history": [{"role": "user", "content": " "}]}',
        "history",
        "history is empty",
    ),
    (
        b'{"question": "a", "history": [%s]}'
        % b",".join([b'{"role": "user", "content": "x"}'] * 21),
        "history",
        "has 21 turns; 20 are taken",
    ),
    (b'{"question": "a", "temperature": 2.5}', "temperature", "less than or equal to 2"),
    (b'{"question": "a", "temperature": "0.5"}', "temperature", "number"),
    (b'{"question": "a", "top_p": 0}', "top_p", "greater than 0"),
    (b'{"question": "a", "seed": 1.5}', "seed", "integer"),
    (b'{"question": "a", "max_tokens": 0}', "max_tokens", "greater than or equal to 1"),
    (b'{"question": "a", "stop": ["a", "b", "c", "d", "e"]}', "stop", "at most 4"),
    (b'{"question": "a", "stop": [""]}', "stop.0", "at least 1"),
    (b'{"question": "a", "style": "poem"}', "style", "'concise'"),
    (b'{"question": "a", "strict": "yes"}', "strict", "boolean"),
    (b'{"question": "a", "snapshot": ""}', "snapshot", "at least 1"),
    (b'{"question": "a", "snapshot": 7}', "snapshot", "string"),
]


@pytest.mark.parametrize(("body", "param", "message"), BAD_BODIES)
def test_a_bad_question_is_refused_with_what_is_wrong(
    shared: Service, body: bytes, param: str | None, message: str
) -> None:
    response = shared.client.post("/v1/ask", data=body, content_type="application/json")

    error = error_of(response, 400)
    assert error["type"] == "invalid_request"
    assert error["param"] == param
    assert message in error["message"]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "query", "is missing"),
        ({"query": " "}, "query", "empty"),
        ({"query": "a", "mode": "vector"}, "mode", "allowed: 'hybrid', 'dense' or 'words'"),
        ({"query": "a", "k": 0}, "k", "greater than or equal to 1"),
        ({"query": "a", "where": "lang ="}, "where", "character 7: found the end"),
        ({"query": "a", "mod": "words"}, "mod", "did you mean 'mode'?"),
    ],
)
def test_a_bad_search_is_refused_with_what_is_wrong(
    shared: Service, body: Json, param: str, message: str
) -> None:
    error = error_of(shared.post("/v1/search", body), 400)

    assert error["param"] == param
    assert message in error["message"]


def test_the_longest_question_is_taken_in_any_script(shared: Service) -> None:
    question = "😀" * 4000

    response = shared.client.post(
        "/v1/ask", data=json.dumps({"question": question}), content_type="application/json"
    )

    assert response.status_code == 200


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_text_is_answered_or_refused_but_never_breaks(shared: Service, text: str) -> None:
    response = shared.client.post(
        "/v1/ask", data=json.dumps({"question": text}), content_type="application/json"
    )

    assert response.status_code in {200, 400}


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused_but_never_break(shared: Service, body: bytes) -> None:
    response = shared.client.post("/v1/ask", data=body, content_type="application/json")

    assert response.status_code in {200, 400}


def test_a_body_that_is_too_large_is_not_read(shared: Service) -> None:
    response = shared.client.post(
        "/v1/ask", data=b'{"question": "' + b"x" * 300_000 + b'"}', content_type="application/json"
    )

    assert error_of(response, 413)["type"] == "body_too_large"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_declared_as_json_is_refused(
    shared: Service, content_type: str | None
) -> None:
    response = shared.client.post("/v1/ask", data=b'{"question": "a"}', content_type=content_type)

    error = error_of(response, 415)
    assert "Content-Type: application/json" in error["message"]


def test_unknown_paths_and_methods_have_the_shape_of_every_error(shared: Service) -> None:
    assert error_of(shared.client.get("/v2/ask"), 404)["type"] == "not_found"
    response = shared.client.get("/v1/ask")
    assert error_of(response, 405)["type"] == "method_not_allowed"
    assert "POST" in response.headers["Allow"]


def test_what_nobody_foresaw_is_logged_and_not_told(
    shared: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = shared.client.post(
            "/v1/ask",
            json={"question": QUESTION, "engine": "crashing"},
            headers={"X-Request-Id": "find-me"},
        )

    error = error_of(response, 500)
    assert error["type"] == "internal"
    assert "secret" not in response.text
    assert "find-me" in caplog.text
    assert "ZeroDivisionError: a secret of the operator" in caplog.text


def test_an_engine_that_fails_is_a_503_worth_another_try(shared: Service) -> None:
    error = error_of(shared.post("/v1/ask", {"question": QUESTION, "engine": "breaking"}), 503)

    assert (error["type"], error["retryable"]) == ("engine_failed", True)


# ---- when there is nothing to answer from ----------------------------------------------------


def test_before_the_first_snapshot_the_error_says_what_to_run(bench: Workbench) -> None:
    service = service_over(bench)

    for response in (
        service.post("/v1/ask", {"question": QUESTION}),
        service.post("/v1/ask", {"question": QUESTION, "stream": True}),
        service.post("/v1/search", {"query": QUESTION}),
        service.client.get("/v1/documents"),
        service.client.get("/v1/documents/leave.md"),
    ):
        error = error_of(response, 503)
        assert (error["type"], error["retryable"]) == ("no_snapshot", True)
        assert "rag ingest FOLDER" in error["message"]
    assert service.get("/v1/snapshots") == {"current": None, "snapshots": []}


def test_a_damaged_snapshot_is_a_503_and_never_an_answer(own: Service) -> None:
    current = own.context.store.require_current()
    (own.bench.store.path / "snapshots" / current / "ledger.jsonl").write_text("nonsense")
    for part in (own.bench.store.path / "segments").rglob("*"):
        if part.is_file():
            part.write_bytes(part.read_bytes()[:-1])

    error = error_of(service_over(own.bench).post("/v1/ask", {"question": QUESTION}), 503)

    assert error["type"] == "snapshot_damaged"


def test_a_store_of_another_model_is_a_503_and_never_an_answer(own: Service) -> None:
    encoder = WordHashEncoder("another")
    live = LiveCorpus(own.context.store, encoder)
    answerer = Answerer(live, encoder, [Quoting()], own.bench.settings.retrieval)
    app = create_app(replace(own.context, live=live, answerer=answerer))

    error = error_of(app.test_client().post("/v1/ask", json={"question": QUESTION}), 503)

    assert error["type"] == "embedding_mismatch"


# ---- documents -------------------------------------------------------------------------------


def test_every_file_that_was_seen_is_listed_with_its_outcome(shared: Service) -> None:
    body = shared.get("/v1/documents")

    rows = body["documents"]
    assert body["total"] == len(rows)
    assert {row["source"] for row in rows} == {
        row.source for row in shared.context.live.get().ledger
    }
    assert {row["source"] for row in rows if row["id"] is None} == {"empty.txt", "picture.png"}
    by_id = {row["id"]: row for row in rows if row["id"]}
    assert set(by_id) == {
        "leave.md",
        "travel/trains.md",
        "travel/text",
        ODD_NAME,
        "r0",
        "r1",
        "r2",
    }
    assert list(by_id["leave.md"]) == [
        "id",
        "title",
        "source",
        "status",
        "reason",
        "format",
        "size",
        "chunks",
        "stale",
    ]
    assert [row["status"] for row in rows if row["source"] == "empty.txt"] == ["empty"]


def test_documents_come_in_pages_that_add_up(shared: Service) -> None:
    everything = shared.get("/v1/documents")["documents"]

    pages = []
    for offset in range(0, len(everything) + 2, 2):
        pages += shared.get(f"/v1/documents?limit=2&offset={offset}")["documents"]

    assert pages == everything


def test_documents_can_be_listed_by_outcome(shared: Service) -> None:
    body = shared.get("/v1/documents?status=empty")

    assert body["total"] == 1
    assert [row["source"] for row in body["documents"]] == ["empty.txt"]


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("limit=0", "limit", "greater than or equal to 1"),
        ("limit=1001", "limit", "less than or equal to 1000"),
        ("limit=x", "limit", "integer"),
        ("offset=-1", "offset", "greater than or equal to 0"),
        ("status=lost", "status", "allowed: 'indexed'"),
        ("page=2", "page", "unknown field 'page'"),
        ("limit=1&limit=2", "limit", "given 2 times"),
    ],
)
def test_a_bad_listing_is_refused_with_what_is_wrong(
    shared: Service, query: str, param: str, message: str
) -> None:
    error = error_of(shared.client.get(f"/v1/documents?{query}"), 400)

    assert error["param"] == param
    assert message in error["message"]


def test_every_document_opens_by_its_id_whatever_its_name(shared: Service) -> None:
    ids = [row["id"] for row in shared.get("/v1/documents")["documents"] if row["id"]]
    assert ODD_NAME in ids
    assert "travel/text" in ids

    for document_id in ids:
        path = f"/v1/documents/{quote(document_id, safe='')}"
        described = shared.get(path)["document"]
        opened = shared.get(f"{path}/text")
        assert described["id"] == opened["document"]["id"] == document_id
        assert described["length"] == opened["length"] == len(opened["text"])
        assert opened["text"] == shared.context.live.get().document(document_id).text


def test_slashes_may_stand_as_they_are(shared: Service) -> None:
    assert shared.get("/v1/documents/travel/trains.md")["document"]["id"] == "travel/trains.md"
    opened = shared.get("/v1/documents/travel/trains.md/text?start=0&end=8")
    assert len(opened["text"]) == 8


def test_an_unknown_document_is_a_404_that_names_it(shared: Service) -> None:
    for path in ("/v1/documents/none.md", "/v1/documents/none.md/text", "/v1/documents/..%2Fx"):
        error = error_of(shared.client.get(path), 404)
        assert error["type"] == "unknown_document"
    assert "'none.md'" in error_of(shared.client.get("/v1/documents/none.md"), 404)["message"]


@settings(max_examples=50)
@given(st.data())
def test_a_span_is_that_of_the_document_in_code_points(shared: Service, data: Any) -> None:
    text = shared.context.live.get().document("leave.md").text
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    opened = shared.get(f"/v1/documents/leave.md/text?start={start}&end={end}")

    assert opened["text"] == text[start:end]
    assert (opened["start"], opened["end"], opened["length"]) == (start, end, len(text))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("start=-1", "start"),
        ("end=100000", "end"),
        ("start=5&end=2", "start"),
        ("start=100000", "start"),
        ("start=x", "start"),
        ("start=1.5", "start"),
        ("from=1", "from"),
    ],
)
def test_a_bad_span_is_refused(shared: Service, query: str, param: str) -> None:
    error = error_of(shared.client.get(f"/v1/documents/leave.md/text?{query}"), 400)

    assert error["param"] == param


# ---- snapshots -------------------------------------------------------------------------------


def test_activating_an_older_snapshot_changes_what_answers(own: Service) -> None:
    body = own.get("/v1/snapshots")
    older = next(one["id"] for one in body["snapshots"] if not one["current"])
    assert "27 days" in own.post("/v1/ask", {"question": QUESTION}).get_json()["answer"]

    response = own.post(f"/v1/snapshots/{older}/activate", {})

    assert response.status_code == 200
    assert response.get_json()["snapshot"]["current"] is True
    assert own.get("/v1/snapshots")["current"] == older
    answer = own.post("/v1/ask", {"question": QUESTION}).get_json()
    assert "25 days" in answer["answer"]
    assert answer["snapshot"]["id"] == older


def test_snapshots_are_listed_with_what_they_hold(own: Service) -> None:
    body = own.get("/v1/snapshots")

    assert len(body["snapshots"]) == 2
    newest = body["snapshots"][0]
    assert list(newest) == [
        *("id", "created", "documents", "chunks", "size", "current", "damage", "tags"),
    ]
    assert (newest["documents"], newest["current"], newest["damage"]) == (1, True, None)
    assert newest["id"] == body["current"]


def test_a_snapshot_that_is_not_there_cannot_be_activated(own: Service) -> None:
    for name in ("none", "..", "%2e%2e"):
        response = own.client.post(f"/v1/snapshots/{name}/activate")
        assert error_of(response, 404)["type"] in {"unknown_snapshot", "not_found"}


def test_a_damaged_snapshot_cannot_be_activated_and_the_current_one_stays(own: Service) -> None:
    body = own.get("/v1/snapshots")
    older = next(one["id"] for one in body["snapshots"] if not one["current"])
    folder = own.bench.store.path / "snapshots" / older
    (folder / "ledger.jsonl").write_bytes(b"")
    shutil.rmtree(folder / "words")

    error = error_of(own.client.post(f"/v1/snapshots/{older}/activate"), 503)

    assert error["type"] == "snapshot_damaged"
    assert own.get("/v1/snapshots")["current"] == body["current"]
    assert own.post("/v1/ask", {"question": QUESTION}).status_code == 200


def test_a_snapshot_of_another_model_cannot_be_activated(own: Service, tmp_path: Path) -> None:
    answers = own.get("/v1/snapshots")["current"]
    (tmp_path / "foreign").mkdir()
    other = Workbench(tmp_path / "foreign")
    other.encoder = WordHashEncoder("another")
    other.write("a.md", "Nothing much.\n")
    report = other.ingest()
    shutil.copytree(other.store.path, own.bench.store.path, dirs_exist_ok=True)
    (own.bench.store.path / "CURRENT").write_text(f"{answers}\n")

    error = error_of(own.client.post(f"/v1/snapshots/{report.snapshot}/activate"), 503)

    assert error["type"] == "embedding_mismatch"
    assert own.get("/v1/snapshots")["current"] == answers


def test_nothing_is_activated_while_another_process_writes(own: Service) -> None:
    older = own.get("/v1/snapshots")["snapshots"][1]["id"]

    with Store(own.bench.store.path).writing():
        error = error_of(own.client.post(f"/v1/snapshots/{older}/activate"), 409)

    assert (error["type"], error["retryable"]) == ("store_busy", True)


# ---- refreshing ------------------------------------------------------------------------------


@pytest.fixture
def busy(bench: Workbench) -> Iterator[Service]:
    """A service whose refresh takes its time."""
    jobs = Jobs([sys.executable, "-c", "import time; time.sleep(30)"])
    yield service_over(bench, jobs)
    jobs.close()


def test_a_refresh_is_started_once_and_can_be_watched(busy: Service) -> None:
    response = busy.client.post("/v1/refresh")
    body = response.get_json()

    assert response.status_code == 202
    assert response.headers["Location"] == body["href"] == f"/v1/jobs/{body['job']['id']}"
    assert busy.get(body["href"]) == body["job"]
    assert list(body["job"]) == [
        "id",
        "status",
        "started",
        "finished",
        "exit_code",
        "result",
        "error",
        "progress",
    ]
    assert body["job"]["status"] == "running"
    assert body["job"]["progress"] is None

    error = error_of(busy.post("/v1/refresh", {}), 409)

    assert error["type"] == "refresh_running"
    assert body["job"]["id"] in error["message"]
    assert error["hint"] == f"GET {body['href']}"


def test_how_far_a_refresh_is_stands_in_its_job(bench: Workbench) -> None:
    update = line_of(JobProgress("taking in", 12, 468, 80, 10_400, 80.1, 10_400.0, 37.5))
    code = f"import sys, time; print({update!r}, file=sys.stderr); time.sleep(30)"
    jobs = Jobs([sys.executable, "-c", code])
    service = service_over(bench, jobs)
    href = service.client.post("/v1/refresh").get_json()["href"]
    try:
        until = time.monotonic() + 10
        while (body := service.get(href))["progress"] is None:
            assert time.monotonic() < until, "nothing was told"
            time.sleep(0.02)
    finally:
        jobs.close()

    assert body["status"] == "running"
    assert body["progress"] == {
        "stage": "taking in",
        "done": 12,
        "total": 468,
        "chunks": 80,
        "tokens": 10_400,
        "chunks_per_s": 80.1,
        "tokens_per_s": 10_400.0,
        "left_s": 37.5,
    }


def test_a_refresh_takes_no_fields(shared: Service) -> None:
    error = error_of(shared.post("/v1/refresh", {"force": True}), 400)

    assert error["param"] == "force"


def test_an_unknown_job_is_a_404(shared: Service) -> None:
    assert error_of(shared.client.get("/v1/jobs/none"), 404)["type"] == "unknown_job"


# ---- health ----------------------------------------------------------------------------------


def test_healthz_answers_without_a_corpus(bench: Workbench) -> None:
    assert service_over(bench).get("/healthz") == {"status": "ok"}


def test_readyz_is_ready_when_questions_can_be_answered(shared: Service) -> None:
    body = shared.get("/readyz")

    assert (body["ready"], body["degraded"]) == (True, False)
    assert body["problems"] == []
    assert body["snapshot"]["id"] == shared.context.live.get().id
    assert list(body["refresh"]) == [
        "scheduled",
        "last_success",
        "last_run",
        "last_outcome",
        "next_run",
        "problem",
    ]
    assert body["refresh"]["last_success"] is not None


def test_readyz_says_why_not(bench: Workbench) -> None:
    response = service_over(bench).client.get("/readyz")
    body = response.get_json()

    assert response.status_code == 503
    assert (body["ready"], body["snapshot"]) == (False, None)
    assert any("rag ingest FOLDER" in problem for problem in body["problems"])


def test_a_refresh_that_failed_is_told_and_the_old_snapshot_still_answers(own: Service) -> None:
    def fail() -> None:
        with RunLog(own.bench.store.path).recording() as run:
            run.begin()
            raise ZeroDivisionError("it broke")

    with pytest.raises(ZeroDivisionError):
        fail()

    body = own.get("/readyz")

    assert body["ready"] is True
    assert body["refresh"]["last_outcome"] == "failed"
    assert any("the last refresh failed" in problem for problem in body["problems"])


def test_a_server_that_is_stopping_is_not_ready(own: Service) -> None:
    own.context.draining.start(10)

    response = own.client.get("/readyz")

    assert response.status_code == 503
    assert "the server is stopping" in response.get_json()["problems"]


# ---- what surrounds every request ------------------------------------------------------------


def test_the_callers_request_id_comes_back(shared: Service) -> None:
    response = shared.client.get("/healthz", headers={"X-Request-Id": "a-1.b:c_d"})

    assert response.headers["X-Request-Id"] == "a-1.b:c_d"


@pytest.mark.parametrize("given_id", ["", "a b", "a" * 129, "<script>", "é"])
def test_a_request_id_that_could_do_harm_is_replaced(shared: Service, given_id: str) -> None:
    headers = {"X-Request-Id": given_id.encode("utf-8").decode("latin-1")}

    response = shared.client.get("/healthz", headers=headers)

    assert response.headers["X-Request-Id"] != given_id
    assert security.REQUEST_ID.fullmatch(response.headers["X-Request-Id"])


@pytest.mark.parametrize("path", ["/", "/healthz", "/none", "/app.js", "/v1/documents"])
def test_every_response_forbids_foreign_code(shared: Service, path: str) -> None:
    headers = shared.client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert directive in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000"])
def test_a_loopback_server_answers_to_its_own_names(shared: Service, host: str) -> None:
    assert shared.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "[bad"])
def test_a_loopback_server_refuses_other_names(shared: Service, host: str) -> None:
    """A page that has its own name resolve to 127.0.0.1 could read every document otherwise."""
    error = error_of(shared.client.get("/v1/documents", headers={"Host": host}), 403)

    assert error["type"] == "forbidden"


def test_a_server_for_others_answers_to_any_name(corpus: Workbench) -> None:
    service = service_over(corpus)
    serve = ServeSettings(host="0.0.0.0")
    opened = replace(service.context.settings, serve=serve)
    client = create_app(replace(service.context, settings=opened)).test_client()

    assert client.get("/healthz", headers={"Host": "rag.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999"])
def test_another_sites_page_cannot_start_anything(busy: Service, origin: str) -> None:
    response = busy.client.post("/v1/refresh", headers={"Origin": origin})

    assert error_of(response, 403)["type"] == "forbidden"


def test_the_servers_own_page_can(shared: Service) -> None:
    response = shared.client.post(
        "/v1/search", json={"query": "leave"}, headers={"Origin": "http://localhost"}
    )

    assert response.status_code == 200


def test_openapi_describes_every_route_and_no_other(shared: Service) -> None:
    served = {
        (method, rule.rule)
        for rule in shared.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method in {"GET", "POST"} and rule.endpoint.partition(".")[0] not in {"page", "openapi"}
    }
    names = {
        "/v1/documents/<anything:path>": "/v1/documents/{id}",
        "/v1/snapshots/<snapshot_id>/activate": "/v1/snapshots/{id}/activate",
        "/v1/jobs/<job_id>": "/v1/jobs/{id}",
    }

    described = {(method.upper(), path) for method, path, _, _ in OPERATIONS}

    assert described - {("GET", "/v1/documents/{id}/text")} == {
        (method, names.get(rule, rule)) for method, rule in served
    }
    assert shared.get("/openapi.json") == document()


def test_openapi_says_what_the_check_does() -> None:
    schema = document()["paths"]["/v1/ask"]["post"]["requestBody"]["content"]["application/json"]

    assert schema["schema"]["required"] == ["question"]
    assert schema["schema"]["additionalProperties"] is False
    assert set(schema["schema"]["properties"]) == set(AskRequest.model_fields)
