"""``rag refresh``: bring the corpus in step with its roots."""

from __future__ import annotations

import subprocess
import sys
import threading

import click

from rag.commands.common import Session, with_session


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--every", metavar="INTERVAL", help="Go on refreshing at this interval, e.g. 15m.")
@click.option("--cron", metavar="EXPRESSION", help="Go on refreshing when due, e.g. '0 * * * *'.")
@click.option("--timezone", metavar="NAME", help="Time zone of --cron; default: the machine's.")
@click.option("--max-delete", metavar="PERCENT", help="Allow this share to be removed, e.g. 50%.")
@with_session
def command(
    session: Session,
    dry_run: bool,
    every: str | None,
    cron: str | None,
    timezone: str | None,
    max_delete: str | None,
) -> None:
    """Bring the corpus in step with its roots, once or on a schedule.

    Whatever answers questions goes on doing so, and turns to the new snapshot by itself.

    \b
        rag refresh
        rag refresh --every 15m
        rag refresh --cron '30 6 * * 1-5' --timezone Europe/Berlin
    """
    from rag.commands import running

    if every and cron:
        raise click.UsageError("--every and --cron exclude each other")
    if dry_run and (every or cron):
        raise click.UsageError("--dry-run is for a single run; leave out --every and --cron")
    settings = session.settings({"serve": {"timezone": timezone}})
    options = running.options(settings, prune=True, max_delete=max_delete)
    if every or cron:
        _keep_schedule(session, every, cron, settings.serve.timezone, max_delete)
    else:
        running.run(session, settings, options, paths=None, dry_run=dry_run, report_to=None)


def _keep_schedule(
    session: Session, every: str | None, cron: str | None, zone: str, max_delete: str | None
) -> None:
    """Refresh in a process of its own each time: memory is given back, a crash ends one run."""
    from corpus.runs import RunLog
    from ingest import schedule

    due = schedule.parse_interval(every) if every else schedule.parse_cron(cron or "", zone)
    store = session.store().path
    arguments = [sys.executable, "-m", "rag", "refresh", "--store", str(store)]
    arguments += ["--max-delete", max_delete] if max_delete else []
    arguments += ["--json"] if session.console.as_json else []
    log = RunLog(store)
    schedule.keep(
        due,
        job=lambda: _run_once([*arguments, "--quiet"]),
        announce=lambda moment: log.announce(moment, every or cron or ""),
        stopping=threading.Event(),
    )


def _run_once(arguments: list[str]) -> None:
    """A run that fails says why, is on record, and does not end the schedule."""
    subprocess.run(arguments, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  # our own
