"""What a run will do: every source compared with what the corpus holds of it.

Content decides: a file that was touched is unchanged, a file that moved is renamed. A file
that cannot be read now keeps its last good version.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from corpus.errors import GuardRefused, UnreadableSource
from corpus.types import LedgerRow, Status
from ingest.naming import Names, Place
from ingest.sources import Listing, Source

GUARD_DOCUMENTS = 10
"""A run may remove this many documents without asking, whatever share they are."""

Hasher = Callable[[Source], str]
"""The sha256 of a source's bytes; raises UnreadableSource."""


@dataclass(slots=True)
class Plan:
    """The outcome of a comparison. Sources in ``added``, ``changed``, ``renamed`` are read."""

    added: list[Source] = field(default_factory=list)
    changed: list[Source] = field(default_factory=list)
    renamed: list[tuple[LedgerRow, Source]] = field(default_factory=list)  # what it was, is
    removed: list[LedgerRow] = field(default_factory=list)  # what the corpus held of them
    unchanged: list[LedgerRow] = field(default_factory=list)  # as they were; not read
    stale: list[LedgerRow] = field(default_factory=list)  # out of reach; the last good version
    left_out: list[LedgerRow] = field(default_factory=list)  # skipped, or could not be read
    elsewhere: list[LedgerRow] = field(default_factory=list)  # below roots of other runs
    names: Names = field(default_factory=Names)

    @property
    def is_empty(self) -> bool:
        """Whether every source is as it was."""
        return not (self.to_read or self.removed)

    def forget(self, roots: Container[int]) -> None:
        """Remove what is below other roots than these: a snapshot that one went back to may
        hold documents of a root that the store has no more.
        """
        forgotten = [row for row in self.elsewhere if row.root not in roots]
        self.elsewhere = [row for row in self.elsewhere if row.root in roots]
        self.removed += [row for row in forgotten if row.documents]

    @property
    def to_read(self) -> list[Source]:
        """Every source that has to be taken in, ordered by root and path."""
        renamed = (source for _, source in self.renamed)
        sources = [*self.added, *self.changed, *renamed]
        return sorted(sources, key=lambda source: (source.root, source.path))


def compare(
    listings: Sequence[Listing],
    ledger: Iterable[LedgerRow],
    sha256: Hasher,
    *,
    prune: bool = True,
    anew: Callable[[LedgerRow], bool] = lambda _: False,
) -> Plan:
    """Compare what the roots hold with what the corpus holds of them.

    :param listings: the roots that were walked; rows of other roots are kept as they are.
    :param ledger: the rows of the current snapshot.
    :param prune: remove what is no longer there; without it, it is kept.
    :param anew: whether a source is to be read again though its bytes are the same, because
        readers, chunking or its id have changed.
    """
    plan = Plan()
    walked = {listing.root.key for listing in listings}
    known = {(row.root, row.path): row for row in ledger if row.root in walked}
    plan.elsewhere = [row for row in ledger if row.root not in walked]
    for listing in listings:
        for source in listing.sources:
            _compare_one(plan, source, known.pop((source.root, source.path), None), sha256, anew)
        _leave_out(plan, listing.left_out, known)
    _settle_missing(plan, known.values(), sha256, prune)
    return plan


def guard(going: int, documents: int, max_percent: float) -> None:
    """Refuse to remove too much without having been asked to.

    :param going: documents that would be removed.
    :param documents: how many the corpus holds now.
    :param max_percent: the share that may go.
    :raises GuardRefused: when more than that share *and* more than ten documents would go.
    """
    share = 100 * going / documents if documents else 0
    if going > GUARD_DOCUMENTS and share > max_percent:
        raise GuardRefused(
            f"this run would remove {going} of {documents} documents ({share:.0f} %), more than "
            f"{max_percent:g} % and more than {GUARD_DOCUMENTS}; nothing was changed. If a folder "
            f"is not mounted, mount it. If they are to go, allow it: --max-delete {ceil(share)}%"
        )


def _compare_one(
    plan: Plan,
    source: Source,
    row: LedgerRow | None,
    sha256: Hasher,
    anew: Callable[[LedgerRow], bool],
) -> None:
    if row is None or row.status is Status.SKIPPED:
        plan.added.append(source)
    elif anew(row) or not row.sha256:
        plan.changed.append(source)
    else:
        try:
            same = sha256(source) == row.sha256 and not row.stale
        except UnreadableSource:
            same = False  # reading it again will say why
        if same:
            plan.unchanged.append(row)
        else:
            plan.changed.append(source)


def _leave_out(plan: Plan, left_out: Iterable[LedgerRow], known: dict[Place, LedgerRow]) -> None:
    """Place what was not read; what stands behind it and answered before goes on answering."""
    for row in left_out:
        behind = []
        if row.status is Status.FAILED:
            behind = [known.pop(place) for place in list(known) if _is_behind(place, row)]
        plan.stale += [
            replace(one, stale=True, reason=row.reason) for one in behind if one.documents
        ]
        if (row.root, row.path) not in {(one.root, one.path) for one in plan.stale}:
            plan.left_out.append(row)


def _is_behind(place: Place, row: LedgerRow) -> bool:
    if row.root != place[0]:
        return False
    return place[1].startswith(row.path) if row.path.endswith("/") else place[1] == row.path


def _settle_missing(plan: Plan, missing: Iterable[LedgerRow], sha256: Hasher, prune: bool) -> None:
    """Tell renames from removals: same bytes, gone from one path and new at another."""
    gone = [row for row in missing if row.documents]
    if not prune:
        plan.unchanged.extend(gone)
        return
    plan.renamed = _renames(plan.added, gone, sha256)
    arrived = {id(source) for _, source in plan.renamed}
    moved = {id(row) for row, _ in plan.renamed}
    plan.added = [source for source in plan.added if id(source) not in arrived]
    plan.removed = [row for row in gone if id(row) not in moved]


def _renames(
    added: Sequence[Source], gone: Sequence[LedgerRow], sha256: Hasher
) -> list[tuple[LedgerRow, Source]]:
    """Pair each missing source with an added one of its content; only its size is read."""
    by_hash: dict[str, list[LedgerRow]] = {}
    for row in reversed(gone):
        by_hash.setdefault(row.sha256, []).append(row)
    sizes = {row.size for row in gone}
    pairs = []
    for source in added:
        if source.stamp.size not in sizes:
            continue
        try:
            same = by_hash.get(sha256(source))
        except UnreadableSource:
            continue
        if same:
            pairs.append((same.pop(), source))
    return pairs
