"""``rag eval``: measure search and answers on the user's own questions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from rag.commands.common import Session, with_session
from rag.console import printable

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)

_resamples = click.option(
    "--resamples",
    default=2000,
    show_default=True,
    type=click.IntRange(100, 100_000),
    help="Draws of the bootstrap.",
)
_seed = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the draws."
)


class _Group(click.Group):
    """Measures, unless the first word names something else to do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let `rag eval QUESTIONS` stand for `rag eval run QUESTIONS`."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Group)
def command() -> None:
    """Measure search and answers on questions of your own.

    \b
        rag eval make --out questions.jsonl           a first set, from your documents
        rag eval questions.jsonl --answers            measure: the same as `rag eval run`
        rag eval diff before.json after.json          what a change did
    """


@command.command("run")
@click.argument("questions", type=_FILE)
@click.option("--qrels", type=_FILE, help="Relevant documents: a table as BEIR has it.")
@click.option(
    "--mode",
    default="hybrid",
    show_default=True,
    type=click.Choice(["hybrid", "dense", "words"]),
    help="Both searches fused, or one of them.",
)
@click.option("--compare-modes", is_flag=True, help="All three, beside each other.")
@click.option("--answers", is_flag=True, help="Answer the questions too, and judge the answers.")
@click.option("-k", type=click.IntRange(1, 100), help="Chunks that an answer is made from.")
@click.option("--engine", metavar="NAME", help="extractive or vllm; default: extractive.")
@click.option("--model", metavar="NAME", help="The model of vllm: a hub id or a folder.")
@click.option("--vllm-url", multiple=True, metavar="URL", help="A vLLM server; repeatable.")
@click.option(
    "--parallel",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Questions answered at once; worth it with vllm.",
)
@click.option("--snapshot", metavar="ID", help="Measure this snapshot: its id or a tag.")
@click.option("--out", type=_NEW_FILE, help="Write the run to this file, for `rag eval diff`.")
@click.option("--report", type=_NEW_FILE, help="Write a page for a browser to this file.")
@click.option(
    "--fail-under",
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit with 5 where a measure is worse, e.g. spans.recall@5=0.9; repeatable.",
)
@_resamples
@_seed
@with_session
def run_command(
    session: Session,
    questions: Path,
    qrels: Path | None,
    mode: str,
    compare_modes: bool,
    answers: bool,
    k: int | None,
    engine: str | None,
    model: str | None,
    vllm_url: tuple[str, ...],
    parallel: int,
    snapshot: str | None,
    out: Path | None,
    report: Path | None,
    fail_under: tuple[str, ...],
    resamples: int,
    seed: int,
) -> None:
    """Search for every question, answer it with --answers, and say how well that went.

    Exit code 5 if a measure is worse than --fail-under asks for, 3 if questions could not be
    answered because of an error.

    \b
        rag eval questions.jsonl --compare-modes
        rag eval questions.jsonl --answers --out before.json --report before.html
        rag eval questions.jsonl --fail-under spans.recall@5=0.9 --json
    """
    from corpus.types import Mode
    from rag.commands.evaluating import measured, tell, write
    from rag.evaluation.gate import parse_gates
    from rag.evaluation.measuring import Way

    gates = parse_gates(fail_under)
    modes = [Mode(mode)]
    if compare_modes:
        modes += [other for other in Mode if other is not modes[0]]
    if answers and modes[0] is not Mode.HYBRID:
        raise click.UsageError("--answers are made from the hybrid search: leave out --mode")
    settings = session.settings(
        {
            "answer": {"k": k, "engine": engine},
            "generation": {"model": model},
            "vllm": {"urls": vllm_url or None},
        }
    )
    way = Way(
        modes=tuple(modes),
        answers=answers,
        engine=settings.answer.engine if answers else None,
        k=settings.answer.k,
        deadline_s=settings.vllm.deadline_s,
        parallel=parallel,
        snapshot=snapshot,
        resamples=resamples,
        seed=seed,
    )
    run = measured(session, settings, way, questions, qrels)
    write(session, run, out, report)
    tell(session, run)
    gates.check(run)
    if any(row.answered and row.answered.status == "failed" for row in run.results[0].rows):
        raise click.exceptions.Exit(3)


@command.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "words"]),
    help="Which results to compare; default: the first of each run.",
)
@_resamples
@_seed
@with_session
def diff_command(
    session: Session, before: Path, after: Path, mode: str | None, resamples: int, seed: int
) -> None:
    """What a change did: every measure before and after, and the questions that changed.

    Takes two files of `rag eval --out`. Runs over different questions are refused.

    \b
        rag eval diff before.json after.json
        rag eval diff before.json after.json --json
    """
    from dataclasses import asdict

    from corpus.types import Mode
    from rag.evaluation.differing import differ
    from rag.evaluation.runs import read_run
    from rag.evaluation.tables import comparison_table

    comparison = differ(
        read_run(before), read_run(after), Mode(mode) if mode else None, resamples, seed
    )
    session.console.result(comparison_table(comparison), asdict(comparison))


@command.command("make")
@click.option("--out", required=True, type=_NEW_FILE, help="The file to write.")
@click.option("-n", "count", default=100, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which ones.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@with_session
def make_command(session: Session, out: Path, count: int, seed: int, force: bool) -> None:
    """Make a first set of questions from your documents, without labels.

    Each asks for what one sentence says, in a few of its rare words; some are asked of a corpus
    without that document, so that there is no answer. docs/evaluation.md says what such
    a set can show. Look at it, mend it, and add what users really ask.

    \b
        rag eval make --out questions.jsonl
        rag eval make --out questions.jsonl -n 300 --seed 1
    """
    import json

    from rag.commands.opening import open_corpus
    from rag.commands.progress import progress_for
    from rag.evaluation.known_items import make_questions
    from rag.evaluation.runs import write_whole

    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; name another file, or --force")
    snapshot = open_corpus(session.settings(), embeds=False).live.get()
    with progress_for(session.console) as progress:
        progress.stage("reading", len(snapshot.documents))
        made = make_questions(snapshot, count, seed, progress.step)
    lines = (json.dumps(row, ensure_ascii=False) for row in made)
    write_whole(out, "".join(f"{line}\n" for line in lines).encode())
    kinds = Counter(row["kind"] for row in made)
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    value = {"out": str(out), "questions": len(made), "kinds": kinds, "snapshot": snapshot.id}
    session.console.result(f"{len(made)} questions in {printable(str(out))}: {told}", value)
    if len(made) < count:
        session.console.note(
            f"rag: {count} were asked for; the documents hold no more sentences that ask for "
            "something that stands nowhere else"
        )
