"""The texts of a segment: its documents and the spans of its chunks, in one SQLite file.

Written once, closed, hashed; then opened read-only and immutable, so that texts stay on
disk. A chunk stores its span and
not its text: ``document.text[start:end]`` is the only copy.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus import databases
from corpus.databases import NewDatabase, Row
from corpus.types import Chunk, ChunkIds, Document

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SCHEMA = """
CREATE TABLE documents (
    ordinal INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    source TEXT NOT NULL,
    title TEXT NOT NULL,
    format TEXT NOT NULL,
    metadata TEXT NOT NULL,  -- a JSON object of strings
    text TEXT NOT NULL
);
CREATE INDEX documents_by_source ON documents (source);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents,
    start INTEGER NOT NULL,  -- code points
    "end" INTEGER NOT NULL,
    headings TEXT NOT NULL,  -- a JSON array of strings
    page INTEGER,
    tokens INTEGER NOT NULL,
    key TEXT NOT NULL  -- corpus.identity.text_key of what was embedded
);
CREATE INDEX chunks_by_document ON chunks (document, start);
"""

_CHUNK = """json_array(
    c.id, d.id, d.title, d.format, c.start, c."end",
    substr(d.text, c.start + 1, c."end" - c.start), json(c.headings), c.page, c.tokens
)"""
_JOINED = "FROM chunks c JOIN documents d ON d.ordinal = c.document"

# A list is one value, a JSON array, on its way in and out: sqlite3 lets go of the interpreter at
# every row and at every column of it, and two threads that search would wait for each other there.
_CHUNKS = f"""
SELECT json_group_array({_CHUNK}) {_JOINED}
WHERE c.id IN (SELECT value FROM json_each(?))
"""
_CHUNKS_OF_DOCUMENT = f"SELECT {_CHUNK} {_JOINED} WHERE d.id = ? ORDER BY c.start"

_IDS_OF_DOCUMENTS = """
SELECT c.id FROM chunks c JOIN documents d ON d.ordinal = c.document
WHERE d.id IN (SELECT value FROM json_each(?))
"""

_KEYS_OF_DOCUMENT = """
SELECT c.key FROM chunks c JOIN documents d ON d.ordinal = c.document
WHERE d.id = ? ORDER BY c.start
"""


_PIECE = 5000  # rows read at once, of many


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as a segment holds it: ``keys[i]`` belongs to ``chunks[i]``."""

    document: Document
    digest: str
    chunks: Sequence[Chunk]
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a document, its text left out."""

    ordinal: int  # within its segment
    id: str
    source: str
    title: str
    format: str
    metadata: Mapping[str, str]


class TextWriter:
    """Writes the texts of a new segment. Not safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._database = NewDatabase(path, _SCHEMA)
        self._ordinal = 0

    def add(self, entry: Entry) -> None:
        """Write a document and its chunks.

        :raises ValueError: when the text holds NUL, which SQLite takes for its end.
        :raises sqlite3.IntegrityError: when the document or a chunk is already here.
        """
        self._ordinal += 1
        document = entry.document
        if "\0" in document.text:
            raise ValueError(f"the text of {document.id!r} holds a NUL character")
        self._database.insert("documents", [_document_row(self._ordinal, entry)])
        pairs = zip(entry.chunks, entry.keys, strict=True)
        rows = [_chunk_row(self._ordinal, chunk, key) for chunk, key in pairs]
        self._database.insert("chunks", rows)

    def finish(self) -> None:
        """Complete the file; nothing can be added afterwards.

        :raises OSError: when it does not read back as it was written.
        """
        self._database.finish()

    def close(self) -> None:
        """Let go of the file. Before :meth:`finish`, what is left of it is useless."""
        self._database.close()


def _document_row(ordinal: int, entry: Entry) -> Row:
    one = entry.document
    metadata = json.dumps(dict(one.metadata), sort_keys=True)
    return (ordinal, one.id, entry.digest, one.source, one.title, one.format, metadata, one.text)


def _chunk_row(ordinal: int, one: Chunk, key: str) -> Row:
    headings = json.dumps(one.headings)
    return (one.id, ordinal, one.start, one.end, headings, one.page, one.tokens, key)


