"""Give prepared documents their vectors, embedding no text that was embedded before.

A vector is looked for among the texts of this run, then in the journal of a killed run,
then in the current snapshot; only what is in none of them goes to the model. Documents are
handed on in the order in which they came.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from corpus.embedding import ChunkEncoder
from corpus.fingerprint import PROBES, check_probes, encode_probes
from corpus.texts import Entry
from corpus.types import ChunkVectors, Vectors
from ingest.journal import Journal
from ingest.prepared import Prepared

if TYPE_CHECKING:
    from corpus.parent import Parent

_BATCH = 256  # texts that are looked up and embedded together

Sink = Callable[[Entry, list[ChunkVectors]], None]


class Watched:
    """An encoder, and how long it took for how many documents' texts."""

    def __init__(self, encoder: ChunkEncoder) -> None:
        self._encoder = encoder
        self.fingerprint, self.tokens = encoder.fingerprint, encoder.tokens
        self.makes_windows = encoder.makes_windows
        self.texts, self.seconds = 0, 0.0

    def encode_documents(self, texts: list[str]) -> Vectors:
        """As the encoder does."""
        return self._encoder.encode_documents(texts)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """As the encoder does."""
        began = time.monotonic()
        vectors = self._encoder.encode_chunks(texts)
        self.seconds += time.monotonic() - began
        self.texts += len(texts)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """As the encoder does."""
        return self._encoder.encode_query(text)


class Vectoriser:
    """Collects documents, and passes each on to ``sink`` with its vectors."""

    def __init__(
        self, encoder: ChunkEncoder, parent: Parent | None, journal: Journal, sink: Sink
    ) -> None:
        self._encoder, self._parent = encoder, parent
        self._journal, self._sink = journal, sink
        self._waiting: list[Prepared] = []
        self._waiting_texts = 0
        self._model_checked = False
        self.embedded_chunks = 0
        self.reused_chunks = 0

    def add(self, prepared: Prepared) -> None:
        """Take a document; it is passed on now or with a later one."""
        self._waiting.append(prepared)
        self._waiting_texts += len(prepared.texts)
        if self._waiting_texts >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Pass on every document that waits."""
        waiting, self._waiting, self._waiting_texts = self._waiting, [], 0
        texts = {
            key: text
            for prepared in waiting
            for key, text in zip(prepared.entry.keys, prepared.texts, strict=True)
        }
        vectors = self._known(list(texts))
        missing = {key: text for key, text in texts.items() if key not in vectors}
        vectors.update(self._embed(missing))
        self.embedded_chunks += len(missing)
        self.reused_chunks += sum(len(prepared.texts) for prepared in waiting) - len(missing)
        for prepared in waiting:
            self._sink(prepared.entry, [vectors[key] for key in prepared.entry.keys])

    def probes(self) -> str:
        """The probe vectors for the new snapshot's manifest."""
        if self._parent is not None:
            return self._parent.manifest.probes
        return encode_probes(self._encoder.encode_documents(list(PROBES)))

    def _known(self, keys: list[str]) -> dict[str, ChunkVectors]:
        known = self._parent.vectors_by_key(keys) if self._parent else {}
        if self._encoder.makes_windows:  # vectors from before there were any are made anew
            known = {key: vectors for key, vectors in known.items() if len(vectors) > 1}
        return known | self._journal.find([key for key in keys if key not in known])

    def _embed(self, missing: dict[str, str]) -> dict[str, ChunkVectors]:
        if not missing:
            return {}
        self._check_model()
        vectors = self._encoder.encode_chunks(list(missing.values()))
        made = dict(zip(missing, vectors, strict=True))
        self._journal.note(made)
        return made

    def _check_model(self) -> None:
        """Before the first text: the model must be the one that the parent was made with."""
        if self._parent is not None and not self._model_checked:
            probes = self._encoder.encode_documents(list(PROBES))
            check_probes(self._parent.manifest.probes, probes, self._encoder.fingerprint)
        self._model_checked = True
