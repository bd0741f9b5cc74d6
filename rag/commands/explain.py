"""``rag explain``: what would be sent to the model, by part."""

from __future__ import annotations

from typing import Any

import click

from rag.commands.asking import asking_options, body_of, flags_of, question_of_body
from rag.commands.common import Session, with_session
from rag.console import harmless, printable, table


@click.command()
@click.argument("question")
@asking_options
@click.option("--tokens", is_flag=True, help="List every token of the prompt with its part.")
@with_session
def command(session: Session, question: str, asked: dict[str, Any], tokens: bool) -> None:
    """What would be sent to the model, by part, and what became of each candidate.

    Nothing is generated, and no GPU is needed: only the model's tokenizer is.

    \b
        rag explain "How many days of leave do I get?"
        rag explain "When does it end?" --engine vllm --model google/gemma-2-9b-it --json
    """
    settings = session.settings(flags_of(asked))
    body = body_of(question, asked)
    if asked["server"] is not None:
        from rag.client import post

        told = post(asked["server"], "/v1/explain", body)
    else:
        from rag.commands.opening import open_corpus
        from rag.wire import explanation_json

        checked = question_of_body(body, settings)
        with open_corpus(settings) as opened:
            opened.load_model()
            told = explanation_json(opened.answerer.explain(checked, settings.answer.engine))
    session.console.result(_told(told, tokens=tokens), told)


def _told(told: dict[str, Any], *, tokens: bool) -> str:
    model = f", model {printable(told['model'])}" if told["model"] else ""
    lines = [
        f"engine     {told['engine']}{model}",
        f"searched   {printable(told['query'])}",
        *_where(told.get("where")),  # an older server says nothing of it
        *_reranked(told.get("rerank")),
        "candidates:",
        *(_candidate(one) for one in told["candidates"]),
    ]
    if told["prompt"] is None:
        return "\n".join([*lines, "no prompt: this engine quotes and prompts no model"])
    lines += _sent(told)
    if tokens:
        rows = [
            (str(at), str(one["id"]), repr(one["piece"]), one["part"])
            for at, one in enumerate(told["tokens"])
        ]
        lines += ["tokens:", table(rows)]
    return "\n".join(lines)


def _where(where: dict[str, Any] | None) -> list[str]:
    if where is None:
        return []
    return [
        f"where      {printable(where['read_as'])}",
        f"           {where['documents']} of {where['of_documents']} documents, "
        f"{where['chunks']} of {where['of_chunks']} chunks",
    ]


def _candidate(one: dict[str, Any]) -> str:
    place = f"{printable(one['document']['id'])}:{one['start']}-{one['end']}"
    fate = f"passage {one['passage']}" if one["passage"] else f"dropped: {one['dropped']}"
    if others := one.get("together_with"):
        fate += f", together with {', '.join(map(str, others))}"
    return f"  {one['rank']:>3}. {one['score']:.3f}  {_before(one)}{place}  {printable(fate)}"


def _before(one: dict[str, Any]) -> str:
    """Where the reranker found a candidate, and its score for it."""
    if "fused_rank" not in one:
        return ""
    score = one["scores"].get("rerank")
    told = "no score" if score is None else f"{score:.3f}"
    return f"(was {one['fused_rank']}., rerank {told})  "


def _reranked(rerank: dict[str, Any] | None) -> list[str]:
    if rerank is None:
        return []
    told = f"{rerank['scored']} of {rerank['candidates']} in {rerank['ms']:.0f} ms"
    if rerank["ended_by_budget"]:
        told += ", then the time was spent (retrieval.rerank_budget_ms)"
    note = f"; {rerank['note']}" if rerank["note"] else ""
    return [f"reranked   {told}, by {printable(rerank['model'])}{printable(note)}"]


def _sent(told: dict[str, Any]) -> list[str]:
    ledger = told["ledger"]
    parts = [(f"  {name}", str(count)) for name, count in ledger["by_part"].items()]
    sampling = ", ".join(
        f"{name} {one['value']} ({one['from']})" for name, one in told["sampling"].items()
    )
    stops = [f"{one['id']} ({one['from']})" for one in told["stops"]["ids"]]
    stops += [f"{one['text']!r} ({one['from']})" for one in told["stops"]["strings"]]
    return [
        f"told       {printable(told['instructions'])}",
        f"tokens     {ledger['prompt']} of the prompt, {ledger['answer']} kept for the answer, "
        f"{ledger['free']} free of {ledger['context']}",
        table(parts),
        *(f"left out   {one}" for one in told["left_out"]),
        f"sampling   {sampling}",
        f"stops      {printable(', '.join(stops))}",
        "prompt:",
        harmless(told["prompt"]),
    ]
