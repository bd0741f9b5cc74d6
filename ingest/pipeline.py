"""Bring the corpus in step with its roots: walk, compare, read, cut, embed, publish.

:class:`Run` is one such run. What it does not do: take the lock, keep the record of runs,
or decide which roots there are; that is ``ingest.runner``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from corpus import ledger
from corpus import roots as stored
from corpus.embedding import ChunkEncoder
from corpus.errors import GuardRefused, NoSnapshot, NothingToIngest, UnreadableSource
from corpus.fingerprint import check_same
from corpus.manifest import Manifest
from corpus.recovery import first_usable
from corpus.roots import Root
from corpus.runs import Effort
from corpus.settings import Settings
from corpus.store import Store
from corpus.types import LedgerRow, Status
from ingest import leftovers, readers, reading
from ingest import plan as planning
from ingest.naming import Names, record_prefixes, source_ids
from ingest.plan import Plan
from ingest.progress import Progress
from ingest.report import Report, tally
from ingest.seen import Seen
from ingest.settling import Settling
from ingest.sources import Listing, Source, walk
from ingest.versions import reading_settings

if TYPE_CHECKING:
    from ingest.intake import Intake
    from ingest.outlook import Work


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller may choose for one run."""

    prune: bool = True  # remove what is no longer there
    max_delete_percent: float = 10


@dataclass(frozen=True, slots=True)
class Means:
    """What every run works with."""

    store: Store
    settings: Settings
    encoder: ChunkEncoder
    progress: Progress


