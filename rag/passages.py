"""From hits to passages: what an engine is shown, numbered, sentence by sentence.

Hits whose spans overlap within a document would be shown twice; only the better one is.
"""

from __future__ import annotations

from collections.abc import Iterable

from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit
from rag.answers import Dropped, Passage, Sentence


def build(hits: Iterable[Hit]) -> tuple[tuple[Passage, ...], tuple[Dropped, ...]]:
    """Number the hits that say something new, best first.

    :return: the passages, and the hits that are none, with the reason.
    """
    kept: list[Hit] = []
    dropped: list[Dropped] = []
    for hit in hits:
        chunk = hit.chunk
        reasons = (_repeats(chunk, other.chunk, at) for at, other in enumerate(kept, start=1))
        if reason := next(filter(None, reasons), ""):
            dropped.append(Dropped(chunk.document_id, chunk.start, chunk.end, reason))
        else:
            kept.append(hit)
    shown = tuple(_passage(number, hit) for number, hit in enumerate(kept, start=1))
    return shown, tuple(dropped)


def _repeats(one: Chunk, other: Chunk, number: int) -> str:
    """Why a chunk says nothing that a passage does not say; empty where it does."""
    if one.document_id != other.document_id:
        return f"the same text as passage {number}" if one.text == other.text else ""
    overlap = one.start < other.end and other.start < one.end
    return f"overlaps passage {number}" if overlap else ""


def _passage(number: int, hit: Hit) -> Passage:
    chunk = hit.chunk
    sentences = tuple(
        Sentence(chunk.start + start, chunk.start + end, chunk.text[start:end])
        for start, end in sentence_spans(chunk.text)
        if not _is_heading(chunk, chunk.text[start:end])
    )
    return Passage(number, chunk, hit.score, hit.scores, sentences)


def _is_heading(chunk: Chunk, sentence: str) -> bool:
    """Headings are told with every passage; as sentences they would say nothing."""
    return sentence.strip("#=- \n") in {chunk.title, *chunk.headings}
