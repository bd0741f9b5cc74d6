"""From a source to documents that are ready to be embedded: read, parsed, named, cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from corpus.embedding import Tokens
from corpus.errors import UnreadableSource
from corpus.identity import chunk_id, document_digest, source_digest, text_key
from corpus.texts import Entry
from corpus.types import Chunk, Document, LedgerRow, Status
from ingest import chunker, reading, sidecar
from ingest.metadata import PathMetadata, completed
from ingest.naming import Names
from ingest.parsed import Parsed, Reading
from ingest.prepared import Outcome, Prepared
from ingest.readers import reader_for
from ingest.seen import Seen
from ingest.shelf import Shelf, Shelved
from ingest.sidecar import Sidecar
from ingest.sources import Source

__all__ = ["Cutting", "Outcome", "Prepared", "Preparer"]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are made: cut (:func:`ingest.chunker.chunk`), and what their paths say."""

    tokens: Tokens
    target: int
    paths: PathMetadata = field(default_factory=PathMetadata)


class Preparer:
    """Prepares sources one after another.

    :param owners: the source of each document that stays, whose ids no record may take.
    :param shelf: what a run that was killed had prepared; what this one prepares goes there.
    """

    def __init__(
        self,
        names: Names,
        owners: Mapping[str, str],
        cutting: Cutting,
        seen: Seen,
        shelf: Shelf,
    ) -> None:
        self._names = names
        self._owners = {**owners, **{name: name for name in names.ids.values()}}
        self._cutting = cutting
        self._seen, self._shelf = seen, shelf
        self.bytes_read = 0  # of sources that were parsed and cut here

    def prepare(self, source: Source) -> Outcome:
        """Take in one source. Whatever is wrong with it becomes its row."""
        beside = self._beside(source)
        names = self._names_of(source, beside)
        shelved = self._shelf.find(source, names)
        if shelved is not None and shelved.is_of(source):
            self._seen.note(source, shelved.sha256, shelved.read_at_ns)
            if taken := self._take(shelved, shelved.sha256):
                return taken
        row = self._row(source)
        try:
            content = reading.read(source)
            self._seen.note(source, content.sha256, content.read_at_ns)
            if taken := self._take(shelved, content.sha256):
                return taken
            row = replace(row, sha256=_sha256(content.sha256, beside), size=len(content.data))
            self.bytes_read += len(content.data)
            found = reader_for(source.format)(content.data)
        except UnreadableSource as error:
            return Outcome(replace(row, reason=str(error)), ())
        outcome, clashes = self._prepared(source, row, self._completed(source, found, beside))
        if not clashes:  # whose ids are taken may be another question in the next run
            self._shelf.put(source, names, content, outcome)
        return outcome

    def _beside(self, source: Source) -> Sidecar | None:
        """What the sidecar of a source says, if it has one."""
        if source.sidecar is None:
            return None
        beside = sidecar.read(source.sidecar)
        if beside.content is not None:
            self._seen.note(source.sidecar, beside.state, beside.content.read_at_ns)
        return beside

    def _completed(self, source: Source, found: Reading, beside: Sidecar | None) -> Reading:
        """What was read, with what its path and its sidecar say."""
        path, said = self._cutting.paths.of(source.path), beside.metadata if beside else {}
        documents = tuple(completed(parsed, path, said) for parsed in found.documents)
        remarks = (*found.remarks, *((beside.remark,) if beside and beside.remark else ()))
        return replace(found, documents=documents, remarks=remarks)

    def _names_of(self, source: Source, beside: Sidecar | None) -> tuple[str, ...]:
        """What a source comes to besides its content: its ids, and what its sidecar says."""
        name = self._names.ids[source.root, source.path]
        said = (beside.state,) if beside else ()
        return name, self._names.prefixes.get(name, ""), source.format, *said

    def _row(self, source: Source) -> LedgerRow:
        name = self._names.ids[source.root, source.path]
        return LedgerRow(
            source=name,
            root=source.root,
            path=source.path,
            status=Status.FAILED,
            size=source.stamp.size,
            format=source.format,
            prefix=self._names.prefixes.get(name, ""),
        )

    def _take(self, shelved: Shelved | None, sha256: str) -> Outcome | None:
        """What the shelf has of this content; None where an id of it is taken now."""
        if shelved is None or shelved.sha256 != sha256:
            return None
        outcome = self._shelf.take(shelved)
        if outcome and all(self._claim(one.entry.document) for one in outcome.documents):
            return outcome
        return None

    def _prepared(
        self, source: Source, row: LedgerRow, found: Reading
    ) -> tuple[Outcome, list[str]]:
        """What the source comes to, and ids of records that were left out."""
        row = replace(row, encoding=found.encoding, reason="; ".join(found.remarks))
        named = [(self._named(parsed, source, row.source), parsed) for parsed in found.documents]
        clashes = [one.id for one, _ in named if not self._claim(one)]
        prepared = [self._cut(one, parsed) for one, parsed in named if one.id not in clashes]
        counted = _counted(row, prepared, clashes)
        return Outcome(counted, tuple(prepared) if counted.documents else ()), clashes

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
        drafts = chunker.chunk(parsed, self._cutting.tokens, self._cutting.target)
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


def _sha256(sha256: str, beside: Sidecar | None) -> str:
    """What tells the source from another: see :meth:`ingest.pipeline.Run.plan`."""
    return sidecar.together(sha256, beside.state) if beside else sha256


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