class Run:
    """One run over some roots. The caller holds the store's lock.

    :param roots: every root of the store, in the order of their keys.
    :param walked: those that this run looks at; the others stay as they are.
    :param looks_only: nothing will be carried out, and the caller may be without the lock.
    """

    def __init__(
        self,
        means: Means,
        roots: Sequence[Root],
        walked: Sequence[Root],
        options: Options,
        *,
        looks_only: bool = False,
    ) -> None:
        self._store, self._settings = means.store, means.settings
        self._means, self._progress = means, means.progress
        self._roots, self._walked, self._options = roots, walked, options
        self._keys = frozenset(root.key for root in roots)
        self._known = {root.key for root in stored.read(means.store.path)}
        self._began = time.monotonic()
        self._seen = Seen(means.store.path)
        self._reading = reading_settings(means.settings)
        self._parent, self._ledger = _followed(means.store, looks_only=looks_only)
        # Whether everything is read again, because readers or chunking have changed.
        self.anew = self._parent is not None and self._parent.settings != self._reading

    def plan(self) -> Plan:
        """Walk the roots and compare them with the corpus. Changes nothing.

        :raises BadRoot: when a root is not there.
        :raises NothingToIngest: when there is nothing in them that can be read.
        :raises GuardRefused: when too much would be removed.
        :raises EmbeddingMismatch: when the store belongs to another embedding model.
        """
        if self._parent:
            check_same(found=self._parent.fingerprint, expected=self._means.encoder.fingerprint)
        listings = [self._listing(root) for root in self._walked]
        names = self._names(listings)
        outdated = self._outdated(names)
        plan = planning.compare(
            listings,
            self._ledger,
            self._sha256,
            prune=self._options.prune,
            anew=outdated,
        )
        plan.forget(self._keys)
        plan.names = names
        self._guard(sum(row.documents for row in plan.removed))
        return plan

    def plan_removal(self, root: Root) -> Plan:
        """Leave out everything below a root."""
        return Plan(
            removed=[row for row in self._ledger if row.root == root.key],
            elsewhere=[row for row in self._ledger if row.root != root.key],
        )

    def preview(self, plan: Plan) -> Report:
        """What the plan would come to, as far as that is known before anything is read."""
        from ingest import outlook

        blocked = outlook.obstacles(plan.to_read)
        before = {(row.root, row.path): row for row in self._ledger}
        rows = []
        for source in plan.to_read:
            place = (source.root, source.path)
            rows.append(_expected(source, plan.names, before.get(place), blocked.get(place, "")))
        report = self._report(plan, [*self._settling(plan).unread(), *rows], None)
        return replace(report, dry_run=True, plan=outlook.intent_of(plan, blocked))

    def has_work(self, plan: Plan) -> bool:
        """Whether carrying the plan out may change the corpus."""
        if self.anew or not plan.is_empty:
            return True
        rows = self._settling(plan).unread()
        return ledger.ordered([*rows, *plan.elsewhere]) != self._ledger

    def work(self, plan: Plan) -> Work:
        """How much the plan asks for."""
        from ingest import outlook

        return outlook.work_of(plan, self._ledger)

    def room(self, plan: Plan) -> int:
        """Bytes that carrying the plan out may write at most."""
        from ingest import outlook

        dim, rows = self._means.encoder.fingerprint.dim, len(self._ledger) + len(plan.to_read)
        return outlook.room_for(self.work(plan), dim, rows, self._parent)

    def carry_out(self, plan: Plan) -> Report:
        """Do what the plan says, and publish the result if it is another one.

        :raises StoreBusy: when another machine took the store over meanwhile.
        :raises StoreNotWritable: when the disk refuses; the old snapshot stays current.
        """
        settling = self._settling(plan)
        with self._loading(settling), self._intake() as intake:
            rows = intake.take_in(plan, settling)
            self._guard(_going(plan, rows, self._ledger))
            if self.anew or ledger.ordered([*rows, *plan.elsewhere]) != self._ledger:
                self._progress.stage("publishing", None)
                intake.publish([*rows, *plan.elsewhere])
            elif self._walks_all:
                intake.discard()
            report = self._report(plan, rows, intake)
        self._save_seen()
        return report

    def leave(self, plan: Plan) -> Report:
        """What a plan without work comes to: the corpus stays as it is."""
        if self._walks_all:
            leftovers.remove_all(self._store.path)
        self._save_seen()
        return self._report(plan, self._settling(plan).unread(), None)

    def _loading(self, settling: Settling) -> AbstractContextManager[None]:
        """Load the model meanwhile, where it is going to be needed."""
        if not settling.brings_text:
            return nullcontext()
        from ingest.ahead import loading

        return loading(self._means.encoder)

    def _intake(self) -> Intake:
        from ingest.intake import Intake  # with all that reads, cuts and embeds

        parent = self._parent.id if self._parent else None
        return Intake(self._means, parent, self._reading, self._seen, anew=self.anew)

    @property
    def _walks_all(self) -> bool:
        return len(self._walked) == len(self._roots)

    def _save_seen(self) -> None:
        self._seen.keep_others({root.key for root in self._walked})
        self._seen.save()

    def _guard(self, going: int) -> None:
        documents = self._parent.counts["documents"] if self._parent else 0
        planning.guard(going, documents, self._options.max_delete_percent)

    def _listing(self, root: Root) -> Listing:
        self._progress.stage("looking", None, root.path)
        listing = walk(root, max_bytes=int(self._settings.ingest.max_file_mb * 1e6))
        held = any(row.documents for row in self._ledger if row.root == root.key)
        gone = not listing.sources and not listing.left_out
        if not listing.sources and root.key not in self._known:
            raise NothingToIngest(
                f"{root.path} holds no file that can be read: {len(listing.left_out)} files seen; "
                f"formats are {', '.join(sorted(readers.FORMATS))}"
            )
        if gone and held and self._options.max_delete_percent < 100:
            raise GuardRefused(
                f"{root.path} is empty, and the corpus holds documents from it; nothing was "
                "changed. If it is not mounted, mount it. If they are to go: --max-delete 100%"
            )
        return listing

    def _names(self, listings: Sequence[Listing]) -> Names:
        walked = {root.key for root in self._walked}
        elsewhere = [
            row for row in self._ledger if row.root not in walked and row.root in self._keys
        ]
        sources = [source for listing in listings for source in listing.sources]
        left_out = [row for listing in listings for row in listing.left_out]
        places = [(one.root, one.path) for one in sources]
        places += [(row.root, row.path) for row in left_out]
        ids = source_ids(self._roots, places, taken=[row.source for row in elsewhere])
        records = [row.source for row in elsewhere if row.format == readers.RECORDS]
        records += [ids[one.root, one.path] for one in sources if one.format == readers.RECORDS]
        return Names(ids, record_prefixes(records))

    def _outdated(self, names: Names) -> Callable[[LedgerRow], bool]:
        """Whether a source must be read again although its bytes are the same."""

        def is_outdated(row: LedgerRow) -> bool:
            renamed = names.ids.get((row.root, row.path), row.source) != row.source
            moved = row.prefix != names.prefixes.get(row.source, "")
            return self.anew or renamed or moved

        return is_outdated

    def _sha256(self, source: Source) -> str:
        """Hash a source with its sidecar: what tells it from what was taken in before."""
        beside = source.sidecar
        if beside is None:
            return self._hash(source)
        from ingest import sidecar

        try:
            state = sidecar.too_large(beside) or self._hash(beside)
        except UnreadableSource as error:
            state = str(error)
        return sidecar.together(self._hash(source), state)

    def _hash(self, source: Source) -> str:
        """Hash a file, unless its stamp says that it is the one that was hashed before."""
        known = self._seen.sha256(source)
        if known is not None:
            return known
        content = reading.read(source)
        self._seen.note(source, content.sha256, content.read_at_ns)
        return content.sha256

    def _settling(self, plan: Plan) -> Settling:
        return Settling(plan, self._ledger, self._roots, self._seen)

    def _report(self, plan: Plan, rows: Sequence[LedgerRow], intake: Intake | None) -> Report:
        """What the run came to.

        :param intake: what did the work, if there was any.
        """
        counts = ledger.counts([*rows, *plan.elsewhere])
        counted = tally(plan, rows)
        seconds = time.monotonic() - self._began
        return Report(
            snapshot=self._store.current_id(),
            documents=counts["documents"],
            chunks=counts["chunks"],
            **{field.name: getattr(counted, field.name) for field in fields(counted)},
            embedded_chunks=intake.embedded_chunks if intake else 0,
            reused_chunks=intake.reused_chunks if intake else 0,
            seconds=round(seconds, 3),
            effort=intake.effort(seconds) if intake else Effort(seconds),
        )


