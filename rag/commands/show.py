"""``rag show``: the text of a document."""

from __future__ import annotations

import sys

import click

from rag.commands.common import Session, with_session
from rag.console import harmless, printable


@click.command()
@click.argument("document", metavar="DOC")
@click.option("--chunks", is_flag=True, help="Show how it was cut.")
@with_session
def command(session: Session, document: str, chunks: bool) -> None:
    """The text of a document as it was taken in: what citations are spans of.

    \b
        rag show handbook/leave.md
        rag show handbook/leave.md --chunks
    """
    from corpus.recovery import first_usable

    store = session.store()
    snapshot, problem = first_usable(store, store.open)
    if problem:
        session.console.note(f"rag: {printable(problem)}")
    found = snapshot.document(document)
    cut = [
        {
            "start": chunk.start,
            "end": chunk.end,
            "heading": list(chunk.headings),
            "tokens": chunk.tokens,
            "text": chunk.text,
        }
        for chunk in (snapshot.chunks_of(document) if chunks else ())
    ]
    told = [
        f"--- {one['start']}-{one['end']}, {one['tokens']} tokens\n{one['text']}" for one in cut
    ]
    value = {
        "snapshot": snapshot.id,
        "document": {"id": found.id, "title": found.title, "format": found.format},
        "metadata": dict(found.metadata),
        "text": found.text,
        "chunks": cut,
    }
    text = "\n".join(told) if chunks else found.text
    session.console.result(harmless(text) if sys.stdout.isatty() else text, value)
