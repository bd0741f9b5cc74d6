"""What becomes of each source of a run: its row in the ledger, and what the corpus holds of it.

A file that broke keeps its last good version, under the name that this version has. Where
another file would be of that name by now, because it lies in an earlier root, it is put off
until the first one can be read again: nothing may have two meanings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from corpus.roots import Root
from corpus.types import LedgerRow, Status
from ingest.naming import Place, source_ids
from ingest.plan import Plan
from ingest.seen import Seen
from ingest.sources import Source

if TYPE_CHECKING:
    from ingest.changes import Changes
    from ingest.prepared import Outcome


class Settling:
    """Settles the sources of one run.

    :param ledger: the rows of the snapshot before.
    :param roots: every root of the store.
    :param seen: the files that this run and those before it have read.
    """

    def __init__(
        self, plan: Plan, ledger: Sequence[LedgerRow], roots: Sequence[Root], seen: Seen
    ) -> None:
        self._plan, self._ledger, self._roots, self._seen = plan, ledger, roots, seen
        self._ids = plan.names.ids

    @cached_property
    def _reserved(self) -> set[str]:
        """Names of last good versions that would be named otherwise now."""
        ids, kept = self._plan.names.ids, (*self._plan.unchanged, *self._plan.stale)
        return {row.source for row in kept if row.documents and ids.get(_place(row)) != row.source}

    @cached_property
    def _before(self) -> Mapping[Place, LedgerRow]:
        return {_place(row): row for row in self._ledger}

    @cached_property
    def brings_text(self) -> bool:
        """Whether there is a file that is new, or whose bytes are: then something will have to be
        embedded, as a rule. Another name or another sidecar brings none.
        """
        places = ((source.root, source.path) for source in self._plan.added)
        return any(place not in self._before for place in places) or any(
            map(self._seen.is_new, self._plan.changed)
        )

    def in_turn(self) -> list[Source]:
        """What is to be read. First what gets another name, that of later roots before that of
        earlier ones, which take names from them: whether it can be read decides who has the name.
        """
        return sorted(self._plan.to_read, key=self._turn)

    def settle(self, outcome: Outcome, changes: Changes) -> LedgerRow:
        """Hand on the documents of a source that was read, and give it its row."""
        row, before = outcome.row, self._before.get(_place(outcome.row))
        if row.status is Status.FAILED and before is not None and before.documents:
            return self._last_good(before, row.reason)
        if row.source in self._reserved:
            return self._put_off(row, before)
        if before is not None and before.source != row.source:
            changes.remove(before.source)
        if row.documents or (before is not None and before.documents):
            changes.replace(row.source, outcome.documents)
        return row

    def unread(self) -> list[LedgerRow]:
        """The rows of sources that need not be read. To be asked once all others are settled."""
        left_out = [self._named(row) for row in self._plan.left_out]
        return [*self._plan.unchanged, *self._plan.stale, *left_out]

    def _turn(self, source: Source) -> tuple[bool, int, str]:
        before = self._before.get((source.root, source.path))
        is_renamed = before is not None and before.source != self._ids[source.root, source.path]
        return not is_renamed, -source.root if is_renamed else source.root, source.path

    def _last_good(self, before: LedgerRow, reason: str) -> LedgerRow:
        if before.source != self._ids[_place(before)]:
            self._reserved.add(before.source)
        return replace(before, stale=True, reason=reason)

    def _put_off(self, row: LedgerRow, before: LedgerRow | None) -> LedgerRow:
        if row.status is Status.FAILED:
            return self._named(row)
        reason = (
            f"put off: {row.source} is still the name of a document whose file is not there or "
            "cannot be read; the next run tries again"
        )
        if before is not None and before.documents:
            return self._last_good(before, reason)
        failed = LedgerRow(row.source, row.root, row.path, Status.FAILED, reason)
        return self._named(replace(failed, size=row.size, format=row.format))

    def _named(self, row: LedgerRow) -> LedgerRow:
        """A row without documents, under its name or, where another one has that, a free one."""
        place = _place(row)
        if self._ids[place] in self._reserved:
            taken = {*self._ids.values(), *self._reserved}
            self._ids = {**self._ids, **source_ids(self._roots, [place], taken)}
        return replace(row, source=self._ids[place])


def _place(row: LedgerRow) -> Place:
    return row.root, row.path
