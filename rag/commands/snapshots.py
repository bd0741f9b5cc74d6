"""``rag snapshots``: list, verify, go back."""

from __future__ import annotations

from dataclasses import asdict

import click

from corpus.errors import RagError
from rag.commands.common import Session, with_session
from rag.console import table


@click.group()
def command() -> None:
    """List, verify or go back to a snapshot.

    \b
        rag snapshots list
        rag snapshots verify
        rag snapshots rollback
    """


@command.command(name="list")
@with_session
def list_snapshots(session: Session) -> None:
    """Every snapshot, newest first; the one that answers is marked."""
    found = session.store().snapshots()
    lines = [
        (
            "*" if one.current else " ",
            one.id,
            one.damage or f"{one.created}  {one.documents} documents, {one.chunks} chunks",
        )
        for one in found
    ]
    told = table(lines) if lines else "no snapshot yet; run `rag ingest FOLDER`"
    session.console.result(told, {"snapshots": [asdict(one) for one in found]})


@command.command()
@with_session
def verify(session: Session) -> None:
    """Check every file of every snapshot against its manifest. Exit code 1 if one is damaged."""
    store = session.store()
    damage = {}
    for one in store.snapshots():
        try:
            store.open(one.id)
            damage[one.id] = ""
        except RagError as error:
            damage[one.id] = str(error)
    lines = [f"{name}: {what or 'sound'}" for name, what in damage.items()]
    session.console.result("\n".join(lines) or "no snapshot yet", {"damage": damage})
    if any(damage.values()):
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("snapshot", required=False, metavar="[ID]")
@with_session
def rollback(session: Session, snapshot: str | None) -> None:
    """Let an earlier snapshot answer; without ID, the one before the current.

    The next refresh brings the corpus in step with its roots again.
    """
    store = session.store()
    target = snapshot or store.manifest(store.require_current()).parent
    if target is None:
        raise click.UsageError("the current snapshot has none before it")
    store.manifest(target)  # a mistyped id must not make a store
    with store.writing():
        store.activate(target)
    session.console.result(f"snapshot {target} answers now", {"snapshot": target})
