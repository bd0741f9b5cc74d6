"""Answers and search results as they are sent: the JSON of `/v1/ask` and `/v1/search`.

The command line prints the same bodies with ``--json``, so this file knows neither HTTP
nor Flask. Fields are only ever added here: clients hold on to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus.types import Chunk, Hit, Scores
from rag.answers import Answer, Citation, Passage, SnapshotInfo

if TYPE_CHECKING:
    from rag.answerer import SearchResult

Json = dict[str, Any]


def answer_json(answer: Answer) -> Json:
    """The body of `/v1/ask`."""
    return {
        "id": answer.id,
        "status": answer.outcome.value,
        "answer": answer.text,
        "citations": [citation_json(citation) for citation in answer.citations],
        "engine": answer.engine,
        "model": answer.model,
        "degraded": False,
        "finish_reason": "stop",
        "closest": [_closest_json(hit) for hit in answer.closest],
        "snapshot": snapshot_json(answer.snapshot),
        "usage": {
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "passages_used": answer.passages_used,
            "passages_dropped": [],
        },
        "timings_ms": _rounded(answer.timings_ms),
    }


def search_json(result: SearchResult) -> Json:
    """The body of `/v1/search`."""
    return {
        "snapshot": snapshot_json(result.snapshot),
        "hits": [hit_json(hit) for hit in result.hits],
        "timings_ms": _rounded(result.timings_ms),
    }


def citation_json(citation: Citation) -> Json:
    """A citation: ``quote == document_text[start:end]``."""
    return {
        "marker": citation.marker,
        "document": {"id": citation.document_id, "title": citation.title},
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "heading": list(citation.headings),
        "page": citation.page,
        "score": citation.score,
        "verdict": citation.verdict.value,
        "answer_start": citation.answer_start,
        "answer_end": citation.answer_end,
    }


def hit_json(hit: Hit) -> Json:
    """A hit with every score it has."""
    return {
        "rank": hit.rank,
        "score": hit.score,
        **_chunk_json(hit.chunk),
        "scores": _scores_json(hit.scores),
    }


def passage_json(passage: Passage) -> Json:
    """A passage as an engine is given it."""
    return {
        "number": passage.number,
        "score": passage.score,
        **_chunk_json(passage.chunk),
        "scores": _scores_json(passage.scores),
    }


def snapshot_json(snapshot: SnapshotInfo) -> Json:
    """The state of the corpus that answered."""
    return {"id": snapshot.id, "created": snapshot.created, "age_s": round(snapshot.age_s, 1)}


def _chunk_json(chunk: Chunk) -> Json:
    return {
        "document": {"id": chunk.document_id, "title": chunk.title},
        "heading": list(chunk.headings),
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
    }


def _closest_json(hit: Hit) -> Json:
    return {**_chunk_json(hit.chunk), "score": hit.score}


def _scores_json(scores: Scores) -> Json:
    return {"dense": scores.dense, "words": scores.words, "fused": scores.fused}


def _rounded(timings: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in timings.items()}
