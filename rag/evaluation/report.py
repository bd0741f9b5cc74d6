"""A run as one page for a browser: figures, drawings, and every question.

One file, which loads nothing and runs nothing: its content security policy forbids both.
Documents, questions and answers are untrusted, so every text is escaped, and characters that
would turn or hide others are written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from rag.console import harmless
from rag.evaluation import plots
from rag.evaluation.answering import Answered
from rag.evaluation.runs import Found, Result, Row, Run
from rag.evaluation.tables import estimate_text

MAX_ROWS = 2000
"""Questions that are listed; a run file holds all."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--rail:#e7e9ee;--bar:#4a7bd0;--good:#1a7f4b;
--bad:#b3362b;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3af;--rail:#2d323a;--bar:#6c9cf0;
--good:#59c08a;--bad:#f08a80;--paper:#16191d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;
max-width:76rem;padding:0 1rem}
h2{margin-top:2.5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.45rem .7rem;border-bottom:1px solid var(--rail)}
td{overflow-wrap:anywhere;min-width:9rem}q{quotes:none;font-style:italic}small{color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}svg{max-width:100%;height:auto}
svg text{font:13px system-ui,sans-serif;fill:var(--ink)}.rail{fill:var(--rail)}.bar{fill:var(--bar)}
.line{stroke:var(--ink);fill:none}.curve{stroke:var(--bar);stroke-width:2.5;fill:none}
"""

_PAGE = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width"><title>{title}</title>'
    "<style>{style}</style></head>\n<body>\n{body}\n</body></html>\n"
)


def page(run: Run) -> str:
    """The page."""
    parts = [*_head(run)]
    for result in run.results:
        parts += _result(result)
    parts += _lost(run)
    parts += _questions(run.results[0])
    title = Markup("Evaluation of {}").format(_text(run.about.questions))
    body = Markup("\n").join(parts)
    return str(_PAGE.format(title=title, style=Markup(_STYLE), body=body))  # noqa: S704  # a constant


def _text(text: str) -> Markup:
    """A text from outside, escaped, with nothing in it that turns or hides others."""
    return escape(harmless(text))


def _head(run: Run) -> Iterator[Markup]:
    about = run.about
    yield Markup("<h1>{}</h1>").format(_text(about.questions))
    told = {
        "questions": f"{about.total}: {about.answerable} answerable, {about.unanswerable} not, "
        f"{about.unknown} for retrieval only (sha256 {about.questions_sha256[:16]})",
        "snapshot": f"{about.snapshot}, published {about.snapshot_created}",
        "vectors": about.fingerprint,
        "answered by": about.engine or "nothing: retrieval only",
        "measured": f"{about.made}, in {about.seconds:.1f} s; intervals: 95 % of {about.resamples} "
        f"resamples, seed {about.seed}",
    }
    rows = (Markup("<tr><th>{}</th><td>{}</td></tr>").format(k, _text(v)) for k, v in told.items())
    yield Markup("<table>{}</table>").format(Markup("").join(rows))


def _result(result: Result) -> Iterator[Markup]:
    yield Markup("<h2>{}</h2>").format(result.mode.value)
    yield plots.bars(result.metrics)
    rows = (
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            name, one.questions, estimate_text(one)
        )
        for name, one in result.metrics.items()
    )
    head = Markup("<tr><th>measure</th><th>questions</th><th>value and interval</th></tr>")
    yield Markup("<details><summary>as a table</summary><table>{}{}</table></details>").format(
        head, Markup("").join(rows)
    )
    if ranks := [row.rank for row in result.rows if row.gold]:
        yield Markup("<h3>Rank of the first good hit</h3>{}").format(plots.histogram(ranks))
    if result.curve:
        yield Markup("<h3>Risk and coverage</h3>{}").format(plots.risk(result.curve))


def _lost(run: Run) -> Iterator[Markup]:
    if not run.lost:
        return
    yield Markup("<h2>Gold that the snapshot does not hold</h2>")
    rows = (
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td><q>{}</q></td></tr>").format(
            *map(_text, (one.question, one.reason, one.document, one.quote))
        )
        for one in run.lost[:MAX_ROWS]
    )
    yield Markup("<table>{}</table>").format(Markup("").join(rows))


def _questions(result: Result) -> Iterator[Markup]:
    """Every question, the worst first."""
    rows = sorted(result.rows, key=_goodness)[:MAX_ROWS]
    yield Markup("<h2>Questions</h2><p>The worst first. {} of {} are shown.</p>").format(
        len(rows), len(result.rows)
    )
    head = "<tr><th>question</th><th>gold</th><th>found</th><th>answer</th></tr>"
    body = Markup("\n").join(_question(row) for row in rows)
    yield Markup("<table>{}{}</table>").format(Markup(head), body)  # noqa: S704  # a constant


def _goodness(row: Row) -> tuple[float, float]:
    right = 1.0 if row.answered is None else float(row.answered.right)
    return right, row.values.get("spans.mrr", row.values.get("documents.mrr", 1.0))


def _question(row: Row) -> Markup:
    cells = (_asked(row), _gold(row), _hits(row), _answer(row.answered))
    return Markup("<tr>{}</tr>").format(
        Markup("").join(Markup('<td dir="auto">{}</td>').format(cell) for cell in cells)
    )


def _asked(row: Row) -> Markup:
    kind = {True: "answerable", False: "not answerable", None: "retrieval only"}[row.answerable]
    masked = Markup("; without {}").format(_text(row.masked)) if row.masked else ""
    return Markup("{}<br><small>{}, {}{}</small>").format(
        _text(row.question), _text(row.id), kind, masked
    )


def _gold(row: Row) -> Markup:
    answers = Markup("<br>").join(Markup("<b>{}</b>").format(_text(one)) for one in row.answers)
    quotes = (
        Markup("<br><q>{}</q> <small>{}:{}-{}</small>").format(
            _text(one.quote), _text(one.document), one.start, one.end
        )
        for one in row.gold
    )
    return answers + Markup("").join(quotes)


def _hits(row: Row) -> Markup:
    """At which rank gold was found, and the hits, folded away but for the good one."""
    if row.gold:
        place = f"rank {row.rank}" if row.rank else "not found"
        head = Markup('<b class="{}">{}</b>').format("good" if row.rank else "bad", place)
    else:
        head = Markup("")
    good = Markup("").join(_hit(one) for one in row.found if one.rank == row.rank)
    others = Markup("").join(_hit(one) for one in row.found if one.rank != row.rank)
    fold = Markup("<details><summary>{} hits</summary>{}</details>")
    return head + good + (fold.format("other" if row.rank else "the", others) if others else "")


def _hit(one: Found) -> Markup:
    return Markup('<div class="{}">{}. <small>{}:{}-{}</small> {}</div>').format(
        "good" if one.good else "",
        one.rank,
        _text(one.document),
        one.start,
        one.end,
        _text(one.text),
    )


def _answer(answered: Answered | None) -> Markup:
    if answered is None:
        return Markup("")
    verdict = Markup('<b class="{}">{}</b>').format(
        *(("good", "right") if answered.right else ("bad", "wrong"))
    )
    quotes: Sequence[Markup] = [
        Markup("<br><small>{}:{}-{}, {}{}</small>").format(
            _text(one.document), one.start, one.end, one.verdict, "" if one.exact else ", NOT EXACT"
        )
        for one in answered.citations
    ]
    return Markup("{}, {}, confidence {:.2f}<br>{}{}").format(
        verdict,
        answered.status,
        answered.confidence,
        _text(answered.text),
        Markup("").join(quotes),
    )
