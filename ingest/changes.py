"""The changes of one run on their way into a new snapshot.

Nothing is opened and nothing is written before the first change: a run that finds
everything as it was neither loads a vector nor leaves a byte behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from corpus.types import LedgerRow
from ingest.journal import Journal
from ingest.prepared import Prepared
from ingest.vectorising import Vectoriser

if TYPE_CHECKING:
    from corpus.build import Build
    from corpus.parent import Parent
    from ingest.pipeline import Means


@dataclass(frozen=True, slots=True)
class _Work:
    """What is open once there is something to do."""

    journal: Journal
    build: Build
    vectoriser: Vectoriser
    parent: Parent | None


class Changes:
    """Collects removals and replacements. Removals come first.

    :param parent: id of the snapshot that this run follows; None for the first.
    :param settings: what decides how documents are read and cut.
    :param anew: chunks may differ though documents do not, so none is taken over.
    """

    def __init__(
        self,
        means: Means,
        parent: str | None,
        settings: Mapping[str, Any],
        *,
        anew: bool,
    ) -> None:
        self._store, self._encoder = means.store, means.encoder
        self._told = means.progress.embedded
        self._parent, self._settings, self._anew = parent, settings, anew
        self._removed: set[str] = set()  # sources
        self._taken: set[str] = set()  # documents that a source of this run has
        self._stack = ExitStack()

    def prepare(self) -> None:
        """Have the model loaded meanwhile, for who is about to change something."""
        self._work.vectoriser.prepare()

    def remove(self, source: str) -> None:
        """Leave out the documents of a source, but those that another one has by now."""
        self._removed.add(source)
        for document in self._before(source).keys() - self._taken:
            self._work.build.remove(document)

    def replace(self, source: str, documents: Sequence[Prepared]) -> None:
        """Make these the documents of a source; those that are the same cost nothing."""
        before = {} if source in self._removed else self._before(source)
        after = {one.entry.document.id for one in documents}
        self._taken |= after
        for document in before.keys() - after:
            self._work.build.remove(document)
        for prepared in documents:
            entry = prepared.entry
            if self._anew or before.get(entry.document.id) != entry.digest:
                self._work.build.remove(entry.document.id)
                self._work.vectoriser.add(prepared)

    def flush(self) -> None:
        """Embed what still waits."""
        if self._is_open:
            self._work.vectoriser.flush()

    def owners(self) -> dict[str, str]:
        """The source of every document of the parent."""
        return self._work.parent.owners() if self._work.parent else {}

    def publish(self, rows: Sequence[LedgerRow]) -> str:
        """Embed what still waits and publish. Returns the id of the new snapshot."""
        work = self._work
        work.vectoriser.flush()
        published = work.build.publish(rows, work.vectoriser.probes())
        work.journal.discard()
        return published

    @property
    def embedded_chunks(self) -> int:
        """Chunks that went to the model."""
        return self._work.vectoriser.embedded_chunks if self._is_open else 0

    @property
    def reused_chunks(self) -> int:
        """Chunks of changed documents whose vectors were known."""
        return self._work.vectoriser.reused_chunks if self._is_open else 0

    @property
    def _is_open(self) -> bool:
        return "_work" in self.__dict__

    @cached_property
    def _work(self) -> _Work:
        from corpus.build import Build  # with FAISS and tantivy
        from corpus.parent import Parent

        parent = None
        if self._parent:
            parent = self._stack.enter_context(Parent(self._store.path, self._parent))
        fingerprint = self._encoder.fingerprint
        journal = self._stack.enter_context(Journal(self._store.path, fingerprint))
        build = self._stack.enter_context(Build(self._store, parent, fingerprint, self._settings))
        vectoriser = Vectoriser(self._encoder, parent, journal, build.add, self._told)
        self._stack.callback(vectoriser.close)
        return _Work(journal, build, vectoriser, parent)

    def _before(self, source: str) -> Mapping[str, str]:
        """What the parent holds of a source: digests by document."""
        parent = self._work.parent
        return parent.digests(source) if parent else {}

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
