"""``rag documents``: the ledger."""

from __future__ import annotations

from dataclasses import asdict

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table


@click.command()
@click.option(
    "--status",
    type=click.Choice(["indexed", "empty", "failed", "skipped"]),
    help="Only sources with this outcome.",
)
@with_session
def command(session: Session, status: str | None) -> None:
    """The ledger: every file that was seen, its outcome, and why.

    \b
        rag documents
        rag documents --status failed
    """
    from corpus.recovery import first_usable

    store = session.store()
    (current, ledger), problem = first_usable(store, lambda one: (one, store.ledger(one)))
    if problem:
        session.console.note(f"rag: {printable(problem)}")
    rows = [row for row in ledger if status in (None, row.status)]
    lines = [
        (row.status.value, printable(row.source), f"{row.chunks} chunks", printable(row.reason))
        for row in rows
    ]
    listed = {"snapshot": current, "total": len(rows), "documents": [asdict(row) for row in rows]}
    session.console.result(table(lines) if lines else "no such source", listed)
