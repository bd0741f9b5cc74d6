"""``rag documents``: the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table

if TYPE_CHECKING:
    from corpus.store import Store


@click.command()
@click.option(
    "--status",
    type=click.Choice(["indexed", "empty", "failed", "skipped"]),
    help="Only sources with this outcome.",
)
@click.option("--where", metavar="EXPR", help="Only files of such documents, e.g. 'lang = de'.")
@with_session
def command(session: Session, status: str | None, where: str | None) -> None:
    """The ledger: every file that was seen, its outcome, and why.

    \b
        rag documents
        rag documents --status failed
        rag documents --where "path ~ 'hr/**' and lang != de"
    """
    from corpus.recovery import first_usable

    store = session.store()
    (current, ledger), problem = first_usable(store, lambda one: (one, store.ledger(one)))
    if problem:
        session.console.note(f"rag: {printable(problem)}")
    rows = [row for row in ledger if status in (None, row.status)]
    if where is not None:
        allowed = _sources(store, current, where)
        rows = [row for row in rows if row.source in allowed]
    lines = [
        (row.status.value, printable(row.source), f"{row.chunks} chunks", printable(row.reason))
        for row in rows
    ]
    listed = {"snapshot": current, "total": len(rows), "documents": [asdict(row) for row in rows]}
    session.console.result(table(lines) if lines else "no such source", listed)


def _sources(store: Store, snapshot_id: str, where: str) -> set[str]:
    """The sources that hold a document which the filter allows."""
    from rag.filters.parser import parse

    asked = parse(where)
    snapshot = store.open(snapshot_id)
    asked.check(snapshot.fields)
    ids = snapshot.allowed(asked.where).ids()
    return {ref.source for ref in snapshot.documents.values() if ref.id in ids}
