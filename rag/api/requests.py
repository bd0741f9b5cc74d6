"""What may be asked: the bodies and query strings of requests, as models.

They are strict: ``"5"`` is no number and ``true`` is not 1. How a request is read and
refused by them is in :mod:`rag.api.reading`; ``/openapi.json`` is made from them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from corpus.types import Mode, Status

MAX_K = 100
MAX_PAGE = 1000


class Body(BaseModel):
    """The body of a request: strict about types and names."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


K = Annotated[int, Field(ge=1, le=MAX_K)]


class AskRequest(Body):
    """What `/v1/ask` takes."""

    question: str = Field(description="What is asked.")
    k: K | None = Field(None, description="Passages to retrieve; the setting answer.k by default.")
    engine: str | None = Field(None, description="The engine; the setting answer.engine by default")
    stream: bool = Field(False, description="Answer as server-sent events.")


class SearchRequest(Body):
    """What `/v1/search` takes."""

    query: str = Field(description="What is looked for.")
    k: K = Field(10, description="Hits to return.")
    mode: Annotated[Mode, Field(strict=False)] = Field(
        Mode.HYBRID, description="Both searches fused, or one of them."
    )


class EmptyRequest(Body):
    """What needs no body: nothing, or an empty object."""


class DocumentsQuery(Body):
    """The query string of `/v1/documents`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=False)] = 100
    offset: Annotated[int, Field(ge=0, strict=False)] = 0
    status: Annotated[Status, Field(strict=False)] | None = None


class SpanQuery(Body):
    """The query string of `/v1/documents/{id}/text`: a span in characters."""

    start: Annotated[int, Field(ge=0, strict=False)] = 0
    end: Annotated[int, Field(ge=0, strict=False)] | None = None
