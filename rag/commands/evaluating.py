"""What ``rag eval`` does around a measurement: open, measure, write, tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpus.settings import Settings, plain
from corpus.types import Mode
from rag.commands.common import Session
from rag.commands.progress import progress_for
from rag.console import printable
from rag.evaluation.measuring import Evaluation, Way
from rag.evaluation.qrels import read_qrels
from rag.evaluation.questions import read_questions
from rag.evaluation.report import page
from rag.evaluation.runs import Run, to_json, write_run, write_whole
from rag.evaluation.tables import run_table

_LOST_TOLD = 10


def measured(
    session: Session, settings: Settings, way: Way, questions: Path, qrels: Path | None
) -> Run:
    """Read the files and measure, telling how far it has come.

    :raises BadEvaluationFile: when a file is not as expected.
    """
    from rag.commands.opening import open_corpus

    read = read_questions(questions, settings.serve.max_question_chars)
    judged = read_qrels(qrels) if qrels else None
    embeds = any(mode is not Mode.WORDS for mode in way.modes)
    steps = len(read.items) * len(way.modes)
    if way.answers:
        steps += sum(item.answerable is not None for item in read.items)
    with (
        open_corpus(settings, embeds=embeds) as opened,
        progress_for(session.console) as progress,
    ):
        if way.answers:
            opened.connect()
        progress.stage("asking" if way.answers else "searching", steps)
        evaluation = Evaluation(opened.answerer, opened.live, way, _that_matter(settings, way))
        return evaluation.run(read, judged, progress.step)


def _that_matter(settings: Settings, way: Way) -> dict[str, Any]:
    """The settings that decide what is found and said; no address and no secret is among them."""
    found = {
        "retrieval": plain(settings.retrieval),
        "embedding": plain(settings.embedding),
    }
    if way.answers:
        found["answer"] = plain(settings.answer)
        found["generation"] = plain(settings.generation)
    return found


def write(session: Session, run: Run, out: Path | None, report: Path | None) -> None:
    """Write the run and its report where they are wanted."""
    if out is not None:
        write_run(run, out)
        session.console.note(f"rag: the run is in {printable(str(out))}")
    if report is not None:
        write_whole(report, page(run).encode())
        session.console.note(f"rag: the report is in {printable(str(report))}")


def tell(session: Session, run: Run) -> None:
    """Print the run, and by the way what it leaves out."""
    for one in run.lost[:_LOST_TOLD]:
        quote = f": {printable(one.quote)[:60]!r}" if one.quote else ""
        session.console.note(
            f"rag: {printable(one.question)}: {one.reason} ({printable(one.document)}){quote}"
        )
    if more := len(run.lost[_LOST_TOLD:]):
        session.console.note(f"rag: and {more} more pieces of gold that are not there")
    session.console.result(run_table(run), to_json(run))
