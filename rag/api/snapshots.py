"""`/v1/snapshots`: the states of the corpus that are kept, and which one answers."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from corpus.errors import CorpusError
from corpus.fingerprint import check_same
from corpus.store import SnapshotSummary
from rag.api.context import Context
from rag.api.reading import body_as
from rag.requests import EmptyRequest
from rag.wire import Json


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("snapshots", __name__)

    @views.get("/v1/snapshots")
    def snapshots() -> Response:
        kept = context.store.snapshots()
        current = next((one.id for one in kept if one.current), None)
        return jsonify(current=current, snapshots=[_summary_json(one) for one in kept])

    @views.post("/v1/snapshots/<snapshot_id>/activate")
    def activate(snapshot_id: str) -> Response:
        body_as(EmptyRequest, optional=True)
        with context.store.changing():
            chosen_id = context.store.resolve(snapshot_id)
            _check_space(context, chosen_id)
            context.store.activate(chosen_id)
        context.live.poll()
        chosen = next(one for one in context.store.snapshots() if one.id == chosen_id)
        return jsonify(snapshot=_summary_json(chosen))

    return views


def _check_space(context: Context, snapshot_id: str) -> None:
    """Refuse a snapshot that this server could not search: the one that answers stays."""
    try:
        answering = context.live.get()
    except CorpusError:
        return  # nothing answers now
    check_same(
        found=context.store.manifest(snapshot_id).fingerprint,
        expected=answering.manifest.fingerprint,
    )


def _summary_json(one: SnapshotSummary) -> Json:
    return {
        "id": one.id,
        "created": one.created or None,
        "documents": one.documents,
        "chunks": one.chunks,
        "size": one.size,
        "current": one.current,
        "damage": one.damage or None,
        "tags": list(one.tags),
    }
