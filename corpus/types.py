"""The value types that every room of the house speaks.

All offsets are Unicode code points into :attr:`Document.text`, start inclusive, end
exclusive, so that ``document.text[start:end]`` is what a citation shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from corpus.where import Where

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""Unit vectors, one per row: float32, shape (n, dim), C order, every row with L2 norm 1."""

ChunkVectors: TypeAlias = "npt.NDArray[np.float32]"
"""The vector of a chunk, and below it those of its windows (:mod:`corpus.windows`), if it has any:
float32, shape (1 + windows, dim), unit rows."""

ChunkIds: TypeAlias = "npt.NDArray[np.int64]"
"""Chunk ids, shape (n,): see :attr:`Chunk.id`."""


@dataclass(frozen=True, slots=True)
class Document:
    """The canonical text of a source (or of one record in it), as readers of answers see it.

    The text is fixed when the document is taken in: what is cited later is exactly this,
    whatever happens to the file.
    """

    id: str  # path below the root; for a record, the record's own id
    source: str  # id of the source it came from
    title: str  # as shown; the file's stem where the document names none
    text: str
    format: str  # "md", "html", "txt", "jsonl"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous span of one document: the unit that is embedded and retrieved.

    Invariant: ``document.text[chunk.start:chunk.end] == chunk.text``.
    """

    id: int  # 63 bits of a hash over document and span: the same on every machine
    document_id: str
    title: str
    format: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...]  # from the outermost section to the innermost, title left out
    page: int | None = None  # 1-based, for paged formats
    tokens: int = 0  # by the embedding model's tokenizer, as embedded: prefix and specials counted


class Mode(StrEnum):
    """How a query is searched."""

    HYBRID = "hybrid"
    DENSE = "dense"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Query:
    """What a snapshot is asked."""

    text: str
    vector: Vectors | None  # shape (dim,); None is right for Mode.WORDS only
    k: int = 10
    mode: Mode = Mode.HYBRID
    candidates: int = 100  # fetched by each of the two searches before they are fused
    dense_weight: float = 0.4  # share of the dense score in the fused one, in [0, 1]
    where: Where | None = None  # only documents that fulfil it are searched
    exact: bool = False  # compare every vector, however many there are


@dataclass(frozen=True, slots=True)
class Scores:
    """Why a hit stands where it stands. ``None``: not among that search's candidates."""

    dense: float | None  # cosine of the chunk or of the part of it that is nearest, in [-1, 1]
    words: float | None  # BM25, unbounded, comparable within one query only
    fused: float | None  # in [0, 1]; None where only one of the two searches was asked for
    whole: float | None = None  # cosine of the chunk's own vector, where dense is given
    rerank: float | None = None  # logit of the cross-encoder, comparable within one query only


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found for a query."""

    rank: int  # from 1
    score: float  # the score of the mode that was asked for
    chunk: Chunk
    scores: Scores
    fused_rank: int | None = None  # before it was reranked; None: it was not


class Status(StrEnum):
    """What became of a source. Every file that was seen has exactly one."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"  # in the report of a run only; a ledger says "indexed"
    EMPTY = "empty"  # was read, held no text
    FAILED = "failed"  # should have been readable, was not: see the reason
    SKIPPED = "skipped"  # not taken in on purpose: see the reason


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One source and its outcome. The ledger of a snapshot holds one for each file seen."""

    source: str  # its id: the path below the root, prefixed where two roots would collide
    root: int  # key of the root it was found under
    path: str  # below the root, POSIX separators
    status: Status
    reason: str = ""  # for humans; empty when indexed without remarks
    sha256: str = ""  # of the bytes that were read, with those of its sidecar if it has one;
    # empty where they could not be
    size: int = 0  # bytes
    format: str = ""
    encoding: str = ""
    documents: int = 0
    chunks: int = 0
    digest: str = ""  # over the documents it holds, see corpus.identity; empty where none
    stale: bool = False  # the file is unreadable now; its last good version still answers
    prefix: str = ""  # of the ids of its records: folder, and file where the folder holds several
