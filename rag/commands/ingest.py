"""``rag ingest``: take in folders."""

from __future__ import annotations

from pathlib import Path

import click

from rag.commands.common import Session, with_session


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--include", multiple=True, metavar="GLOB", help="Take in only matching files.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out matching files.")
@click.option("--no-prune", is_flag=True, help="Keep documents whose files are gone.")
@click.option("--max-delete", metavar="PERCENT", help="Allow this share to be removed, e.g. 50%.")
@click.option("--report", type=click.Path(path_type=Path), help="Write every file's outcome here.")
@with_session
def command(
    session: Session,
    paths: tuple[Path, ...],
    dry_run: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    no_prune: bool,
    max_delete: str | None,
    report: Path | None,
) -> None:
    """Take in folders of documents, and keep them as roots.

    A folder that was taken in before is brought up to date: what is new or changed is
    embedded, what was renamed is not, what is gone leaves the corpus.

    \b
        rag ingest ~/handbook
        rag ingest ~/wiki --exclude 'drafts/' --dry-run
    """
    from rag.commands import running

    patterns = {"include": include or None, "exclude": exclude or None}
    settings = session.settings({"ingest": patterns})
    options = running.options(settings, prune=not no_prune, max_delete=max_delete)
    running.run(session, settings, options, paths=paths, dry_run=dry_run, report_to=report)
