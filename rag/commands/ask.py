"""``rag ask``: answer a question."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rag.commands.asking import asking_options, body_of, flags_of, question_of_body
from rag.commands.common import Session, with_session
from rag.console import harmless, printable

if TYPE_CHECKING:
    from rag.events import Event


@click.command()
@click.argument("question")
@asking_options
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@with_session
def command(session: Session, question: str, asked: dict[str, Any], no_stream: bool) -> None:
    """Answer a question, with citations that open the exact characters they rest on.

    Where the documents do not say, the answer says so, and what comes closest is named.

    \b
        rag ask "How many days of leave do I get?"
        rag ask "When does it end?" --server http://127.0.0.1:8000 --json
        rag ask "When does it end?" --where "path ~ 'projects/**' and date >= 2024-05"
        rag ask "When does it end?" --engine vllm --vllm-url http://127.0.0.1:8001
    """
    settings = session.settings(flags_of(asked))
    body = body_of(question, asked)
    if asked["server"] is not None:
        from rag.client import post

        answer = post(asked["server"], "/v1/ask", body)
        session.console.result(_told(answer), answer)
        return
    from rag.commands.opening import open_corpus
    from rag.events import Done
    from rag.scope import Scope
    from rag.wire import answer_json

    checked = question_of_body(body, settings)
    streams = not (no_stream or session.console.as_json)
    scope = Scope(settings.vllm.deadline_s)
    with open_corpus(settings) as opened:
        opened.connect()
        for event in opened.answerer.stream(checked, settings.answer.engine, scope):
            if streams:
                _show(event)
            if isinstance(event, Done):
                answer = answer_json(event.answer)
                told = _sources(answer) if streams else _told(answer)
                session.console.result(told, answer)


def _show(event: Event) -> None:
    """Print the text of the answer as it comes."""
    from rag.events import Said

    if isinstance(event, Said):
        sys.stdout.write(harmless(event.text))
        sys.stdout.flush()


def _told(answer: dict[str, Any]) -> str:
    return f"{harmless(answer['answer'])}\n{_sources(answer)}"


def _sources(answer: dict[str, Any]) -> str:
    """Where the answer comes from: a line a citation, or what came closest."""
    lines = [""]
    if answer["degraded"]:
        lines.append(f"({answer['engine']}: {printable(answer['degraded_reason'])})")
    if answer["snapshot"]["problem"]:
        lines.append(f"({printable(answer['snapshot']['problem'])})")
    if answer.get("note"):  # an older server has none
        lines.append(f"({printable(answer['note'])})")
    if (answer.get("rerank") or {}).get("note"):
        lines.append(f"({printable(answer['rerank']['note'])})")
    if answer["query"]:
        lines.append(f"(searched for: {printable(answer['query'])})")
    for citation in {one["marker"]: one for one in answer["citations"]}.values():
        doubt = "" if citation["verdict"] in _GOOD else f"  ({citation['verdict']})"
        lines.append(f"[{citation['marker']}] {_place(citation)}{doubt}")
    lines += [f"without citation: {harmless(one['text'])}" for one in answer["uncited"]]
    if answer["closest"]:
        lines += ["Closest in the documents:", *(f"  {_place(hit)}" for hit in answer["closest"])]
    return "\n".join(lines)


_GOOD = ("verbatim", "supported")


def _place(found: dict[str, Any]) -> str:
    heading = " > ".join([found["document"]["title"], *found["heading"]])
    name = printable(found["document"]["id"])
    return f"{name}:{found['start']}-{found['end']}  {printable(heading)}"
