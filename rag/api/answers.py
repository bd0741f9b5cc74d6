"""`/v1/ask`, `/v1/search` and `/v1/explain`."""

from __future__ import annotations

import queue
import time
from contextlib import suppress

from flask import Blueprint, Response, g, jsonify, request

from corpus.errors import GivenUp
from rag.api import errors
from rag.api.context import Context
from rag.api.reading import body_as, time_allowed
from rag.api.stream import LOOK_S, PING_S, Making, event_stream, has_left
from rag.events import Done, Event
from rag.questions import checked, filter_of, question_of
from rag.requests import AskRequest, ExplainRequest, SearchRequest
from rag.scope import Scope
from rag.wire import Json, answer_json, explanation_json, search_json


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("answers", __name__)
    settings = context.settings
    most_s = settings.vllm.deadline_s

    @views.post("/v1/ask")
    def ask() -> Response:
        asked = body_as(AskRequest)
        question, scope = question_of(asked, settings), Scope(time_allowed(most_s))
        answerer = context.answerer
        making = Making(
            lambda: answerer.stream(question, asked.engine, scope, shows=asked.stream),
            scope.cancel,
        )
        return _streamed(context, making) if asked.stream else _whole(making)

    @views.post("/v1/search")
    def search() -> Response:
        asked = body_as(SearchRequest)
        query = checked(asked.query, settings.serve.max_question_chars, "query")
        where = filter_of(asked.where)
        found = context.answerer.search(query, asked.k, asked.mode, asked.snapshot, where)
        return jsonify(search_json(found))

    @views.post("/v1/explain")
    def explain() -> Response:
        asked = body_as(ExplainRequest)
        question, scope = question_of(asked, settings), Scope(time_allowed(most_s))
        return jsonify(explanation_json(context.answerer.explain(question, asked.engine, scope)))

    return views


def _whole(making: Making) -> Response:
    """Answer at once. A client that leaves ends the making of its answer."""
    connection, looked = request.environ.get("gunicorn.socket"), time.monotonic()
    try:
        while True:
            with suppress(queue.Empty):
                event = making.next(LOOK_S)
                if isinstance(event, Done):
                    return jsonify(answer_json(event.answer))
            if time.monotonic() - looked >= LOOK_S:
                if has_left(connection):
                    raise GivenUp
                looked = time.monotonic()
    finally:
        making.give_up()


def _streamed(context: Context, making: Making) -> Response:
    """Answer as events. What is known to fail before the first of them is a plain error."""
    connection, request_id = request.environ.get("gunicorn.socket"), g.request_id
    first = _first(making)

    def fail(error: Exception) -> Json:
        failure = errors.failure_of(error)
        errors.record(error, failure, request_id, "POST '/v1/ask'")
        return failure.body(request_id)

    events = event_stream(
        making,
        first,
        draining=context.draining,
        gone=lambda: has_left(connection),
        fail=fail,
    )
    return Response(
        events,
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _first(making: Making) -> Event | None:
    """The first event, where it comes before the client would have to be told to wait."""
    try:
        return making.next(PING_S)
    except queue.Empty:
        return None
