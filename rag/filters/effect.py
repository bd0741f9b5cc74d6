"""What a filter comes to in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from corpus.snapshot import Snapshot
from rag.filters.filter import Filter
from rag.filters.writing import written

NOTHING = "no document matches `where`"
"""What is said where a filter leaves nothing to search."""


@dataclass(frozen=True, slots=True)
class Effect:
    """How a filter was read, and what it leaves to search."""

    text: str
    read_as: str
    documents: int
    chunks: int
    of_documents: int
    of_chunks: int

    @property
    def note(self) -> str:
        """What a user should know of it; empty where there is nothing to say."""
        return "" if self.documents else NOTHING


def effect_of(asked: Filter | None, snapshot: Snapshot) -> Effect | None:
    """Decide a filter for a snapshot, before anything is searched.

    :raises Refusal: when it names a field that no document has.
    """
    if asked is None:
        return None
    asked.check(snapshot.fields)
    allowed, counts = snapshot.allowed(asked.where), snapshot.counts
    return Effect(
        asked.text,
        written(asked.where),
        allowed.documents,
        allowed.chunks,
        counts["documents"],
        counts["chunks"],
    )
