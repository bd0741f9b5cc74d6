"""Answers and search results as they are sent: the JSON of `/v1/ask` and `/v1/search`.

The command line prints the same bodies with ``--json``, so this file knows neither HTTP
nor Flask. Fields are only ever added here: clients hold on to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from corpus.types import Chunk, Hit, Scores
from rag.answers import Answer, Citation, Dropped, Passage, Sent, SnapshotInfo

if TYPE_CHECKING:
    from rag.answerer import Explanation, SearchResult
    from rag.filters.effect import Effect
    from rag.reranking import Reranking

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
        "note": answer.note or None,
        **_rerank_json(answer.rerank),
        "timings_ms": _rounded(answer.timings_ms),
    }


def search_json(result: SearchResult) -> Json:
    """The body of `/v1/search`."""
    return {
        "snapshot": snapshot_json(result.snapshot),
        "hits": [hit_json(hit) for hit in result.hits],
        "where": effect_json(result.where),
        "note": (result.where.note or None) if result.where else None,
        **_rerank_json(result.rerank),
        "timings_ms": _rounded(result.timings_ms),
    }


def effect_json(effect: Effect | None) -> Json | None:
    """How a filter was read, and what it left to search."""
    if effect is None:
        return None
    return {
        "text": effect.text,
        "read_as": effect.read_as,
        "documents": effect.documents,
        "chunks": effect.chunks,
        "of_documents": effect.of_documents,
        "of_chunks": effect.of_chunks,
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
        "where": effect_json(explanation.where),
        "candidates": _candidates(explanation),
        **_rerank_json(explanation.rerank),
        **_sent_json(explanation.prepared.sent),
        "timings_ms": _rounded(explanation.timings_ms),
    }


def _candidates(explanation: Explanation) -> list[Json]:
    """Every hit and what became of it."""
    shown = {part.chunk.id: one for one in explanation.shown for part in one.hits}
    return [_candidate(hit, shown.get(hit.chunk.id), explanation) for hit in explanation.hits]


def _candidate(hit: Hit, passage: Passage | None, explanation: Explanation) -> Json:
    if passage is None:
        return {**hit_json(hit), "passage": None, "dropped": _reason(hit, explanation.dropped)}
    others = [part.rank for part in passage.hits if part.chunk.id != hit.chunk.id]
    together = {"together_with": others} if others else {}
    return {**hit_json(hit), "passage": passage.number, "dropped": None, **together}


def _reason(hit: Hit, dropped: Sequence[Dropped]) -> str:
    """Why a hit is not shown: for itself, or with the passage that it was part of."""
    chunk = hit.chunk
    same = [one for one in dropped if one.document_id == chunk.document_id]
    own = (one.reason for one in same if (one.start, one.end) == (chunk.start, chunk.end))
    whole = (one.reason for one in same if one.start <= chunk.start and chunk.end <= one.end)
    return next(own, None) or next(whole, None) or "as many passages as were asked for stand before"


def _rerank_json(rerank: Reranking | None) -> Json:
    """What became of the hits, where there is a reranker."""
    if rerank is None:
        return {}
    return {
        "rerank": {
            "model": rerank.model,
            "candidates": rerank.candidates,
            "scored": rerank.scored,
            "ended_by_budget": rerank.ended_by_budget,
            "ms": rerank.ms,
            "note": rerank.note or None,
        }
    }


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
        **({} if hit.fused_rank is None else {"fused_rank": hit.fused_rank}),
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
        **_parts_json(passage),
    }


def _parts_json(passage: Passage) -> Json:
    """The hits of a passage in reading order, where it shows several as one."""
    if len(passage.hits) < 2:
        return {}
    parts = sorted(passage.hits, key=lambda hit: hit.chunk.start)
    return {
        "parts": [
            {"rank": one.rank, "start": one.chunk.start, "end": one.chunk.end} for one in parts
        ]
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
    rerank = {} if scores.rerank is None else {"rerank": scores.rerank}
    return {"dense": scores.dense, "words": scores.words, "fused": scores.fused, **rerank}


def _rounded(timings: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in timings.items()}
