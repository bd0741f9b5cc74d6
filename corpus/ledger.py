"""The ledger of a snapshot as a file: one JSON object a line, one line a source."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields

from corpus.types import LedgerRow, Status

NAME = "ledger.jsonl"


def to_bytes(rows: Iterable[LedgerRow]) -> bytes:
    """The file as it is written, ordered by root and path."""
    names = [field.name for field in fields(LedgerRow)]
    objects = ({name: getattr(row, name) for name in names} for row in ordered(rows))
    return "".join(json.dumps(one) + "\n" for one in objects).encode()


def ordered(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """Rows in the order of a ledger."""
    return sorted(rows, key=lambda row: (row.root, row.path))


def from_bytes(data: bytes) -> list[LedgerRow]:
    """The rows of a file whose hash was verified."""
    return [_row(json.loads(line)) for line in data.splitlines()]


def _row(fields: dict[str, object]) -> LedgerRow:
    status = Status(str(fields.pop("status")))
    return LedgerRow(status=status, **fields)  # type: ignore[arg-type]  # as to_bytes wrote them


def counts(rows: Iterable[LedgerRow]) -> dict[str, int]:
    """Sources by status, documents and chunks: what a manifest and a status line say."""
    rows = list(rows)
    by_status = {status.value: 0 for status in Status if status is not Status.UNCHANGED}
    for row in rows:
        by_status[row.status] += 1
    return {
        "sources": len(rows),
        "documents": sum(row.documents for row in rows),
        "chunks": sum(row.chunks for row in rows),
        **by_status,
    }
