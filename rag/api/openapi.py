"""`/openapi.json`: what can be called, with the schemas that requests are checked by.

The request bodies and parameters come from the models of :mod:`rag.requests`, so that
the description cannot say anything else than the check does. Responses are described in
``docs/http.md``.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel

from rag import __version__
from rag.requests import (
    AskRequest,
    DocumentQuery,
    DocumentsQuery,
    ExplainRequest,
    SearchRequest,
    SpanQuery,
)
from rag.wire import Json

Operation = tuple[str, str, str, type[BaseModel] | None]

OPERATIONS: tuple[Operation, ...] = (
    ("post", "/v1/ask", "A grounded answer; events when `stream` is true", AskRequest),
    ("post", "/v1/search", "Retrieval only", SearchRequest),
    ("post", "/v1/explain", "Everything up to generation", ExplainRequest),
    ("get", "/v1/documents", "What was taken in and what was not", DocumentsQuery),
    ("get", "/v1/documents/{id}", "One document, without its text", DocumentQuery),
    ("get", "/v1/documents/{id}/text", "A span of a document's text", SpanQuery),
    ("get", "/v1/snapshots", "The states of the corpus that are kept", None),
    ("post", "/v1/snapshots/{id}/activate", "Let another snapshot answer", None),
    ("post", "/v1/refresh", "Start a refresh", None),
    ("get", "/v1/jobs/{id}", "How a refresh stands", None),
    ("get", "/healthz", "This process answers", None),
    ("get", "/readyz", "It can answer questions, and if not, why", None),
)

ERROR_FIELDS: Json = {
    "type": {"type": "string"},
    "message": {"type": "string"},
    "param": {"type": ["string", "null"]},
    "request_id": {"type": "string"},
    "retryable": {"type": "boolean"},
    "hint": {"type": ["string", "null"]},
}


def blueprint() -> Blueprint:
    """The route."""
    views = Blueprint("openapi", __name__)
    description = document()

    @views.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(description)

    return views


def document() -> Json:
    """The whole description, OpenAPI 3.1."""
    paths: dict[str, Json] = {}
    for method, path, summary, model in OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(method, path, summary, model)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rag", "version": __version__},
        "paths": paths,
        "components": {"schemas": {"Error": _error_schema()}},
    }


def _operation(method: str, path: str, summary: str, model: type[BaseModel] | None) -> Json:
    success = "202" if path == "/v1/refresh" else "200"
    operation: Json = {
        "summary": summary,
        "responses": {success: {"description": "see docs/http.md"}, "default": _failure()},
    }
    parameters = [_parameter("id", "path", {"type": "string"})] if "{id}" in path else []
    if model is not None:
        schema = _inlined(model.model_json_schema())
        if method == "get":
            properties = schema["properties"].items()
            parameters += [_parameter(name, "query", value) for name, value in properties]
        else:
            body = {"application/json": {"schema": schema}}
            operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _parameter(name: str, place: str, schema: Json) -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _inlined(schema: Json) -> Json:
    """Replace references by what they refer to: the schemas here are small."""
    definitions = schema.pop("$defs", {})

    def inline(value: Any) -> Any:
        if isinstance(value, list):
            return [inline(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            rest = {key: item for key, item in value.items() if key != "$ref"}
            return {**definitions[value["$ref"].rpartition("/")[2]], **rest}
        return {key: inline(item) for key, item in value.items()}

    inlined: Json = inline(schema)
    return inlined


def _failure() -> Json:
    reference = {"$ref": "#/components/schemas/Error"}
    return {"description": "an error", "content": {"application/json": {"schema": reference}}}


def _error_schema() -> Json:
    error = {"type": "object", "required": list(ERROR_FIELDS), "properties": ERROR_FIELDS}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
