"""``rag ask``: answer a question."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rag.commands.common import Session, with_session
from rag.console import harmless, printable

if TYPE_CHECKING:
    from rag.answerer import Event


@click.command()
@click.argument("question")
@click.option("-k", type=int, help="Chunks to retrieve.")
@click.option("--engine", metavar="NAME", help="What makes the answer; default: extractive.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@click.option("--server", metavar="URL", help="Ask a running server instead of the store.")
@with_session
def command(
    session: Session,
    question: str,
    k: int | None,
    engine: str | None,
    no_stream: bool,
    server: str | None,
) -> None:
    """Answer a question, with citations that open the exact characters they rest on.

    Where the documents do not say, the answer says so, and what comes closest is named.

    \b
        rag ask "How many days of leave do I get?"
        rag ask "When does it end?" --server http://127.0.0.1:8000 --json
    """
    settings = session.settings({"answer": {"k": k, "engine": engine}})
    body = {"question": question, "k": settings.answer.k, "engine": settings.answer.engine}
    if server is not None:
        from rag.client import post

        answer = post(server, "/v1/ask", body)
        session.console.result(_told(answer), answer)
        return
    from rag.answerer import Done
    from rag.answers import Question
    from rag.commands.opening import open_corpus
    from rag.questions import checked
    from rag.wire import answer_json

    answerer, _, _ = open_corpus(settings)
    asked = Question(checked(question, settings.serve.max_question_chars), settings.answer.k)
    streams = not (no_stream or session.console.as_json)
    for event in answerer.stream(asked, settings.answer.engine):
        if streams:
            _show(event)
        if isinstance(event, Done):
            answer = answer_json(event.answer)
            told = _sources(answer) if streams else _told(answer)
            session.console.result(told, answer)


def _show(event: Event) -> None:
    """Print the text of the answer as it comes."""
    from rag.answerer import Said

    if isinstance(event, Said):
        sys.stdout.write(harmless(event.text))
        sys.stdout.flush()


def _told(answer: dict[str, Any]) -> str:
    return f"{harmless(answer['answer'])}\n{_sources(answer)}"


def _sources(answer: dict[str, Any]) -> str:
    """Where the answer comes from: a line a citation, or what came closest."""
    lines = [""]
    for citation in {one["marker"]: one for one in answer["citations"]}.values():
        lines.append(f"[{citation['marker']}] {_place(citation)}")
    if answer["closest"]:
        lines += ["Closest in the documents:", *(f"  {_place(hit)}" for hit in answer["closest"])]
    return "\n".join(lines)


def _place(found: dict[str, Any]) -> str:
    heading = " > ".join([found["document"]["title"], *found["heading"]])
    name = printable(found["document"]["id"])
    return f"{name}:{found['start']}-{found['end']}  {printable(heading)}"
