"""From a source to documents that are ready to be embedded: read, parsed, named, cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from corpus.embedding import Tokens
from corpus.errors import UnreadableSource
from corpus.identity import chunk_id, document_digest, source_digest, text_key
from corpus.texts import Entry
from corpus.types import Chunk, Document, LedgerRow, Status
from ingest import chunker, reading
from ingest.naming import Names
from ingest.parsed import Parsed
from ingest.readers import reader_for
from ingest.seen import Seen
from ingest.sources import Source


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document with what the encoder needs: ``texts[i]`` belongs to ``entry.chunks[i]``."""

    entry: Entry
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one source."""

    row: LedgerRow
    documents: tuple[Prepared, ...]


class Preparer:
    """Prepares sources one after another.

    :param owners: the source of each document that stays, whose ids no record may take.
    :param target_tokens: see :func:`ingest.chunker.chunk`.
    """

    def __init__(
        self,
        names: Names,
        owners: Mapping[str, str],
        tokens: Tokens,
        target_tokens: int,
        seen: Seen,
    ) -> None:
        self._names = names
        self._owners = {**owners, **{name: name for name in names.ids.values()}}
        self._tokens, self._target = tokens, target_tokens
        self._seen = seen

    def prepare(self, source: Source) -> Outcome:
        """Take in one source. Whatever is wrong with it becomes its row."""
        row = LedgerRow(
            source=self._names.ids[source.root, source.path],
            root=source.root,
            path=source.path,
            status=Status.FAILED,
            size=source.stamp.size,
            format=source.format,
        )
        try:
            content = reading.read(source)
            self._seen.note(source, content.sha256, content.read_at_ns)
            row = replace(row, sha256=content.sha256, size=len(content.data))
            found = reader_for(source.format)(content.data)
        except UnreadableSource as error:
            return Outcome(replace(row, reason=str(error)), ())
        row = replace(row, encoding=found.encoding, reason="; ".join(found.remarks))
        named = [(self._named(parsed, source, row.source), parsed) for parsed in found.documents]
        clashes = [one.id for one, _ in named if not self._claim(one)]
        prepared = [self._cut(one, parsed) for one, parsed in named if one.id not in clashes]
        return Outcome(_counted(row, prepared, clashes), tuple(prepared))

    def _claim(self, document: Document) -> bool:
        """Whether an id is free, or this source's own; it is the source's from now on."""
        return self._owners.setdefault(document.id, document.source) == document.source

    def _named(self, parsed: Parsed, source: Source, source_id: str) -> Document:
        if parsed.record_id is None:
            document_id, fallback = source_id, PurePosixPath(source.path).stem
        else:
            document_id = self._names.prefixes[source_id] + parsed.record_id
            fallback = parsed.record_id
        return Document(
            id=document_id,
            source=source_id,
            title=parsed.title or fallback,
            text=parsed.text,
            format=source.format,
            metadata=parsed.metadata,
        )

    def _cut(self, document: Document, parsed: Parsed) -> Prepared:
        digest = document_digest(document)
        drafts = chunker.chunk(parsed, self._tokens, self._target)
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


def _counted(row: LedgerRow, prepared: list[Prepared], clashes: list[str]) -> LedgerRow:
    """Complete the row of a source that was read."""
    reasons = [row.reason] if row.reason else []
    if clashes:
        reasons.append(f"{len(clashes)} records left out, their ids are taken: {clashes[0]!r} ...")
    chunks = sum(len(one.entry.chunks) for one in prepared)
    if not chunks:
        return replace(row, status=Status.EMPTY, reason="; ".join([*reasons, "no text"]))
    return replace(
        row,
        status=Status.INDEXED,
        reason="; ".join(reasons),
        documents=len(prepared),
        chunks=chunks,
        digest=source_digest(one.entry.digest for one in prepared),
    )
