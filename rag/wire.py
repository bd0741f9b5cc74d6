"""Answers and search results as they are sent: the JSON of `/v1/ask` and `/v1/search`.

The command line prints the same bodies with ``--json``, so this file knows neither HTTP
nor Flask. Fields are only ever added here: clients hold on to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus.types import Chunk, Hit, Scores
from rag.answers import Answer, Citation, Dropped, Passage, Sent, SnapshotInfo

if TYPE_CHECKING:
    from rag.answerer import Explanation, SearchResult

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
        "degraded": bool(answer.degraded),
        "degraded_reason": answer.degraded or None,
        "finish_reason": answer.finish.reason.value,
        "closest": [_closest_json(hit) for hit in answer.closest],
        "snapshot": snapshot_json(answer.snapshot),
        "usage": {
            "prompt_tokens": answer.finish.prompt_tokens,
            "completion_tokens": answer.finish.completion_tokens,
            "passages_used": answer.passages_used,
            "passages_dropped": [dropped_json(one) for one in answer.passages_dropped],
        },
        "query": answer.query or None,
        "thoughts": answer.thoughts or None,
        "uncited": [
            {"start": start, "end": end, "text": answer.text[start:end]}
            for start, end in answer.uncited
        ],
        "unknown_citations": answer.unknown_citations,
        "withheld": answer.withheld,
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
        "level": citation.level,
        "missing": list(citation.missing),
    }


def dropped_json(dropped: Dropped) -> Json:
    """A passage that was found and not shown, and why."""
    return {
        "document": dropped.document_id,
        "start": dropped.start,
        "end": dropped.end,
        "reason": dropped.reason,
    }


def explanation_json(explanation: Explanation) -> Json:
    """The body of `/v1/explain`."""
    return {
        "engine": explanation.engine,
        "model": explanation.model,
        "snapshot": snapshot_json(explanation.snapshot),
        "query": explanation.query,
        "candidates": _candidates(explanation),
        **_sent_json(explanation.prepared.sent),
        "timings_ms": _rounded(explanation.timings_ms),
    }


def _candidates(explanation: Explanation) -> list[Json]:
    """Every hit and what became of it."""
    numbers = {one.chunk.id: one.number for one in explanation.shown}
    reasons = {(one.document_id, one.start, one.end): one.reason for one in explanation.dropped}
    return [
        {
            **hit_json(hit),
            "passage": numbers.get(hit.chunk.id),
            "dropped": reasons.get((hit.chunk.document_id, hit.chunk.start, hit.chunk.end)),
        }
        for hit in explanation.hits
    ]


def _sent_json(sent: Sent | None) -> Json:
    """What the model is sent; nulls where no model is prompted."""
    if sent is None:
        names = ("messages", "prompt", "token_ids", "parts", "ledger", "stops", "sampling")
        return dict.fromkeys((*names, "constraint", "instructions", "left_out"))
    prompt = sent.prompt
    parts = prompt.part_of()
    return {
        "instructions": sent.instructions,
        "messages": [{"role": one.role.value, "content": one.content} for one in prompt.messages],
        "prompt": prompt.rendered.text,
        "token_ids": list(prompt.ids),
        "tokens": [
            {"id": one, "piece": piece, "part": part, "start": start, "end": end}
            for one, piece, part, (start, end) in zip(
                prompt.ids, sent.pieces(), parts, prompt.spans, strict=True
            )
        ],
        "control": list(prompt.control),
        "joins": prompt.joins(),
        "parts": [
            {"part": part.name, "start": part.start, "end": part.end}
            for part in prompt.rendered.parts
        ],
        "ledger": {
            "context": sent.context,
            "answer": sent.reserved,
            "prompt": len(prompt.ids),
            "free": sent.context - sent.reserved - len(prompt.ids),
            "by_part": prompt.ledger(),
        },
        "left_out": list(sent.left_out),
        "stops": {
            "ids": [{"id": one, "from": who} for one, who in sent.stops.ids.items()],
            "strings": [{"text": one, "from": who} for one, who in sent.stops.strings.items()],
        },
        "sampling": {
            name: {"value": one.value, "from": one.origin} for name, one in sent.sampling.items()
        },
        "constraint": sent.constraint,
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
    return {
        "id": snapshot.id,
        "created": snapshot.created,
        "age_s": round(snapshot.age_s, 1),
        "problem": snapshot.problem or None,
    }


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
