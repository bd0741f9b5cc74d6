"""From errors to answers: one table, one shape.

    {"error": {"type", "message", "param", "request_id", "retryable", "hint"}}

Every response that is not a success has this body, those of Flask included. What was not
expected is logged with its trace and the request's id, and says nothing but that id.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from corpus.errors import (
    BadRequest,
    DeadlineExceeded,
    EmbeddingMismatch,
    EngineFailed,
    GivenUp,
    JobRunning,
    ModelUnavailable,
    NoSnapshot,
    PromptTooLong,
    RagError,
    SnapshotDamaged,
    StoreBusy,
    StoreNotWritable,
    TagsDamaged,
    UnknownDocument,
    UnknownJob,
    UnknownSnapshot,
)
from rag.wire import Json

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told."""

    status: int
    type: str
    message: str = ""
    param: str | None = None
    retryable: bool = False
    hint: str | None = None

    def body(self, request_id: str) -> Json:
        """The JSON of an error, in a response or in the last event of a stream."""
        return {
            "error": {
                "type": self.type,
                "message": self.message,
                "param": self.param,
                "request_id": request_id,
                "retryable": self.retryable,
                "hint": self.hint,
            }
        }


TABLE: dict[type[RagError], Failure] = {
    BadRequest: Failure(400, "invalid_request"),
    UnknownDocument: Failure(404, "unknown_document", hint="GET /v1/documents lists them"),
    UnknownSnapshot: Failure(404, "unknown_snapshot", hint="GET /v1/snapshots lists them"),
    UnknownJob: Failure(404, "unknown_job"),
    JobRunning: Failure(409, "refresh_running"),
    StoreBusy: Failure(409, "store_busy", hint="another process is writing; try again"),
    NoSnapshot: Failure(503, "no_snapshot", hint="rag ingest FOLDER"),
    SnapshotDamaged: Failure(503, "snapshot_damaged", hint="rag snapshots verify"),
    TagsDamaged: Failure(503, "tags_damaged", hint="rag snapshots list"),
    EmbeddingMismatch: Failure(503, "embedding_mismatch", hint="rag status"),
    ModelUnavailable: Failure(503, "model_unavailable", hint="rag status"),
    StoreNotWritable: Failure(503, "store_not_writable"),
    EngineFailed: Failure(503, "engine_failed"),
    DeadlineExceeded: Failure(504, "deadline_exceeded"),
    GivenUp: Failure(499, "client_left"),  # nobody reads it; nginx's status, for the log
    PromptTooLong: Failure(422, "prompt_too_long"),
    RagError: Failure(500, "internal"),
}

HTTP_TYPES = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def failure_of(error: Exception) -> Failure:
    """What to tell a caller about an error."""
    if isinstance(error, RagError):
        found = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
        hint = f"GET /v1/jobs/{error.job_id}" if isinstance(error, JobRunning) else found.hint
        return replace(
            found,
            message=str(error),
            param=error.param if isinstance(error, BadRequest) else None,
            retryable=error.retryable,
            hint=hint,
        )
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        kind = HTTP_TYPES.get(error.code, "invalid_request")
        return Failure(error.code, kind, error.description or error.name)
    return Failure(
        500,
        "internal",
        "something failed that should not have; the log of the server has the details",
        hint="look for the request id in the log of the server",
    )


def record(error: Exception, failure: Failure, request_id: str, where: str) -> None:
    """Log what the operator must know: the trace where the failure was not foreseen.

    :param where: method and path of the request.
    """
    if failure.type == "internal":
        log.error("%s %s request=%s", failure.status, where, request_id, exc_info=error)
    elif failure.status >= 500:
        log.warning("%s %s request=%s: %s", failure.status, where, request_id, error)


def register(app: Flask) -> None:
    """Give every error of the application its shape."""

    @app.errorhandler(Exception)
    def explain(error: Exception) -> Response:
        failure = failure_of(error)
        record(error, failure, g.request_id, f"{request.method} {request.path!r}")
        response = jsonify(failure.body(g.request_id))
        response.status_code = failure.status
        if failure.retryable:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        if isinstance(error, HTTPException):
            _keep_allow(error, response)
        return response


def _keep_allow(error: HTTPException, response: Response) -> None:
    """Carry over the header that a 405 must have."""
    allow = dict(error.get_headers()).get("Allow")
    if allow:
        response.headers["Allow"] = allow
