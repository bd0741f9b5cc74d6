"""From a source to documents that are ready to be embedded: read, parsed, named, cut.

What a source is made into depends on the :class:`Task` and on nothing else of the run, so that
whoever is free may make it, in whatever order. What the run has to say to it: see
:mod:`ingest.preparing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Protocol

from corpus.embedding import Tokens
from corpus.errors import UnreadableSource
from corpus.identity import chunk_id, document_digest, text_key
from corpus.texts import Entry
from corpus.types import Chunk, Document, LedgerRow
from ingest import chunker, reading, sidecar
from ingest.metadata import PathMetadata, completed
from ingest.parsed import Parsed, Reading
from ingest.prepared import Prepared
from ingest.readers import reader_for
from ingest.reading import Content
from ingest.sidecar import Sidecar
from ingest.sources import Source


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are made: cut (:func:`ingest.chunker.chunk`), and what their paths say."""

    tokens: Tokens
    target: int
    paths: PathMetadata = field(default_factory=PathMetadata)


@dataclass(frozen=True, slots=True)
class Task:
    """A source that is to be made into documents."""

    source: Source
    row: LedgerRow  # what is known of it before it is read
    beside: Sidecar | None = None  # what its sidecar says, if it has one
    known: str = ""  # sha256 of a content that need not be parsed


@dataclass(frozen=True, slots=True)
class Made:
    """What a source came to. No document, and the reason in its row, where it came to nothing."""

    row: LedgerRow
    documents: tuple[Prepared, ...] = ()
    content: Content | None = None  # where it was read; its bytes are left out
    is_known: bool = False  # it is what the task calls known, and was not parsed
    is_parsed: bool = False


class Maker(Protocol):
    """Makes tasks."""

    def each(self, tasks: Iterable[Task | None]) -> Iterator[Made | None]:
        """What each task came to, in their order; None for None."""


class Here:
    """Makes them in this process, one when it is asked for."""

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting

    def each(self, tasks: Iterable[Task | None]) -> Iterator[Made | None]:
        """What each task came to, in their order; None for None."""
        for task in tasks:
            yield make(task, self._cutting) if task else None


def make(task: Task, cutting: Cutting) -> Made:
    """Read one source, and make it into documents. Whatever is wrong with it becomes its row."""
    row = task.row
    content = None
    try:
        content = reading.read(task.source)
        bare = replace(content, data=b"")
        if content.sha256 == task.known:
            return Made(row, content=bare, is_known=True)
        sha256 = sidecar.together(content.sha256, task.beside.state) if task.beside else ""
        row = replace(row, sha256=sha256 or content.sha256, size=len(content.data))
        found = reader_for(task.source.format)(content.data)
    except UnreadableSource as error:
        return Made(replace(row, reason=str(error)), content=content and bare)
    found = _completed(task, found, cutting.paths)
    row = replace(row, encoding=found.encoding, reason="; ".join(found.remarks))
    documents = tuple(_cut(_named(one, task), one, cutting) for one in found.documents)
    return Made(row, documents, bare, is_parsed=True)


def _completed(task: Task, found: Reading, paths: PathMetadata) -> Reading:
    """What was read, with what its path and its sidecar say."""
    beside = task.beside
    path, said = paths.of(task.source.path), beside.metadata if beside else {}
    documents = tuple(completed(parsed, path, said) for parsed in found.documents)
    remarks = (*found.remarks, *((beside.remark,) if beside and beside.remark else ()))
    return replace(found, documents=documents, remarks=remarks)


def _named(parsed: Parsed, task: Task) -> Document:
    if parsed.record_id is None:
        document_id, fallback = task.row.source, PurePosixPath(task.source.path).stem
    else:
        document_id = task.row.prefix + parsed.record_id
        fallback = parsed.record_id
    return Document(
        id=document_id,
        source=task.row.source,
        title=parsed.title or fallback,
        text=parsed.text,
        format=task.source.format,
        metadata=parsed.metadata,
    )


def _cut(document: Document, parsed: Parsed, cutting: Cutting) -> Prepared:
    digest = document_digest(document)
    drafts = chunker.chunk(parsed, cutting.tokens, cutting.target)
    chunks = tuple(
        Chunk(
            id=chunk_id(digest, draft.start, draft.end),
            document_id=document.id,
            title=document.title,
            format=document.format,
            start=draft.start,
            end=draft.end,
            text=document.text[draft.start : draft.end],
            headings=draft.headings,
            page=draft.page,
            tokens=draft.tokens,
        )
        for draft in drafts
    )
    texts = tuple(draft.embedded for draft in drafts)
    return Prepared(Entry(document, digest, chunks, tuple(map(text_key, texts))), texts)
