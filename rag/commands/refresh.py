"""``rag refresh``: bring the corpus in step with its roots."""

from __future__ import annotations

import platform
import subprocess
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from rag.commands.common import Session, with_session
from rag.jobs import HINT, refresh_command

if TYPE_CHECKING:
    from corpus.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--every", metavar="INTERVAL", help="Go on refreshing at this interval, e.g. 15m.")
@click.option("--cron", metavar="EXPRESSION", help="Go on refreshing when due, e.g. '0 * * * *'.")
@click.option("--timezone", metavar="NAME", help="Time zone of --cron; default: the machine's.")
@click.option("--max-delete", metavar="PERCENT", help="Allow this share to be removed, e.g. 50%.")
@click.option("--bounded", is_flag=True, hidden=True, help="Keep to schedule.memory_mb.")
@with_session
def command(
    session: Session,
    dry_run: bool,
    every: str | None,
    cron: str | None,
    timezone: str | None,
    max_delete: str | None,
    bounded: bool,
) -> None:
    """Bring the corpus in step with its roots, once or on a schedule.

    Whatever answers questions goes on doing so, and turns to the new snapshot by itself.

    \b
        rag refresh
        rag refresh --every 15m
        rag refresh --cron '30 6 * * 1-5' --timezone Europe/Berlin
    """
    from corpus import memory
    from rag.commands import running

    if every and cron:
        raise click.UsageError("--every and --cron exclude each other")
    if dry_run and (every or cron):
        raise click.UsageError("--dry-run is for a single run; leave out --every and --cron")
    settings = session.settings({"serve": {"timezone": timezone}})
    options = running.options(settings, prune=True, max_delete=max_delete)
    if every or cron:
        _keep_schedule(session, settings, every, cron, max_delete)
    else:
        if bounded:
            memory.bound(settings.schedule.memory_mb)
        running.run(session, settings, options, paths=None, dry_run=dry_run, report_to=None)


def _keep_schedule(
    session: Session,
    settings: Settings,
    every: str | None,
    cron: str | None,
    max_delete: str | None,
) -> None:
    """Refresh in a process of its own each time: memory is given back, a crash ends one run."""
    from corpus.runs import RunLog
    from ingest import schedule

    zone = settings.serve.timezone
    due = schedule.parse_interval(every) if every else schedule.parse_cron(cron or "", zone)
    store = session.store().path
    arguments = [*refresh_command(store), *(["--max-delete", max_delete] if max_delete else [])]
    if not session.console.as_json:
        arguments.remove("--json")
    log = RunLog(store)
    schedule.keep(
        schedule.spread(due, settings.schedule.jitter, f"{platform.node()} {store.resolve()}"),
        job=lambda: _run_once(arguments),
        announce=lambda moment: log.announce(moment, every or cron or ""),
        stopping=threading.Event(),
        has_run=lambda since: is_between(since, log.began_last(), schedule.SET_BACK),
    )


def is_between(since: datetime, began: float, ahead: timedelta) -> bool:
    """Whether a run that began then is one since; one that seems far ahead is no run at all."""
    return since.timestamp() <= began <= time.time() + ahead.total_seconds()


def _run_once(arguments: list[str]) -> None:
    """A run that fails says why, is on record, and does not end the schedule."""
    ended = subprocess.run(arguments, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  # our own
    if ended.returncode < 0:
        why = f"the refresh was ended by signal {-ended.returncode}; {HINT}"
        click.echo(f"rag: {why}", err=True)
