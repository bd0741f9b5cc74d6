"""``rag search``: find passages."""

from __future__ import annotations

import click

from rag.commands.common import Session, with_session
from rag.console import harmless, printable


@click.command()
@click.argument("query")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 100), help="Hits.")
@click.option(
    "--mode",
    default="hybrid",
    show_default=True,
    type=click.Choice(["hybrid", "dense", "words"]),
    help="Both searches fused, or one of them.",
)
@click.option("--where", metavar="EXPR", help="Search these documents only, e.g. 'lang = de'.")
@click.option("--snapshot", metavar="ID", help="Search this snapshot: its id or a tag.")
@with_session
def command(
    session: Session, query: str, k: int, mode: str, where: str | None, snapshot: str | None
) -> None:
    """Find the passages that match a query, best first.

    \b
        rag search "annual leave" -k 3
        rag search ZRANGEBYLEX --mode words --json
        rag search leave --where "path ~ 'hr/**' and date >= 2024 and not title ~ 'Draft*'"
    """
    from corpus.types import Hit, Mode
    from rag.commands.opening import open_corpus
    from rag.questions import checked, filter_of
    from rag.wire import search_json

    settings, asked = session.settings(), filter_of(where)
    answerer = open_corpus(settings, embeds=Mode(mode) is not Mode.WORDS).answerer
    text = checked(query, settings.serve.max_question_chars, "query")
    result = answerer.search(text, k, Mode(mode), snapshot, asked)
    if result.snapshot.problem:
        session.console.note(f"rag: {printable(result.snapshot.problem)}")

    if result.rerank and result.rerank.note:
        session.console.note(f"rag: {printable(result.rerank.note)}")

    def told(hit: Hit) -> str:
        chunk = hit.chunk
        heading = " > ".join([chunk.title, *chunk.headings])
        place = f"{printable(chunk.document_id)}:{chunk.start}-{chunk.end}"
        return (
            f"{hit.rank}. {hit.score:.3f}  {place}  {printable(heading)}\n{harmless(chunk.text)}\n"
        )

    nothing = (result.where.note if result.where else "") or "no hits"
    session.console.result("\n".join(map(told, result.hits)) or nothing, search_json(result))
