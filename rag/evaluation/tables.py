"""A run, and the difference of two, as text for a terminal of 100 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rag.console import printable, table
from rag.evaluation.bootstrap import Difference, Estimate
from rag.evaluation.differing import Changed, Comparison
from rag.evaluation.measures import AURC
from rag.evaluation.runs import Run

_CHANGED = 10  # questions of each direction that are listed
_QUESTION = 60  # characters of a question that are shown


def run_table(run: Run) -> str:
    """The measures of a run, each with its interval, a column a mode."""
    head = ("", "questions", *(one.mode.value for one in run.results))
    names = list(dict.fromkeys(name for one in run.results for name in one.metrics))
    rows = []
    for name in names:
        found = [one.metrics.get(name) for one in run.results]
        count = next(one.questions for one in found if one)
        rows.append((name, str(count), *(estimate_text(one) if one else "" for one in found)))
    if AURC in names:
        rows.append(("(lower is better)", *("" for _ in head[1:])))
    return "\n".join([*_about(run), "", table([head, *rows]), *_notes(run)])


def comparison_table(comparison: Comparison) -> str:
    """What changed: the measures, then the questions that changed most."""
    head = ("", "before", "after", "difference", "95 % interval", "")
    rows = [_difference(name, one) for name, one in comparison.metrics.items()]
    lines = [f"{comparison.before} before, {comparison.after} after", ""]
    lines += [table([head, *rows]), "* the interval leaves out zero", ""]
    if comparison.settings:
        told = [
            (printable(name), printable(str(old)), printable(str(new)))
            for name, (old, new) in comparison.settings.items()
        ]
        lines += [table([("set otherwise", "before", "after"), *told]), ""]
    for direction in ("better", "worse", "mixed"):
        lines += _changed(direction, comparison.of(direction))
    return "\n".join(lines)


def estimate_text(one: Estimate) -> str:
    """A measure with its interval."""
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _about(run: Run) -> Iterator[str]:
    about = run.about
    counts = [
        f"{number} {what}"
        for number, what in (
            (about.answerable, "answerable"),
            (about.unanswerable, "not answerable"),
            (about.unknown, "for retrieval only"),
        )
        if number
    ]
    yield f"{printable(about.questions)}: {about.total} questions ({', '.join(counts)})"
    engine = f", answered by {printable(about.engine)}" if about.engine else ""
    yield f"snapshot {about.snapshot[:12]}{engine}, in {about.seconds:.1f} s"


def _notes(run: Run) -> Iterator[str]:
    """What the figures leave out."""
    reasons = Counter(one.reason for one in run.lost)
    for reason, count in reasons.items():
        yield f"gold that is left out ({count}): {reason}"
    answered = [row.answered for row in run.results[0].rows if row.answered is not None]
    if failed := sum(one.status == "failed" for one in answered):
        yield f"{failed} questions could not be answered because of an error, and count as wrong"
    if degraded := sum(bool(one.degraded) for one in answered):
        yield f"{degraded} answers are by another engine than the one that was asked for"


def _difference(name: str, one: Difference) -> tuple[str, ...]:
    return (
        name,
        f"{one.before:.3f}",
        f"{one.after:.3f}",
        f"{one.difference:+.3f}",
        f"[{one.low:+.3f}, {one.high:+.3f}]",
        "*" if one.is_clear else "",
    )


def _changed(direction: str, found: Sequence[Changed]) -> Iterator[str]:
    yield f"{direction}: {len(found)}"
    for one in found[:_CHANGED]:
        ranks = f"rank {one.rank_before or '-'} -> {one.rank_after or '-'}"
        question = printable(one.question)[:_QUESTION]
        yield f"  {printable(one.id)[:24]}  {ranks}  {question}"
    if more := len(found[_CHANGED:]):
        yield f"  and {more} more (--json has them all)"
