"""``rag models``: which models the settings name, what may be done with them, and the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag.commands.common import Session, with_session
from rag.console import Console, printable, table

if TYPE_CHECKING:
    from rag.models.inventory import Entry
    from rag.models.rights import Ancestor

_MB = 1_000_000
_HEAD = ("role", "name", "revision", "dtype", "context", "licence", "commercial use", "lock")

_lock_option = click.option(
    "--lock",
    "lock_path",
    type=click.Path(path_type=Path),
    default=Path("rag.lock"),
    show_default=True,
    help="The lock file.",
)
_model_option = click.option(
    "--model", help="The generative model, instead of the setting's generation.model."
)


@click.group()
def command() -> None:
    """The models that are used: licence, lineage, and whether they are the locked ones.

    \b
        rag models list
        rag models lock
        rag models verify
    """


@command.command(name="list")
@_lock_option
@_model_option
@with_session
def list_models(session: Session, lock_path: Path, model: str | None) -> None:
    """Every model that the settings name, its licence and what it was made from.

    Reads this machine only. A model that is not here is listed as absent, with what to do.
    """
    from rag.models.inventory import model_json

    entries = _inventory(session, model)
    states = _states(session.console, entries, lock_path)
    listed = [{**model_json(entry), "lock": state} for entry, state in states]
    session.console.result(_told(states), {"lock": str(lock_path), "models": listed})


@command.command()
@_lock_option
@_model_option
@with_session
def lock(session: Session, lock_path: Path, model: str | None) -> None:
    """Write down which files the models consist of, by their hashes.

    Exit code 1, and nothing is written, when a model is absent or incomplete.
    """
    from rag.models.lock import write_lock

    entries = _inventory(session, model)
    with _hashing(session.console, entries) as tell:
        files = write_lock(lock_path, entries, tell)
    size = _bytes(entries)
    for entry in entries:
        _note_warnings(session.console, entry)
    session.console.result(
        f"{lock_path}: models {len(entries)}, files {files}, {size / _MB:.1f} MB",
        {"lock": str(lock_path), "models": len(entries), "files": files, "bytes": size},
    )


@command.command()
@_lock_option
@_model_option
@click.option("--quick", is_flag=True, help="Of files above 64 MB compare the size only.")
@with_session
def verify(session: Session, lock_path: Path, model: str | None, quick: bool) -> None:
    """Compare the models of this machine with the lock. Exit code 1 when one differs."""
    from rag.models.lock import read_lock
    from rag.models.verify import compare

    locked = read_lock(lock_path)
    entries = _inventory(session, model)
    with _hashing(session.console, entries) as tell:
        differences = compare(entries, locked, tell, quick=quick)
    told = "\n".join(map(printable, differences)) or f"{lock_path}: all models are as locked"
    session.console.result(told, {"lock": str(lock_path), "differences": differences})
    if differences:
        raise click.exceptions.Exit(1)


def _inventory(session: Session, model: str | None) -> tuple[Entry, ...]:
    from rag.models.inventory import inventory

    settings = session.settings({"generation": {"model": model}})
    if settings.vllm.urls and not settings.generation.model:
        session.console.note(
            "what the servers at vllm.urls serve is not known here; set generation.model to it"
        )
    return inventory(settings)


def _states(console: Console, entries: Sequence[Entry], lock_path: Path) -> list[tuple[Entry, str]]:
    """Each model, and how it stands to the lock by a quick comparison."""
    from corpus.errors import ModelUnusable
    from rag.models.lock import key_of, read_lock
    from rag.models.verify import differs

    try:
        locked = read_lock(lock_path) if lock_path.exists() else None
    except ModelUnusable as error:
        console.note(str(error))
        locked = None
    if locked is None:
        return [(entry, "no lock") for entry in entries]
    found = []
    for entry in entries:
        recorded = locked.get(key_of(entry))
        if recorded is None:
            found.append((entry, "not locked"))
        else:
            changed = differs(entry, recorded, quick=True)
            found.append((entry, "differs" if changed else "locked"))
    return found


def _told(states: Sequence[tuple[Entry, str]]) -> str:
    rows = [_HEAD, *(_row(entry, state) for entry, state in states)]
    return "\n\n".join([table(rows), *(_notes(entry) for entry, _ in states)])


def _row(entry: Entry, state: str) -> tuple[str, ...]:
    use, shape, rights = entry.use, entry.shape, entry.rights
    revision = entry.found.revision or entry.found.source.value if entry.found else "absent"
    cells = (
        use.role.value,
        use.name,
        revision[:12] if len(revision) == 40 else revision,  # a commit
        shape.dtype or "-",
        str(shape.context or "-"),
        (rights.licence.id if rights else "") or "-",
        rights.commercial.value if rights else "unknown",
        state,
    )
    return tuple(map(printable, cells))


def _notes(entry: Entry) -> str:
    """What does not fit into the table: problem, origin, lineage, conditions, warnings."""
    lines = [f"problem: {entry.problem}"] if entry.problem else []
    if entry.found and entry.found.origin not in ("", entry.use.model):
        lines.append(f"is {entry.found.origin}")
    if rights := entry.rights:
        by = f", {rights.stated_by.value}" if rights.stated_by else ""
        lines.append(f"licence: {rights.licence.name}{by}")
        lines += [_descent(one) for one in rights.lineage]
        lines += [f"terms: {condition}" for condition in rights.conditions]
    lines += [f"note: {warning}" for warning in entry.warnings]
    return "\n".join([printable(entry.label), *(f"  {printable(line)}" for line in lines)])


def _descent(one: Ancestor) -> str:
    relation = f" ({one.relation})" if one.relation else ""
    by = f", {one.stated_by.value}" if one.stated_by else ""
    return f"{one.of} was made from {one.model}{relation}: {one.licence.name}{by}"


def _note_warnings(console: Console, entry: Entry) -> None:
    for warning in entry.warnings:
        console.note(printable(f"{entry.label}: {warning}"))


def _bytes(entries: Sequence[Entry]) -> int:
    paths = (entry.path(name) for entry in entries for name in entry.contents.matter)
    return sum(path.stat().st_size for path in paths if path.is_file())


@contextmanager
def _hashing(console: Console, entries: Sequence[Entry]) -> Iterator[Callable[[int], None]]:
    """Shows how far the hashing is; yields what is to be told the bytes of each block."""
    from rag.commands.progress import progress_for

    rest = 0
    with progress_for(console) as progress:
        progress.stage("hashing, MB", _bytes(entries) // _MB)

        def tell(count: int) -> None:
            nonlocal rest
            steps, rest = divmod(rest + count, _MB)
            if steps:
                progress.step("", steps)

        yield tell
