"""What a segment holds, without its texts: which documents, and which texts were embedded.

A run asks of the snapshot before it only that, so it reads a few bytes a chunk and never the
texts. One SQLite file; its tables are named as those of :mod:`corpus.texts`, from which the
catalogue of a segment that has none can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from corpus import databases
from corpus.databases import NewDatabase
from corpus.texts import Entry

_SCHEMA = """
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    source TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_by_source ON documents (source);
CREATE TABLE chunks (
    key TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (key, id)
) WITHOUT ROWID;
"""


class CatalogueWriter:
    """Writes the catalogue of a new segment."""

    def __init__(self, path: Path) -> None:
        self._database = NewDatabase(path, _SCHEMA)

    def add(self, entry: Entry) -> None:
        """Write down a document and the keys of its chunks."""
        document = entry.document
        self._database.insert("documents", [(document.id, entry.digest, document.source)])
        pairs = zip(entry.keys, entry.chunks, strict=True)
        self._database.insert("chunks", [(key, chunk.id) for key, chunk in pairs])

    def finish(self) -> None:
        """Complete the file.

        :raises OSError: when it does not read back as it was written.
        """
        self._database.finish()

    def close(self) -> None:
        """Let go of the file. Before :meth:`finish`, what is left of it is useless."""
        self._database.close()


class Catalogue:
    """The catalogue of a segment that is being read, from a file that was verified."""

    def __init__(self, path: Path) -> None:
        self._connection = databases.read_only(path)

    def of_source(self, source: str) -> dict[str, str]:
        """The digests of a source's documents, by id."""
        statement = "SELECT id, digest FROM documents WHERE source = ?"
        return dict(self._rows(statement, source))

    def sources(self) -> list[tuple[str, str]]:
        """Every document and its source."""
        return self._rows("SELECT id, source FROM documents")

    def holds(self, document_id: str) -> bool:
        """Whether a document of that id is here."""
        return bool(self._rows("SELECT 1 FROM documents WHERE id = ?", document_id))

    def ids_by_key(self, keys: Iterable[str]) -> dict[str, int]:
        """Of each of these keys that are here, a chunk that was embedded under it."""
        statement = "SELECT key, id FROM chunks WHERE key IN (SELECT value FROM json_each(?))"
        return dict(self._rows(statement, json.dumps(list(keys))))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, statement: str, *parameters: str) -> list[Any]:
        with closing(self._connection.execute(statement, parameters)) as cursor:
            return cursor.fetchall()
