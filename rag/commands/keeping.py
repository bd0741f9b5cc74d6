"""``rag refresh --every`` and ``--cron``: refreshes when due, each in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import threading
import time
from datetime import datetime, timedelta

import click

from corpus.runs import RunLog
from corpus.settings import Settings
from ingest import schedule
from rag.commands.common import Session
from rag.jobs import HINT, refresh_command


def keep_schedule(
    session: Session,
    settings: Settings,
    every: str | None,
    cron: str | None,
    max_delete: str | None,
) -> None:
    """Refresh in a process of its own each time: memory is given back, a crash ends one run."""
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
