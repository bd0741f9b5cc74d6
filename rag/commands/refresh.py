"""``rag refresh``: bring the corpus in step with its roots."""

from __future__ import annotations

import click

from rag.commands.common import Session, with_session


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--every", metavar="INTERVAL", help="Go on refreshing at this interval, e.g. 15m.")
@click.option("--cron", metavar="EXPRESSION", help="Go on refreshing when due, e.g. '0 * * * *'.")
@click.option("--timezone", metavar="NAME", help="Time zone of --cron; default: the machine's.")
@click.option("--max-delete", metavar="PERCENT", help="Allow this share to be removed, e.g. 50%.")
@click.option("--bounded", is_flag=True, hidden=True, help="Keep to schedule.memory_mb.")
@click.option("--watched", is_flag=True, hidden=True, help="Tell a service how far it is.")
@with_session
def command(
    session: Session,
    dry_run: bool,
    every: str | None,
    cron: str | None,
    timezone: str | None,
    max_delete: str | None,
    bounded: bool,
    watched: bool,
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
        from rag.commands.keeping import keep_schedule

        keep_schedule(session, settings, every, cron, max_delete)
    else:
        if bounded:
            memory.bound(settings.schedule.memory_mb)
        running.run(
            session,
            settings,
            options,
            paths=None,
            dry_run=dry_run,
            report_to=None,
            watched=watched,
        )
