"""What a run came to: numbers that add up, and every failure by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from corpus import ledger
from corpus.runs import Effort
from corpus.types import LedgerRow, Status
from ingest.naming import Place
from ingest.plan import Plan

if TYPE_CHECKING:
    from ingest.outlook import Estimate, Intent

_DRY = ("plan", "estimate")
_INNER = ("rows", "kinds", "effort")
_TAKEN_IN = ("added", "changed", "renamed", "unchanged")


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that should have been readable and was not."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """A run. ``added`` to ``skipped`` count sources; their sum, with failures, is the files seen.

    ``removed`` and ``remarks`` stand apart: what is gone was not seen, and a remark is about
    a source that was taken in.
    """

    snapshot: str | None  # None for a dry run of an empty store
    documents: int  # in the snapshot
    chunks: int
    added: int
    changed: int
    renamed: int
    removed: int
    unchanged: int
    failed: tuple[Failure, ...]
    empty: int
    skipped: int
    embedded_chunks: int
    reused_chunks: int
    seconds: float
    files: int  # seen in this run
    dry_run: bool = False
    remarks: tuple[Failure, ...] = ()  # taken in, with something a user should know
    rows: tuple[LedgerRow, ...] = ()  # every file seen, as it stands in the ledger
    kinds: Mapping[Place, str] = field(default_factory=dict)  # of those that were read
    effort: Effort | None = None  # of a run that did something
    crashed: tuple[str, ...] = ()  # earlier runs that were killed, found by this one
    plan: Intent | None = None  # of a dry run
    estimate: Estimate | None = None  # of a dry run

    @property
    def sources(self) -> list[LedgerRow]:
        """Every file seen, by root and path; unchanged ones are marked so. Costs time."""
        marked = [
            replace(row, status=Status.UNCHANGED)
            if _outcome(row, self.kinds) == "unchanged"
            else row
            for row in self.rows
        ]
        return ledger.ordered(marked)

    def summary(self) -> str:
        """One line for a log."""
        counts = ("added", "changed", "renamed", "removed", "unchanged", "empty", "skipped")
        told = [f"{getattr(self, name)} {name}" for name in counts if getattr(self, name)]
        return ", ".join([*told, f"{len(self.failed)} failed"] if self.failed else told)

    def to_json(self) -> dict[str, Any]:
        """As `rag ingest --json` prints it: everything but the single sources.

        The plan and its estimate are there in a dry run only.
        """
        told = asdict(replace(self, rows=(), kinds={}))  # which would copy every row
        dropped = _INNER if self.dry_run else (*_INNER, *_DRY)
        return {name: value for name, value in told.items() if name not in dropped}


@dataclass(frozen=True, slots=True)
class Tally:
    """Sources of the walked roots by what became of them."""

    added: int
    changed: int
    renamed: int
    removed: int
    unchanged: int
    empty: int
    skipped: int
    failed: tuple[Failure, ...]
    remarks: tuple[Failure, ...]
    files: int
    rows: tuple[LedgerRow, ...]
    kinds: Mapping[Place, str]


def tally(plan: Plan, rows: Sequence[LedgerRow]) -> Tally:
    """Count every row of the walked roots once.

    :param rows: the ledger rows of the walked roots after the run.
    """
    kinds = {(source.root, source.path): "added" for source in plan.added}
    kinds |= {(source.root, source.path): "changed" for source in plan.changed}
    kinds |= {(source.root, source.path): "renamed" for _, source in plan.renamed}
    by_outcome: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in rows:
        by_outcome[_outcome(row, kinds)].append(row)
    taken_in = [row for name in _TAKEN_IN for row in by_outcome[name]]
    return Tally(
        **{name: len(by_outcome[name]) for name in (*_TAKEN_IN, "empty", "skipped")},
        removed=len(plan.removed),
        failed=tuple(Failure(row.path, row.reason) for row in by_outcome["failed"]),
        remarks=tuple(Failure(row.path, row.reason) for row in taken_in if row.reason),
        files=len(rows),
        rows=tuple(rows),
        kinds=kinds,
    )


def _outcome(row: LedgerRow, kinds: Mapping[Place, str]) -> str:
    if row.status is Status.FAILED or row.stale:
        return "failed"
    if row.status is not Status.INDEXED:
        return row.status.value
    return kinds.get((row.root, row.path), "unchanged")
