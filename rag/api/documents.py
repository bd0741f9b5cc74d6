"""`/v1/documents`: what was taken in, what was not and why, and the text that was seen.

An id may hold anything that a file name may. In a path it is percent-encoded, slashes
included; slashes may also stand as they are, except where the id itself ends in ``/text``.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from flask import Blueprint, Response, jsonify, request

from corpus.errors import BadRequest
from corpus.snapshot import DocumentRef, Snapshot
from corpus.types import LedgerRow
from rag.api.context import Context
from rag.api.reading import query_as
from rag.filters.filter import Filter
from rag.questions import filter_of
from rag.requests import DocumentQuery, DocumentsQuery, SpanQuery
from rag.wire import Json, snapshot_json

BASE = "/v1/documents/"
TEXT = "/text"


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("documents", __name__)

    @views.get("/v1/documents")
    def documents() -> Response:
        wanted = query_as(DocumentsQuery)
        snapshot = context.live.get(wanted.snapshot)
        rows = [
            entry
            for entry in _allowed(snapshot, filter_of(wanted.where))
            if wanted.status is None or entry[0].status is wanted.status
        ]
        shown = rows[wanted.offset : wanted.offset + wanted.limit]
        return jsonify(
            snapshot=snapshot_json(context.live.info(snapshot)),
            total=len(rows),
            documents=[_entry_json(snapshot, row, ref) for row, ref in shown],
        )

    @views.get("/v1/documents/<anything:path>")
    def document(path: str) -> Response:
        document_id, is_text = _named(path)
        return _text(context, document_id) if is_text else _document(context, document_id)

    return views


def _named(path: str) -> tuple[str, bool]:
    """The id that a path names, and whether its text is asked for.

    The path as it was sent tells ``a/text`` from ``a%2Ftext``; the decoded one does not.
    """
    raw = urlsplit(request.environ.get("RAW_URI", "")).path
    if raw.startswith(BASE):
        path, is_text = unquote(raw.removeprefix(BASE)), raw.endswith(TEXT)
    else:
        is_text = path.endswith(TEXT)
    return (path.removesuffix(TEXT), True) if is_text else (path, False)


def _document(context: Context, document_id: str) -> Response:
    snapshot = context.live.get(query_as(DocumentQuery).snapshot)
    document = snapshot.document(document_id)
    row = next((row for row in snapshot.ledger if row.source == document.source), None)
    return jsonify(
        snapshot=snapshot_json(context.live.info(snapshot)),
        document={
            "id": document.id,
            "title": document.title,
            "source": document.source,
            "format": document.format,
            "metadata": dict(document.metadata),
            "length": len(document.text),
            "chunks": len(snapshot.chunks_of(document_id)),
            "stale": row.stale if row else False,
            "reason": row.reason if row else "",
        },
    )


def _text(context: Context, document_id: str) -> Response:
    wanted = query_as(SpanQuery)
    snapshot = context.live.get(wanted.snapshot)
    document = snapshot.document(document_id)
    length = len(document.text)
    end = length if wanted.end is None else wanted.end
    if end > length:
        raise BadRequest(f"'end' is {end}; the text has {length} characters", "end")
    if wanted.start > end:
        raise BadRequest(f"'start' is {wanted.start}, past 'end', which is {end}", "start")
    return jsonify(
        snapshot=snapshot_json(context.live.info(snapshot)),
        document={"id": document.id, "title": document.title},
        start=wanted.start,
        end=end,
        text=document.text[wanted.start : end],
        length=length,
    )


def _allowed(
    snapshot: Snapshot, where: Filter | None
) -> Iterator[tuple[LedgerRow, DocumentRef | None]]:
    """The entries that a filter allows; a source that gave no document fulfils none."""
    if where is None:
        yield from _entries(snapshot)
        return
    where.check(snapshot.fields)
    ids = snapshot.allowed(where.where).ids()
    yield from (entry for entry in _entries(snapshot) if entry[1] and entry[1].id in ids)


def _entries(snapshot: Snapshot) -> Iterator[tuple[LedgerRow, DocumentRef | None]]:
    """Each document with the row of its source, and each source that gave none."""
    by_source: dict[str, list[DocumentRef]] = {}
    for ref in snapshot.documents.values():
        by_source.setdefault(ref.source, []).append(ref)
    for row in snapshot.ledger:
        refs = by_source.get(row.source)
        if refs is None:
            yield row, None
        else:
            yield from ((row, ref) for ref in refs)


def _entry_json(snapshot: Snapshot, row: LedgerRow, ref: DocumentRef | None) -> Json:
    return {
        "id": ref.id if ref else None,
        "title": ref.title if ref else None,
        "source": row.source,
        "status": row.status.value,
        "reason": row.reason,
        "format": row.format,
        "size": row.size,
        "chunks": _chunks_of(snapshot, row, ref),
        "stale": row.stale,
    }


def _chunks_of(snapshot: Snapshot, row: LedgerRow, ref: DocumentRef | None) -> int:
    """Chunks of the document; the ledger counts them by source, which may hold several."""
    if ref is None or row.documents == 1:
        return row.chunks
    return len(snapshot.chunks_of(ref.id))
