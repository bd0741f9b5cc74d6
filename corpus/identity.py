"""What makes two things the same: documents, chunks, embedded texts, snapshots.

All ids are hashes of content, so they are the same on every machine and in every store,
whatever the order in which things were taken in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from corpus.types import Document, LedgerRow

FORMAT = 1
"""Version of the layout on disk and of what the ids below are made of."""

ANALYSIS = 2
"""Version of :mod:`corpus.analysis`: goes up when the same text would become other terms, because
an index and its questions must agree. Part of what a snapshot says."""

_SIXTY_THREE_BITS = (1 << 63) - 1


def document_digest(document: Document) -> str:
    """Hash of everything that a document says of itself, its id included."""
    fields = {
        "id": document.id,
        "source": document.source,
        "title": document.title,
        "format": document.format,
        "metadata": dict(document.metadata),
        "text": document.text,
    }
    return _hash(fields)


def source_digest(document_digests: Iterable[str]) -> str:
    """Hash over the documents of one source, whatever their order."""
    return _hash(sorted(document_digests))


def chunk_id(digest: str, start: int, end: int) -> int:
    """Id of a chunk: 63 bits of a hash over its document's digest and its span.

    Among ten million chunks the chance of any two being equal is about 5e-6; a store
    refuses such a pair when it is written.
    """
    data = f"{digest}:{start}:{end}".encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) & _SIXTY_THREE_BITS


def text_key(embedded_text: str) -> str:
    """Key under which the vector of a text is found again: 128 bits, in hex."""
    return hashlib.blake2b(embedded_text.encode(), digest_size=16).hexdigest()


def snapshot_id(rows: Iterable[LedgerRow], settings: Mapping[str, object], fingerprint: str) -> str:
    """Id of a snapshot: a hash of what it says, not of how or when it was made.

    :param rows: its ledger, in any order.
    :param settings: what decides how documents are read and cut.
    :param fingerprint: id of the vector space.
    """
    said = sorted(
        [
            row.source,
            row.root,
            row.path,
            row.status,
            row.reason,
            row.digest,
            row.chunks,
            row.stale,
        ]
        for row in rows
    )
    return _hash([FORMAT, said, dict(settings), fingerprint])[:20]


def _hash(value: object) -> str:
    data = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()
