"""What may be asked: the bodies and query strings of requests, as models.

They are strict: ``"5"`` is no number and ``true`` is not 1. How a request is read and
refused by them is in :mod:`rag.api.reading`; ``/openapi.json`` is made from them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from corpus.types import Mode, Status
from rag.answers import Speaker, Style

MAX_K = 100
MAX_PAGE = 1000
MAX_STOPS = 4
MAX_STOP_CHARS = 64
MAX_TOKENS = 32_768
MAX_NAME = 64


class Body(BaseModel):
    """The body of a request: strict about types and names."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


K = Annotated[int, Field(ge=1, le=MAX_K)]
SnapshotName = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
OF_WHERE = "Which documents are searched, e.g. lang = de and path ~ docs/**; docs/where.md."
OF_SNAPSHOT = "The snapshot that answers: its id, a tag, or 8 characters of the id or more."


class TurnBody(Body):
    """Something that was said before the question."""

    role: Annotated[Speaker, Field(strict=False)]
    content: str


class ExplainRequest(Body):
    """What `/v1/explain` takes: what `/v1/ask` takes, but for the form of the answer."""

    question: str = Field(description="What is asked.")
    k: K | None = Field(None, description="Passages to show; the setting answer.k by default.")
    engine: str | None = Field(None, description="The engine; the setting answer.engine by default")
    history: list[TurnBody] = Field([], description="What was said before, oldest first.")
    style: Annotated[Style | None, Field(strict=False)] = Field(
        None, description="How the answer reads; the setting generation.style by default."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="Of sampling; without effect on the extractive engine, as the next four."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="Of sampling.")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = Field(
        None, description="Of sampling."
    )
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = Field(
        None, description="Tokens of the answer at most; the setting generation.max_tokens."
    )
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]],
        Field(max_length=MAX_STOPS),
    ] = Field([], description="Texts that end the answer where they would come.")
    adapter: str | None = Field(None, description="Name of a LoRA adapter of the engine vllm.")
    strict: bool | None = Field(
        None, description="Say only sentences whose citations hold them up; answer.strict."
    )
    snapshot: SnapshotName | None = Field(None, description=OF_SNAPSHOT)
    where: str | None = Field(None, description=OF_WHERE)


class AskRequest(ExplainRequest):
    """What `/v1/ask` takes."""

    stream: bool = Field(False, description="Answer as server-sent events.")


class SearchRequest(Body):
    """What `/v1/search` takes."""

    query: str = Field(description="What is looked for.")
    k: K = Field(10, description="Hits to return.")
    mode: Annotated[Mode, Field(strict=False)] = Field(
        Mode.HYBRID, description="Both searches fused, or one of them."
    )
    snapshot: SnapshotName | None = Field(None, description=OF_SNAPSHOT)
    where: str | None = Field(None, description=OF_WHERE)


class EmptyRequest(Body):
    """What needs no body: nothing, or an empty object."""


class DocumentsQuery(Body):
    """The query string of `/v1/documents`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=False)] = 100
    offset: Annotated[int, Field(ge=0, strict=False)] = 0
    status: Annotated[Status, Field(strict=False)] | None = None
    snapshot: SnapshotName | None = None
    where: str | None = Field(None, description=OF_WHERE)


class DocumentQuery(Body):
    """The query string of `/v1/documents/{id}`."""

    snapshot: SnapshotName | None = None


class SpanQuery(Body):
    """The query string of `/v1/documents/{id}/text`: a span in characters."""

    start: Annotated[int, Field(ge=0, strict=False)] = 0
    end: Annotated[int, Field(ge=0, strict=False)] | None = None
    snapshot: SnapshotName | None = None
