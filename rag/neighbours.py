"""Hits that stand side by side in a document, put together to be shown as one passage.

Only white space may lie between them, and they stand under the same headings. What is put
together is again ``document.text[start:end]``, to the character.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from corpus.types import Chunk, Hit

Between = Callable[[str, int, int], str]
"""Characters of a document: its id, start, end. See :meth:`corpus.snapshot.Snapshot.span`."""

MOST = 3
"""Chunks of a passage at most: it goes into a prompt as a whole or not at all."""

_GAP = 64  # characters between two neighbours at most


@dataclass(frozen=True, slots=True)
class Group:
    """What becomes one passage."""

    hits: tuple[Hit, ...]  # best first
    chunk: Chunk  # all of them; its id is that of the best

    @property
    def best(self) -> Hit:
        """The hit whose place and scores the passage has."""
        return self.hits[0]


def alone(hit: Hit) -> Group:
    """One hit as a group."""
    return Group((hit,), hit.chunk)


def overlap(one: Chunk, other: Chunk) -> bool:
    """Whether two chunks have characters of one document in common."""
    same = one.document_id == other.document_id
    return same and one.start < other.end and other.start < one.end


def contains(one: Chunk, other: Chunk) -> bool:
    """Whether every character of another chunk is one of this chunk."""
    same = one.document_id == other.document_id
    return same and one.start <= other.start and other.end <= one.end


def joined(one: Group, other: Group, between: Between) -> Group | None:
    """Two groups as one, in the place of the better; None where they are no neighbours."""
    left, right = sorted((one.chunk, other.chunk), key=lambda chunk: (chunk.start, chunk.end))
    if len(one.hits) + len(other.hits) > MOST or not _may_touch(left, right):
        return None
    if right.start <= left.end:
        text = left.text + right.text[left.end - right.start :]
    else:
        gap = between(left.document_id, left.end, right.start)
        if not gap.isspace():
            return None
        text = left.text + gap + right.text
    hits = tuple(sorted(one.hits + other.hits, key=lambda hit: hit.rank))
    chunk = replace(
        hits[0].chunk,
        start=left.start,
        end=max(left.end, right.end),
        text=text,
        tokens=left.tokens + right.tokens,
    )
    return Group(hits, chunk)


def _may_touch(left: Chunk, right: Chunk) -> bool:
    return (
        left.document_id == right.document_id
        and right.start - left.end <= _GAP
        and left.headings == right.headings
        and left.page == right.page
    )
