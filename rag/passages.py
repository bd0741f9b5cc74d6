"""From hits to passages: what an engine is shown, numbered, sentence by sentence.

Hits whose spans overlap within a document would be shown twice; only the better one is.
"""

from __future__ import annotations

from collections.abc import Iterable

from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit
from rag.answers import Passage, Sentence


def build(hits: Iterable[Hit]) -> tuple[Passage, ...]:
    """Number the hits that say something new, best first."""
    kept: list[Hit] = []
    for hit in hits:
        if not any(_overlap(hit.chunk, other.chunk) for other in kept):
            kept.append(hit)
    return tuple(_passage(number, hit) for number, hit in enumerate(kept, start=1))


def _overlap(one: Chunk, other: Chunk) -> bool:
    if one.document_id != other.document_id:
        return one.text == other.text
    return one.start < other.end and other.start < one.end


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
