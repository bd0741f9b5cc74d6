"""Documents of a run that has not published yet, so that a killed run prepares none twice.

What a source came to (its text, its chunks, what is embedded of each) is put on the shelf as
it is made, and deleted once it is part of a snapshot. A source is known by its place and its
names; its content by the stamp of the file where that can be believed, by its hash
otherwise. What is kept and what is thrown away: see :mod:`ingest.scratch`.

Sources are written some at a time: a kill loses the last few, and never half a source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from corpus.hashes import SETTLED_NS
from corpus.identity import chunk_id, text_key
from corpus.texts import Entry
from corpus.types import Chunk, Document, LedgerRow, Status
from ingest.leftovers import SHELF, remove
from ingest.prepared import Outcome, Prepared
from ingest.reading import Content
from ingest.scratch import Scratch, checksum
from ingest.sources import Source, Stamp

_SCHEMA = """
CREATE TABLE sources (
    root INTEGER, path TEXT, said BLOB NOT NULL, sum BLOB NOT NULL, PRIMARY KEY (root, path)
);
CREATE TABLE documents (
    root INTEGER, path TEXT, ordinal INTEGER, body BLOB NOT NULL, sum BLOB NOT NULL
);
CREATE INDEX documents_by_source ON documents (root, path, ordinal);
"""
_TEXTS = 128  # chunks that are written together, at least
_BYTES = 1_000_000  # or so much of them


@dataclass(frozen=True, slots=True)
class Shelved:
    """What the shelf says of a source, its documents left out."""

    names: tuple[str, ...]  # what its ids follow from, besides its content
    stamp: Stamp
    sha256: str
    read_at_ns: int
    row: LedgerRow

    def is_of(self, source: Source) -> bool:
        """Whether the file is, by its stamp, the one that was read."""
        changed = max(self.stamp.modified_ns, self.stamp.changed_ns)
        return self.stamp == source.stamp and changed + SETTLED_NS < self.read_at_ns


_Waiting = list[tuple[Shelved, tuple[Prepared, ...]]]


class Shelf:
    """The shelf of the run that holds the store's lock. Made when it is first used.

    :param made_with: readers, chunker, their settings, the tokenizer: what documents are
        prepared with.
    :raises StoreNotWritable: here and in every method, when the disk refuses.
    """

    def __init__(self, store: Path, made_with: str) -> None:
        self._path, self._made_with = store / SHELF, made_with
        self._waiting: _Waiting = []
        self._texts = self._bytes = 0

    def find(self, source: Source, names: tuple[str, ...]) -> Shelved | None:
        """What is known of the source at this place under these names, if anything is."""
        rows = self._scratch.rows(
            "SELECT said, sum FROM sources WHERE root = ? AND path = ?",
            (source.root, source.path),
        )
        for said, written in rows:
            if checksum(said) == written:
                found = _shelved(json.loads(said))
                return found if found.names == names else None
        return None

    def take(self, shelved: Shelved) -> Outcome | None:
        """What the source came to; None where that is damaged."""
        row = shelved.row
        rows = self._scratch.rows(
            "SELECT body, sum FROM documents WHERE root = ? AND path = ? ORDER BY ordinal",
            (row.root, row.path),
        )
        if any(checksum(body) != written for body, written in rows):
            return None
        documents = tuple(_prepared(json.loads(body), row) for body, _ in rows)
        same = sum(len(one.texts) for one in documents) == row.chunks
        return Outcome(row, documents) if same else None

    def put(
        self, source: Source, names: tuple[str, ...], content: Content, outcome: Outcome
    ) -> None:
        """Keep what a source came to; it is written now or with a later one."""
        stamped = (source.stamp, content.sha256, content.read_at_ns)
        self._waiting.append((Shelved(names, *stamped, outcome.row), outcome.documents))
        self._texts += outcome.row.chunks
        self._bytes += outcome.row.size
        if self._texts >= _TEXTS or self._bytes >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._texts = self._bytes = 0
        places = [(shelved.row.root, shelved.row.path) for shelved, _ in waiting]
        self._scratch.write(
            ("DELETE FROM documents WHERE root = ? AND path = ?", places),
            ("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", _documents(waiting)),
            ("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", _sources(waiting)),
        )

    def discard(self) -> None:
        """Delete the shelf: what it held is published."""
        self._close()
        remove(self._path)

    @cached_property
    def _scratch(self) -> Scratch:
        return Scratch(self._path, _SCHEMA, self._made_with)

    def _close(self) -> None:
        if "_scratch" in self.__dict__:
            self._scratch.close()

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _sources(waiting: _Waiting) -> Iterator[tuple[object, ...]]:
    for shelved, _ in waiting:
        said = _json(asdict(shelved))
        yield shelved.row.root, shelved.row.path, said, checksum(said)


def _documents(waiting: _Waiting) -> Iterator[tuple[object, ...]]:
    for shelved, documents in waiting:
        for ordinal, one in enumerate(documents):
            body = _json(_body(one))
            yield shelved.row.root, shelved.row.path, ordinal, body, checksum(body)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _shelved(said: Mapping[str, Any]) -> Shelved:
    row = LedgerRow(**{**said["row"], "status": Status(said["row"]["status"])})
    stamp = Stamp(**said["stamp"])
    return Shelved(tuple(said["names"]), stamp, said["sha256"], said["read_at_ns"], row)


def _body(prepared: Prepared) -> list[object]:
    """A document without what follows from the rest: ids and keys, and each text but once."""
    entry, document = prepared.entry, prepared.entry.document
    chunks = [
        (one.start, one.end, one.headings, one.page, one.tokens, _before(text, one.text))
        for one, text in zip(entry.chunks, prepared.texts, strict=True)
    ]
    said = (document.id, document.title, document.format, dict(document.metadata), document.text)
    return [entry.digest, said, chunks]


def _before(embedded: str, text: str) -> str:
    """Title and headings, as they stand before a chunk's own text when it is embedded."""
    if not embedded.endswith(text):
        raise ValueError("what is embedded of a chunk does not end with its text")
    return embedded[: len(embedded) - len(text)]


def _prepared(body: list[Any], row: LedgerRow) -> Prepared:
    digest, (id_, title, format_, metadata, text), rows = body
    document = Document(id_, row.source, title, text, format_, metadata)
    chunks, texts = [], []
    for start, end, headings, page, tokens, before in rows:
        own = text[start:end]
        path = tuple(headings)
        one = chunk_id(digest, start, end)
        chunks.append(Chunk(one, id_, title, format_, start, end, own, path, page, tokens))
        texts.append(before + own)
    keys = tuple(map(text_key, texts))
    return Prepared(Entry(document, digest, tuple(chunks), keys), tuple(texts))
