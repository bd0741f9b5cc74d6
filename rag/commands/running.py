"""What ``rag ingest`` and ``rag refresh`` share: carry out a run and tell what it came to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from corpus import ledger, memory
from corpus.encoders.documents import DocumentEncoder
from corpus.errors import SettingsError
from corpus.settings import Settings
from corpus.store import Store
from corpus.types import Status
from ingest.pipeline import Means, Options
from ingest.progress import Progress
from ingest.report import Report
from ingest.runner import Runner
from rag.commands.common import Session
from rag.commands.progress import progress_for
from rag.console import printable

_NAMED = 20  # files of one outcome that are named on the screen; the ledger has all


def options(settings: Settings, *, prune: bool, max_delete: str | None) -> Options:
    """The options of a run.

    :raises SettingsError: when ``max_delete`` is not a percentage.
    """
    if max_delete is None:
        return Options(prune, settings.ingest.max_delete_percent)
    try:
        percent = float(max_delete.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise SettingsError(f"--max-delete is {max_delete!r}; expected a share such as 25%")
    return Options(prune, percent)


def run(
    session: Session,
    settings: Settings,
    chosen: Options,
    *,
    paths: Sequence[Path] | None,
    dry_run: bool,
    report_to: Path | None,
    watched: bool = False,
) -> None:
    """Carry out a run over these paths, or over all roots, and end with its exit code.

    :param watched: a service wants to know how far it is.
    """
    if report_to is not None:
        _check_writable(report_to)
    with memory.errors(), progress_for(session.console, watched=watched) as progress:
        runner = _runner(settings, progress)
        if dry_run:
            report = runner.preview(paths, chosen)
        elif paths is None:
            report = runner.refresh(chosen)
        else:
            report = runner.ingest(paths, chosen)
    if report_to is not None:
        lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in report.sources)
        report_to.write_text("".join(lines), encoding="utf-8")
    for run in report.crashed:
        session.console.note(f"an earlier run was killed and is taken up where it was: {run}")
    session.console.result(told(report), report.to_json())
    sys.exit(3 if report.failed else 0)


def _runner(settings: Settings, progress: Progress) -> Runner:
    encoder = DocumentEncoder(settings.embedding)
    return Runner(Means(Store(settings.store), settings, encoder, progress))


def _check_writable(path: Path) -> None:
    """Find out before the run, and not after an hour."""
    try:
        path.touch()
    except OSError as error:
        raise SettingsError(f"--report {path} cannot be written: {error.strerror}") from error


def remove_root(session: Session, path: Path) -> None:
    """Take a root out of the corpus and tell what went with it."""
    settings = session.settings()
    with progress_for(session.console) as progress:
        report = _runner(settings, progress).remove_root(path)
    session.console.result(told(report), report.to_json())


def told(report: Report) -> str:
    """What a person wants to know: the counts, what failed by name, what was left out and why."""
    documents = f"{report.documents} documents in {report.chunks} chunks"
    if report.dry_run:
        lines = _planned(report)
    else:
        lines = [
            f"{report.summary() or 'nothing to do'} in {report.seconds:.1f} s "
            f"({report.embedded_chunks} chunks embedded, {report.reused_chunks} reused)",
            f"snapshot {report.snapshot}: {documents}",
        ]
        lines += _listed("failed", [(one.path, one.reason) for one in report.failed])
    lines += _listed("remarks", [(one.path, one.reason) for one in report.remarks])
    lines += _listed("skipped", _named(report, Status.SKIPPED))
    lines += _listed("empty", _named(report, Status.EMPTY))
    return "\n".join(lines)


def _planned(report: Report) -> list[str]:
    """What a run would do, by name, and how long it may take."""
    lines = [f"would do: {report.summary() or 'nothing'}; nothing was changed"]
    if (estimate := report.estimate) is not None and estimate.read_bytes:
        lines.append(
            f"estimated time: {_duration(estimate.seconds)} for {estimate.read_bytes / 1e6:.1f} MB "
            f"to read and {estimate.embedded_chunks} chunks to embed at most ({estimate.basis})"
        )
    if (plan := report.plan) is not None:
        renamed = [f"{one.before} -> {one.now}" for one in plan.renamed]
        lines += _paths("added", plan.added) + _paths("changed", plan.changed)
        lines += _paths("renamed", renamed) + _paths("removed", plan.removed)
        lines += _paths("unchanged", plan.unchanged)
        unreadable = [f"{one.path}: {one.reason}" for one in plan.unreadable]
        lines += _paths("unreadable", unreadable)
    return lines


def _paths(title: str, found: Sequence[str]) -> list[str]:
    if not found:
        return []
    lines = [f"{title} ({len(found)}):", *(f"  {printable(one)}" for one in found[:_NAMED])]
    if len(found) > _NAMED:
        lines.append(f"  and {len(found) - _NAMED} more; --json has all")
    return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _named(report: Report, status: Status) -> list[tuple[str, str]]:
    rows = ledger.ordered(row for row in report.rows if row.status is status)
    return [(row.path, row.reason) for row in rows]


def _listed(title: str, found: list[tuple[str, str]]) -> list[str]:
    if not found:
        return []
    lines = [f"{title}:"]
    lines += [f"  {printable(path)}: {printable(why)}" for path, why in found[:_NAMED]]
    if len(found) > _NAMED:
        lines.append(f"  and {len(found) - _NAMED} more; `rag documents --status {title}` has all")
    return lines
