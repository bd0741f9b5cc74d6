"""`/v1/refresh` and `/v1/jobs/{id}`: start a refresh and watch it."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from rag.api.context import Context
from rag.api.reading import body_as
from rag.requests import EmptyRequest


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("refresh", __name__)

    @views.post("/v1/refresh")
    def refresh() -> Response:
        body_as(EmptyRequest, optional=True)
        job = context.jobs.start()
        href = f"/v1/jobs/{job.id}"
        response = jsonify(job=asdict(job), href=href)
        response.status_code = 202
        response.headers["Location"] = href
        return response

    @views.get("/v1/jobs/<job_id>")
    def job(job_id: str) -> Response:
        return jsonify(asdict(context.jobs.get(job_id)))

    return views
