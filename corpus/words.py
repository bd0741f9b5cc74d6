"""Word search: BM25 over chunks, their headings and titles. The home of tantivy.

What a term is, is decided in :mod:`corpus.analysis`; tantivy counts them.

One index for a whole snapshot, so that a term is weighed by how rare it is among all
chunks. A new snapshot starts from hard links to the files of the last one: tantivy never
writes into a file that it has finished, so only what changed is written anew, and its
deletes are its own.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
2009; k1 = 1.2 and b = 0.75 are tantivy's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tantivy

from corpus import footers, ranking
from corpus.analysis import analyse, analyse_question
from corpus.files import link_or_copy, sync_file, sync_folder
from corpus.languages import DEFAULT, LANGUAGES, language_of
from corpus.types import Chunk, ChunkIds, Document, Vectors

_REPEATED = {"title": 3, "headings": 2, "path": 1}
"""How often the terms of each are counted, beside those of the text once: one bag of terms, so
that a term is weighed once, wherever it stands. Measured on the development sets, docs/log.md.

Source: Robertson, Zaragoza and Taylor, "Simple BM25 Extension to Multiple Weighted Fields",
2004.
"""

_IDENTIFIER_WEIGHT = 0.6
"""How much a match of a whole identifier counts, beside the matches of its words."""

_TERMS, _IDENTIFIERS = "terms", "identifiers"
_BY_SPACES = "by_spaces"
META_LOCK = ".tantivy-meta.lock"
"""An empty file that tantivy leaves beside an index whenever it opens one."""

_WRITER_LOCK = ".tantivy-writer.lock"
_WRITER_HEAP = 64 << 20  # bytes; tantivy wants at least 15 MB for one thread


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("chunk", fast=True)
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
    for name in (_TERMS, _IDENTIFIERS):
        builder.add_text_field(name, tokenizer_name=_BY_SPACES, index_option="freq")
    return builder.build()


def _open(folder: Path) -> tantivy.Index:
    index = tantivy.Index(_schema(), path=os.fspath(folder), reuse=True)
    by_spaces = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index.register_tokenizer(_BY_SPACES, by_spaces)
    return index


def version_of(settings: Mapping[str, Any]) -> int:
    """Which :data:`corpus.identity.ANALYSIS` a snapshot with these settings was written by."""
    return int(settings.get("words", 1))


_HITS_OF_A_NAME = 8
"""Hits that can be looked at in the time that one document of a set takes tantivy; measured."""


class WordFilter:
    """Where a search of words may look. Made once for many searches; safe to share.

    :param chunks: how many chunks may be found.
    :param holds: tells which of some chunks may be.
    :param names: the ids of the documents that may be found, or of those that may not.
    :param named: how many these are.
    :param allows: which of the two they are.
    """

    def __init__(
        self,
        chunks: int,
        holds: Callable[[ChunkIds], npt.NDArray[np.bool_]],
        names: Callable[[], Iterable[str]],
        *,
        named: int,
        allows: bool,
    ) -> None:
        self.chunks, self.holds, self.named = chunks, holds, named
        self._names, self._allows = names, allows
        self._clause: tuple[tantivy.Occur, tantivy.Query] | None = None

    def clause(self) -> tuple[tantivy.Occur, tantivy.Query]:
        """What a query must fulfil, or must not; it adds nothing to a score.

        Made when it is first needed, without a lock: two threads may both make it.
        """
        if self._clause is None:
            self._clause = self._made()
        return self._clause

    def _made(self) -> tuple[tantivy.Occur, tantivy.Query]:
        keys = [_document_key(name) for name in self._names()]
        query = tantivy.Query.term_set_query(_schema(), "document", keys)
        if self._allows:
            return tantivy.Occur.Must, tantivy.Query.const_score_query(query, 0.0)
        return tantivy.Occur.MustNot, query


class WordIndex:
    """An index that is being read. Searches take no lock and may run side by side."""

    def __init__(self, folder: Path) -> None:
        """Open the files in ``folder``; the caller has verified them.

        :raises ValueError: when they are no index of this layout.
        """
        self._index = _open(folder)
        self._index.config_reader("manual")
        self._searcher = self._index.searcher()
        self._schema = self._index.schema
        self._languages = tuple(one for one in LANGUAGES if self._has(one)) or (DEFAULT,)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def search(
        self, text: str, k: int, among: WordFilter | None = None
    ) -> tuple[ChunkIds, Vectors]:
        """Find the ``k`` chunks that share the rarest terms with ``text``, best first.

        No query syntax: every character of a question is text. Equal scores are ordered by
        chunk id. Terms are weighed by how rare they are among all chunks.

        :param among: find these chunks only.
        :return: chunk ids (m,) and BM25 scores (m,), float32, m <= k.
        """
        terms = analyse_question(text, self._languages)
        if not terms.words or not len(self):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        clauses = [self._clause(_TERMS, term) for term in terms.words]
        for term in terms.identifiers:
            whole = self._clause(_IDENTIFIERS, term)
            clauses.append(tantivy.Query.boost_query(whole, _IDENTIFIER_WEIGHT))
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in clauses])
        if among is None or among.chunks == len(self):
            return ranking.first(lambda depth: self._found(query, depth), k, len(self))
        return ranking.first(lambda depth: self._among(among, query, depth), k, among.chunks)

    def _among(
        self, among: WordFilter, query: tantivy.Query, depth: int
    ) -> tuple[ChunkIds, Vectors]:
        """The best of what may be found.

        A set of thousands of documents costs tantivy tens of milliseconds. Where it is a good
        part of all, enough of them are among the first of all hits, as a rule: those are the
        same ones, and cost a tenth.
        """
        deep = min(len(self), ceil(2 * depth * len(self) / among.chunks))
        if deep <= _HITS_OF_A_NAME * among.named:
            ids, scores = self._found(query, deep)
            held = among.holds(ids)
            if held.sum() >= depth or len(ids) < deep or deep == len(self):
                return ids[held][:depth], scores[held][:depth]
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), among.clause()])
        return self._found(both, depth)

    def _found(self, query: tantivy.Query, depth: int) -> tuple[ChunkIds, Vectors]:
        hits = self._searcher.search(query, limit=depth, count=False).hits
        addresses = [address for _, address in hits]
        ids = np.array(self._searcher.fast_field_values("chunk", addresses), np.int64)
        return ids, np.array([score for score, _ in hits], np.float32)

    def _clause(self, field: str, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, term, index_option="freq")

    def _has(self, language: str) -> bool:
        query = tantivy.Query.term_query(self._schema, "language", language, index_option="basic")
        return bool(self._searcher.search(query, limit=1, count=False).hits)


class WordIndexBuilder:
    """Writes the index of a new snapshot into a new folder.

    :param folder: must exist and be empty.
    :param parent: the folder of the snapshot this one follows, or None.
    :param inherited: names of the files in ``parent`` that belong to it.
    """

    def __init__(self, folder: Path, parent: Path | None, inherited: Iterable[str] = ()) -> None:
        self._folder = folder
        if parent is not None:
            for name in inherited:
                link_or_copy(parent / name, folder / name)
        self._inherited = _stamps(folder)
        try:
            self._writer = _open(folder).writer(heap_size=_WRITER_HEAP, num_threads=1)
        except ValueError as error:
            raise OSError(f"the word index could not be begun: {error}") from error

    def add(self, document: Document, chunks: Iterable[Chunk]) -> None:
        """Index the chunks of a document, in the language that the document is written in.

        :raises OSError: when the disk refuses.
        """
        language, key = language_of(document.text), _document_key(document.id)
        around = [document.title] * _REPEATED["title"] + [document.id] * _REPEATED["path"]
        of_all = analyse("\n".join(around), language)
        try:
            for chunk in chunks:
                headings = list(chunk.headings) * _REPEATED["headings"]
                terms = analyse("\n".join([chunk.text, *headings]), language)
                self._writer.add_document(
                    tantivy.Document(
                        chunk=chunk.id,
                        document=key,
                        language=language,
                        terms=" ".join(terms.words + of_all.words),
                        identifiers=" ".join(terms.identifiers + of_all.identifiers),
                    )
                )
        except ValueError as error:  # its thread ended: the disk refused
            raise OSError(f"the word index could not be written: {error}") from error

    def remove(self, document_id: str) -> None:
        """Take out every chunk of a document that the parent holds."""
        self._writer.delete_documents_by_term("document", _document_key(document_id))

    def finish(self) -> list[str]:
        """Make the index durable.

        :return: the names of its files that the parent does not have.
        :raises OSError: when it could not be written.
        """
        try:
            self._writer.commit()
            self._writer.wait_merging_threads()
        except ValueError as error:  # tantivy's errors, input and output among them
            raise OSError(f"the word index could not be written: {error}") from error
        return self._settle()

    def _settle(self) -> list[str]:
        for lock in (_WRITER_LOCK, META_LOCK):
            (self._folder / lock).unlink(missing_ok=True)
        now = _stamps(self._folder)
        new = [name for name, stamp in now.items() if self._inherited.get(name) != stamp]
        for name in new:
            (self._folder / name).chmod(0o644)  # tantivy keeps some of them to their writer
            sync_file(self._folder / name)
            footers.check(self._folder / name)
        sync_folder(self._folder)
        return sorted(new)

    def __enter__(self) -> WordIndexBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        del self._writer  # lets go of the files and of tantivy's own lock


def _document_key(document_id: str) -> str:
    """A term for a document whatever the length of its id: tantivy drops very long ones."""
    return hashlib.blake2b(document_id.encode(), digest_size=16).hexdigest()


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """What tells a file that was linked from one that was written under the same name."""
    with os.scandir(folder) as entries:
        return {one.name: (one.stat().st_ino, one.stat().st_size) for one in entries}
