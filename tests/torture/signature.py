"""Everything that a reader can learn from a snapshot, as one line that can be compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.types import Mode, Query
from tests.conftest import WordHashEncoder

_QUESTIONS = ("travel booked through the desk", "how many days of leave", "invoice")
_ALL = 1000  # more than there are chunks


def signature(store: Path) -> str:
    """Everything that a reader can learn from the snapshot that answers; empty for none.

    :raises CorpusError: when it cannot be opened.
    """
    opened = Store(store)
    return signature_of(opened.open()) if opened.current_id() else ""


def signature_of(snapshot: Snapshot) -> str:
    """The same of an open snapshot: its id, then a hash."""
    digest = hashlib.sha256(repr(snapshot.ledger).encode())
    for document in sorted(snapshot.documents):
        held = (snapshot.document(document), snapshot.chunks_of(document))
        digest.update(repr(held).encode())
    encoder = WordHashEncoder()
    for text in _QUESTIONS:
        query = Query(text, encoder.encode_query(text), k=_ALL, mode=Mode.DENSE)
        near = sorted((hit.chunk.id, f"{hit.score:.5f}") for hit in snapshot.search(query))
        digest.update(repr(near).encode())
        words = snapshot.search(Query(text, None, k=_ALL, mode=Mode.WORDS))
        digest.update(repr(sorted(hit.chunk.id for hit in words)).encode())
    return f"{snapshot.id} {digest.hexdigest()}"


def everything(snapshot: Snapshot) -> str:
    """The same with what belongs to this one copy: when it was made, and from what."""
    said = hashlib.sha256(repr(snapshot.manifest).encode()).hexdigest()
    return f"{signature_of(snapshot)} {said}"
