"""The work that a run has found: sources are read, cut and embedded, and go into a snapshot.

Loaded by a run that has some: with it come the scratch files and what cuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from corpus.runs import Effort
from corpus.types import LedgerRow
from ingest import leftovers
from ingest.changes import Changes
from ingest.makers import maker_for
from ingest.making import Cutting
from ingest.metadata import PathMetadata
from ingest.plan import Plan
from ingest.preparing import Preparer
from ingest.readers import RECORDS
from ingest.seen import Seen
from ingest.settling import Settling
from ingest.shelf import Shelf
from ingest.vectorising import Watched

if TYPE_CHECKING:
    from ingest.pipeline import Means


class Intake:
    """A context manager. To be asked for one plan.

    :param parent: id of the snapshot that the run follows; None for the first.
    :param reading: what decides how documents are read and cut.
    :param anew: chunks may differ though documents do not, so none is taken over.
    """

    def __init__(
        self,
        means: Means,
        parent: str | None,
        reading: Mapping[str, Any],
        seen: Seen,
        *,
        anew: bool,
    ) -> None:
        self._store, self._settings, self._progress = means.store, means.settings, means.progress
        self._encoder, self._seen = Watched(means.encoder), seen
        self._shelf = Shelf(means.store.path, f"{means.encoder.fingerprint.id} {reading}")
        watched = replace(means, encoder=self._encoder)
        self._changes = Changes(watched, parent, reading, anew=anew)
        self._bytes_read = 0  # of sources that were parsed and cut
        self._stack = ExitStack()

    def take_in(self, plan: Plan, settling: Settling) -> list[LedgerRow]:
        """Leave out what is gone, read what is new or changed, and give each source its row."""
        for row in (*plan.removed, *(old for old, _ in plan.renamed)):
            self._changes.remove(row.source)
        if settling.brings_text:
            self._changes.prepare()
        paths = PathMetadata(self._settings.ingest.path_metadata)
        cutting = Cutting(self._encoder.tokens, self._settings.chunking.target_tokens, paths)
        preparer = Preparer(plan.names, self._owners(plan), cutting, self._seen, self._shelf)
        rows = []
        self._progress.stage("taking in", len(plan.to_read))
        with maker_for(plan.to_read, cutting, self._settings.ingest.workers) as maker:
            for outcome in preparer.outcomes(settling.in_turn(), maker):
                self._bytes_read = preparer.bytes_read
                rows.append(settling.settle(outcome, self._changes))
                self._progress.step(outcome.row.path)
        self._shelf.flush()
        self._changes.flush()
        return [*rows, *settling.unread()]

    def publish(self, rows: Sequence[LedgerRow]) -> None:
        """Publish a snapshot of this ledger. What was kept in case of a kill is not needed then."""
        self._changes.publish(rows)
        self._shelf.discard()

    def discard(self) -> None:
        """Nothing has come of it: delete what was kept, and what a killed run left behind."""
        self._shelf.discard()
        leftovers.remove_all(self._store.path)

    @property
    def embedded_chunks(self) -> int:
        """Chunks that went to the model."""
        return self._changes.embedded_chunks

    @property
    def reused_chunks(self) -> int:
        """Chunks of changed documents whose vectors were known."""
        return self._changes.reused_chunks

    def effort(self, seconds: float) -> Effort:
        """What it took.

        :param seconds: since the run began.
        """
        return Effort(seconds, self._bytes_read, self._encoder.texts, self._encoder.seconds)

    def _owners(self, plan: Plan) -> Mapping[str, str]:
        """The documents that stay; asked for only where records could take their ids."""
        if not any(source.format == RECORDS for source in plan.to_read):
            return {}
        going = {plan.names.ids[source.root, source.path] for source in plan.to_read}
        going |= {row.source for row in plan.removed}
        going |= {old.source for old, _ in plan.renamed}
        owners = self._changes.owners()
        return {one: source for one, source in owners.items() if source not in going}

    def __enter__(self) -> Intake:
        self._stack.enter_context(self._shelf)
        self._stack.enter_context(self._changes)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
