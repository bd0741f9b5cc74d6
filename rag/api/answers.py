"""`/v1/ask` and `/v1/search`."""

from __future__ import annotations

import queue

from flask import Blueprint, Response, g, jsonify, request

from rag.answerer import Event
from rag.answers import Question
from rag.api import errors
from rag.api.context import Context
from rag.api.reading import body_as
from rag.api.requests import AskRequest, SearchRequest
from rag.api.stream import PING_S, Making, event_stream, has_left
from rag.questions import checked
from rag.wire import Json, answer_json, search_json


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("answers", __name__)
    max_chars = context.settings.serve.max_question_chars

    @views.post("/v1/ask")
    def ask() -> Response:
        asked = body_as(AskRequest)
        text = checked(asked.question, max_chars)
        question = Question(text, asked.k or context.settings.answer.k)
        if asked.stream:
            return _streamed(context, question, asked.engine)
        return jsonify(answer_json(context.answerer.answer(question, asked.engine)))

    @views.post("/v1/search")
    def search() -> Response:
        asked = body_as(SearchRequest)
        query = checked(asked.query, max_chars, "query")
        return jsonify(search_json(context.answerer.search(query, asked.k, asked.mode)))

    return views


def _streamed(context: Context, question: Question, engine: str | None) -> Response:
    """Answer as events. What is known to fail before the first of them is a plain error."""
    connection, request_id = request.environ.get("gunicorn.socket"), g.request_id
    making = Making(lambda: context.answerer.stream(question, engine))
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