def _followed(store: Store, *, looks_only: bool) -> tuple[Manifest | None, list[LedgerRow]]:
    """The snapshot that a run follows: the current one, or what stands in for it."""

    def read(snapshot_id: str) -> tuple[Manifest, list[LedgerRow]]:
        manifest = store.manifest(snapshot_id)
        return manifest, ledger.read_ledger(store.path, manifest)

    if looks_only:  # what is damaged has not been put aside
        with suppress(NoSnapshot):
            return first_usable(store, read)[0]
        return None, []
    current = store.current_id()
    return read(current) if current else (None, [])


def _expected(source: Source, names: Names, before: LedgerRow | None, obstacle: str) -> LedgerRow:
    """The row of a source that is still to be read, for a preview."""
    if obstacle and before is not None and before.documents:
        return replace(before, stale=True, reason=obstacle)
    name = names.ids[source.root, source.path]
    if obstacle:
        return LedgerRow(name, source.root, source.path, Status.FAILED, reason=obstacle)
    return LedgerRow(name, source.root, source.path, Status.INDEXED, documents=1)


def _going(plan: Plan, rows: Iterable[LedgerRow], ledger: Iterable[LedgerRow]) -> int:
    """Documents that would go: of sources that are gone, and of those that hold fewer now."""
    before = {(row.root, row.path): row.documents for row in ledger}
    for row in plan.removed:  # a row of now may stand at its place: of a file left out
        before.pop((row.root, row.path), None)
    fewer = (before.get((row.root, row.path), 0) - row.documents for row in rows)
    return sum(row.documents for row in plan.removed) + sum(filter(lambda n: n > 0, fewer))
