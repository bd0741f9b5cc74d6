"""The Flask application: every route, and what surrounds them.

Views are thin: read what was sent, call the room that knows, write what came of it.
"""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from rag.api import answers, documents, errors, health, openapi, page, refresh, security, snapshots
from rag.api.context import Context

log = logging.getLogger(__name__)

OVERHEAD_BYTES = 64 * 1024  # of a body, beside its question
BYTES_PER_CHAR = 12  # a character of JSON at its longest: a pair of \uXXXX


class Anything(BaseConverter):
    """The rest of a path, slashes and new-lines included: ids of documents hold both."""

    regex = r"(?s:.+)"
    part_isolating = False


def create_app(context: Context) -> Flask:
    """Wire routes to rooms that are ready; nothing is loaded in a request."""
    app = Flask("rag.api", static_folder=None)
    serve = context.settings.serve
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    app.config["MAX_CONTENT_LENGTH"] = OVERHEAD_BYTES + BYTES_PER_CHAR * serve.max_question_chars
    app.url_map.converters["anything"] = Anything
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    security.register(app, serve.host)
    errors.register(app)
    _log_requests(app)
    for room in (answers, documents, snapshots, refresh, health, page):
        app.register_blueprint(room.blueprint(context))
    app.register_blueprint(openapi.blueprint())
    return app


def _log_requests(app: Flask) -> None:
    """A line for each request, for those who ask for it with ``-v``."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        took_ms = (time.perf_counter() - g.get("began", time.perf_counter())) * 1000
        log.debug(
            "%s %r %d %.1f ms request=%s",
            request.method,
            request.path,
            response.status_code,
            took_ms,
            g.request_id,
        )
        return response