class Texts:
    """The texts of a segment that is being read. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        # Opened at once and only once: a snapshot that is held goes on answering when its
        # files have been removed. A read takes some tens of microseconds.
        self._connection = databases.read_only(path, shared=True)
        self._turn = threading.Lock()
        weakref.finalize(self, self._connection.close)

    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        with self._turn, closing(self._connection.execute(statement, parameters)) as cursor:
            rows: list[Row] = cursor.fetchall()
            return rows

    def document(self, document_id: str) -> Document | None:
        """The document of that id, or None."""
        rows = self._rows(
            "SELECT id, source, title, text, format, metadata FROM documents WHERE id = ?",
            (document_id,),
        )
        for id_, source, title, text, format_, metadata in rows:
            return Document(id_, source, title, text, format_, json.loads(metadata))
        return None

    def span(self, document_id: str, start: int, end: int) -> str | None:
        """Characters of the document of that id, or None."""
        rows = self._rows(
            "SELECT substr(text, ? + 1, ? - ?) FROM documents WHERE id = ?",
            (start, end, start, document_id),
        )
        return next((text for (text,) in rows), None)

    def digests(self) -> Iterator[tuple[str, str, str, str]]:
        """Every document as (id, source, title, digest), in the order of writing."""
        yield from self._rows("SELECT id, source, title, digest FROM documents ORDER BY ordinal")

    def facts(self) -> Iterator[Facts]:
        """What is known of every document, in the order of writing."""
        statement = (
            "SELECT ordinal, id, source, title, format, metadata FROM documents "
            "WHERE ordinal > ? ORDER BY ordinal LIMIT ?"
        )
        for ordinal, id_, source, title, format_, metadata in self._in_pieces(statement, 0):
            yield Facts(ordinal, id_, source, title, format_, json.loads(metadata))

    def owners(self) -> tuple[ChunkIds, npt.NDArray[np.int32]]:
        """The ids of all chunks, and the ordinals of their documents."""
        import numpy as np

        statement = "SELECT id, document FROM chunks WHERE id > ? ORDER BY id LIMIT ?"
        rows = list(self._in_pieces(statement, -1))
        ids, ordinals = zip(*rows, strict=True) if rows else ((), ())
        return np.array(ids, np.int64), np.array(ordinals, np.int32)

    def _in_pieces(self, statement: str, before: int) -> Iterator[Row]:
        """Many rows, some at a time, so that others can read meanwhile.

        :param statement: gives rows whose first column grows, after a value and up to a number.
        """
        while rows := self._rows(statement, (before, _PIECE)):
            yield from rows
            before = rows[-1][0]

    def entries(self, without: Set[str]) -> Iterator[Entry]:
        """Every document with its chunks, except those whose ids are in ``without``."""
        for document_id, _, _, digest in self.digests():
            document = None if document_id in without else self.document(document_id)
            if document is not None:
                yield Entry(
                    document, digest, self.chunks_of(document_id), self.keys_of(document_id)
                )

    def keys_of(self, document_id: str) -> list[str]:
        """The keys of a document's chunks, in the order of :meth:`chunks_of`."""
        return [row[0] for row in self._rows(_KEYS_OF_DOCUMENT, (document_id,))]

    def chunks(self, ids: Iterable[int]) -> dict[int, Chunk]:
        """Those of these chunks that are here, by id."""
        [[listed]] = self._rows(_CHUNKS, (json.dumps(list(ids)),))
        return {chunk.id: chunk for chunk in map(_chunk, json.loads(listed))}

    def chunks_of(self, document_id: str) -> list[Chunk]:
        """The chunks of a document in reading order."""
        rows = self._rows(_CHUNKS_OF_DOCUMENT, (document_id,))
        return [_chunk(json.loads(row)) for (row,) in rows]

    def chunk_ids(self, document_ids: Iterable[str]) -> ChunkIds:
        """Ids of all chunks of these documents."""
        import numpy as np

        rows = self._rows(_IDS_OF_DOCUMENTS, (json.dumps(list(document_ids)),))
        return np.array([row[0] for row in rows], np.int64)


def _chunk(row: Sequence[Any]) -> Chunk:
    """A chunk from what :data:`_CHUNK` gives."""
    id_, document_id, title, format_, start, end, text, headings, page, tokens = row
    path = tuple(headings)
    return Chunk(id_, document_id, title, format_, start, end, text, path, page, tokens)
