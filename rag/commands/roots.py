"""``rag roots``: the folders that a store is kept in step with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table


@click.group()
def command() -> None:
    """List the folders that are refreshed, or remove one.

    \b
        rag roots list
        rag roots remove ~/handbook
    """


@command.command(name="list")
@with_session
def list_roots(session: Session) -> None:
    """Every folder that was ingested."""
    from corpus import roots

    known = roots.read(session.store().path)
    lines = [(str(root.key), printable(root.path)) for root in known]
    told = table(lines) if lines else "no root yet; run `rag ingest FOLDER`"
    session.console.result(told, {"roots": [asdict(root) for root in known]})


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@with_session
def remove(session: Session, path: Path) -> None:
    """Take a folder and all its documents out of the corpus. The folder itself is not touched."""
    from rag.commands import running

    running.remove_root(session, path)
