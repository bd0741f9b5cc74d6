"""Give prepared documents their vectors, embedding no text that was embedded before.

A vector is looked for among the texts of this run, then in the journal of a killed run,
then in the current snapshot; only what is in none of them goes to the model. Documents are
handed on in the order in which they came.

The model computes in a thread of its own, while this one goes on preparing what comes next and
writing what is done. At most :data:`_AHEAD` batches wait for it, so that memory stays what it is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpus.embedding import ChunkEncoder
from corpus.errors import StoreNotWritable
from corpus.fingerprint import PROBES, check_probes, encode_probes
from corpus.texts import Entry
from corpus.types import ChunkVectors, Vectors
from ingest.journal import Journal
from ingest.prepared import Prepared

if TYPE_CHECKING:
    from corpus.parent import Parent

_BATCH = 1024
"""Texts that are looked up and embedded together. 7.2 % as much as they are is padding, 7.7 with
512 and 8.7 with 256; a run that is killed loses what two of these batches hold."""

_FEW = 128
"""Texts that are enough while the model has nothing to do, as at the beginning of a run."""

_AHEAD = 2  # batches that are with the model: one in hand, and the next

Sink = Callable[[Entry, list[ChunkVectors]], None]
Told = Callable[[int, int], None]  # see ingest.progress.Progress.embedded


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


@dataclass(frozen=True, slots=True)
class _Batch:
    """Documents on their way through the model."""

    documents: list[Prepared]
    known: dict[str, ChunkVectors]
    borrowed: set[str]  # keys of texts that are in a batch before it
    missing: dict[str, int]  # tokens of each text that the model was given
    made: Future[list[ChunkVectors]]

    def vectors(self) -> dict[str, ChunkVectors]:
        """What the model made, once it has."""
        return dict(zip(self.missing, self.made.result(), strict=True))


class Vectoriser:
    """Collects documents, and passes each on to ``sink`` with its vectors.

    :param told: how many chunks, and tokens of these, special ones included, the model has
        embedded by now.
    """

    def __init__(
        self,
        encoder: ChunkEncoder,
        parent: Parent | None,
        journal: Journal,
        sink: Sink,
        told: Told,
    ) -> None:
        self._encoder, self._parent = encoder, parent
        self._journal, self._sink, self._told = journal, sink, told
        self._waiting: list[Prepared] = []
        self._waiting_texts = 0
        self._begun: deque[_Batch] = deque()
        self._model = ThreadPoolExecutor(1, "encoder")
        self._probed: Future[Vectors] | None = None
        self.embedded_chunks = self.embedded_tokens = 0
        self.reused_chunks = 0

    def prepare(self) -> Future[Vectors]:
        """Have the model loaded while documents are still being made for it.

        :return: what it makes of the probes, before anything else is asked of it.
        """
        if self._probed is None:
            self._probed = self._model.submit(self._checked_probes)
        return self._probed

    def add(self, prepared: Prepared) -> None:
        """Take a document; it is passed on now or with a later one."""
        self._waiting.append(prepared)
        self._waiting_texts += len(prepared.texts)
        if self._waiting_texts >= (_BATCH if self._begun else min(_FEW, _BATCH)):
            self._begin()
            while len(self._begun) > _AHEAD:
                self._finish()
        while self._begun and self._begun[0].made.done():
            self._finish()

    def flush(self) -> None:
        """Pass on every document that waits."""
        if self._waiting:
            self._begin()
        while self._begun:
            self._finish()

    def probes(self) -> str:
        """The probe vectors for the new snapshot's manifest."""
        if self._parent is not None:
            return self._parent.manifest.probes
        return encode_probes(self.prepare().result())

    def close(self) -> None:
        """Let the model finish what it has in hand, and keep that for the next run."""
        self._model.shutdown(wait=True, cancel_futures=True)
        for batch in self._begun:
            if not batch.made.cancelled() and batch.made.exception() is None:
                with suppress(StoreNotWritable):  # the run ends for a reason of its own
                    self._journal.note(batch.vectors())

    def _begin(self) -> None:
        """Give the model what nobody has embedded before of the documents that wait."""
        waiting, self._waiting, self._waiting_texts = self._waiting, [], 0
        texts = {
            key: (text, chunk.tokens)
            for one in waiting
            for key, text, chunk in zip(one.entry.keys, one.texts, one.entry.chunks, strict=True)
        }
        known = self._known(list(texts))
        borrowed = {key for batch in self._begun for key in batch.missing} & texts.keys()
        new = [key for key in texts if key not in known and key not in borrowed]
        if new:
            self.prepare()
        made = self._model.submit(self._embedded, [texts[key][0] for key in new])
        missing = {key: texts[key][1] for key in new}
        self._begun.append(_Batch(waiting, known, borrowed, missing, made))

    def _finish(self) -> None:
        """Wait for the first batch, keep its vectors, and pass its documents on."""
        batch = self._begun[0]  # it stays there until its vectors are kept: see close()
        made = batch.vectors()
        if made:
            self._journal.note(made)
        self._begun.popleft()
        for later in self._begun:
            later.known.update({key: made[key] for key in later.borrowed & made.keys()})
        self.embedded_chunks += len(made)
        self.embedded_tokens += sum(batch.missing.values())
        self.reused_chunks += sum(len(one.texts) for one in batch.documents) - len(made)
        self._told(self.embedded_chunks, self.embedded_tokens)
        vectors = batch.known | made
        for one in batch.documents:
            self._sink(one.entry, [vectors[key] for key in one.entry.keys])

    def _known(self, keys: list[str]) -> dict[str, ChunkVectors]:
        known = self._parent.vectors_by_key(keys) if self._parent else {}
        if self._encoder.makes_windows:  # vectors from before there were any are made anew
            known = {key: vectors for key, vectors in known.items() if len(vectors) > 1}
        return known | self._journal.find([key for key in keys if key not in known])

    def _embedded(self, texts: list[str]) -> list[ChunkVectors]:
        """What the model makes of texts. Runs in its thread, when the probes are through."""
        if not texts:
            return []
        self.prepare().result()
        return self._encoder.encode_chunks(texts)

    def _checked_probes(self) -> Vectors:
        """The model must be the one that the parent was made with. Runs in its thread."""
        probes = self._encoder.encode_documents(list(PROBES))
        if self._parent is not None:
            check_probes(self._parent.manifest.probes, probes, self._encoder.fingerprint)
        return probes
