"""``rag snapshots``: list, verify, go back, tag, collect."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table

if TYPE_CHECKING:
    from corpus.store import SnapshotSummary, Store


@click.group()
def command() -> None:
    """List, verify, tag or remove snapshots, or go back to one.

    Wherever an ID is taken, a tag will do, and so will the first 8 characters of the id.

    \b
        rag snapshots list
        rag snapshots verify --repair
        rag snapshots rollback
        rag snapshots tag before-the-move
        rag snapshots gc --keep 3 --dry-run
    """


@command.command(name="list")
@with_session
def list_snapshots(session: Session) -> None:
    """Every snapshot, newest first; the one that answers is marked."""
    from corpus.errors import TagsDamaged

    store = session.store()
    found = store.snapshots()
    told = table([_line(one) for one in found]) if found else ""
    try:
        gone = {tag: name for tag, name in store.tags().items() if name not in store.ids()}
    except TagsDamaged as error:
        gone = {}
        session.console.note(f"rag: {error}")
    for tag, name in gone.items():
        told += f"\nthe tag {tag} is of snapshot {name}, which is gone"
    session.console.result(
        told.strip("\n") or "no snapshot yet; run `rag ingest FOLDER`",
        {"snapshots": [asdict(one) for one in found]},
    )


def _line(one: SnapshotSummary) -> tuple[str, ...]:
    holds = f"{one.created}  {one.documents} documents, {one.chunks} chunks"
    return ("*" if one.current else " ", one.id, one.damage or holds, ", ".join(one.tags))


@command.command()
@click.argument("snapshots", nargs=-1, metavar="[ID]...")
@click.option("--repair", is_flag=True, help="Put aside what is damaged; let a sound one answer.")
@with_session
def verify(session: Session, snapshots: tuple[str, ...], repair: bool) -> None:
    """Check every file of every snapshot, or of those that are named, against its manifest.

    Exit code 1 if one is damaged. With --repair the damaged ones are moved to quarantine/ in
    the store, and the newest sound one answers; the exit code is 1 if there is none.
    """
    store = session.store()
    if repair and snapshots:
        raise click.UsageError("--repair looks at every snapshot; leave out the ids")
    state = _repaired(store) if repair else _verified(store, snapshots)
    session.console.result(_verdicts(state), state)
    if any(state["damage"].values()) or state["problem"]:
        raise click.exceptions.Exit(1)


def _verified(store: Store, names: tuple[str, ...]) -> dict[str, Any]:
    """What is wrong with which snapshot, and with the files that say which they are."""
    from corpus.errors import CorpusError
    from corpus.recovery import pointed_at
    from corpus.verifying import Verifier, told

    verifier = Verifier(store.path)
    chosen = [store.resolve(name) for name in names] or [one.id for one in store.snapshots()]
    damage, files = {}, {}
    for snapshot_id in chosen:
        try:
            found = verifier.damage(snapshot_id)
            damage[snapshot_id] = told(snapshot_id, found) if found else ""
            files[snapshot_id] = [asdict(one) for one in found]
            if not found:
                store.open(snapshot_id)
        except CorpusError as error:
            damage[snapshot_id] = str(error)
    _, problem = pointed_at(store)
    try:
        store.tags()
    except CorpusError as error:
        problem = "; ".join(filter(None, (problem, str(error))))
    return {"damage": damage, "files": files, "problem": problem, "quarantined": []}


def _repaired(store: Store) -> dict[str, Any]:
    from corpus import recovery

    if not store.path.is_dir():  # a mistyped name must not make a store
        return _verified(store, ())
    with store.writing(recovers=False):
        done = recovery.repair(store)
        state = _verified(store, ())
    state["quarantined"] = list(done.put_aside)
    if done.put_aside and done.current is None:
        state["problem"] = "no snapshot is left; run `rag ingest FOLDER` on your folders again"
    return {**state, "snapshot": done.current}


def _verdicts(state: dict[str, Any]) -> str:
    lines = []
    for name, what in state["damage"].items():
        lines.append(f"{name}: {printable(what) or 'sound'}")
        lines += [
            f"  {printable(one['path'])} {one['found']}" for one in state["files"].get(name, ())
        ]
    lines += [f"moved to quarantine/: {place}" for place in state["quarantined"]]
    if state.get("snapshot"):
        lines.append(f"snapshot {state['snapshot']} answers")
    if state.get("snapshot") and state["quarantined"]:
        lines.append("`rag refresh` brings the corpus in step with its folders again")
    if state["problem"]:
        lines.append(printable(state["problem"]))
    return "\n".join(lines) or "no snapshot yet"


@command.command()
@click.argument("snapshot", required=False, metavar="[ID]")
@with_session
def rollback(session: Session, snapshot: str | None) -> None:
    """Let an earlier snapshot answer; without ID, the one before the current.

    The next refresh brings the corpus in step with its roots again.
    """
    store = session.store()
    target = _before(store) if snapshot is None else snapshot
    if target is None:
        raise click.UsageError("the current snapshot has none before it")
    target = store.resolve(target)  # a mistyped id must not make a store
    with _changing(session):
        store.activate(target)
    session.console.result(f"snapshot {target} answers now", {"snapshot": target})


def _changing(session: Session) -> AbstractContextManager[None]:
    """Be the only one who writes, where it may be written."""
    from corpus import disk

    store, settings = session.store(), session.settings().ingest
    disk.refuse_network(store.path, allowed=settings.allow_network_store)
    return store.changing()


def _before(store: Store) -> str | None:
    """The snapshot before the current one; where that cannot be told, the newest sound one."""
    from corpus.errors import NoSnapshot, SnapshotDamaged
    from corpus.recovery import answering, pointed_at

    current, problem = pointed_at(store)
    if current is None and not problem:
        raise NoSnapshot(store.path)
    try:
        return store.manifest(current).parent if current else answering(store).id
    except SnapshotDamaged:
        return answering(store).id


@command.command()
@click.argument("name")
@click.argument("snapshot", required=False, metavar="[ID]")
@click.option("--remove", is_flag=True, help="Take the tag away; the snapshot stays.")
@with_session
def tag(session: Session, name: str, snapshot: str | None, remove: bool) -> None:
    """Give a snapshot a name, by default the current one. It is kept while it has one.

    A tag that another snapshot had is moved.
    """
    from corpus import tags

    store = session.store()
    if remove and snapshot:
        raise click.UsageError("--remove takes the name of the tag alone")
    if remove:
        if name not in store.tags():
            tags.remove(store.path, name)  # says that there is none
        with _changing(session):
            target = tags.remove(store.path, name)
        told = f"{name} is no tag any more; snapshot {target} is kept as long as others are"
    else:
        tags.check_name(name)
        target = store.resolve(snapshot) if snapshot else store.require_current()
        with _changing(session):
            tags.add(store.path, name, store.resolve(target))
        told = f"snapshot {target} is {name} now, and is kept"
    session.console.result(told, {"tag": name, "snapshot": target, "removed": remove})


@command.command()
@click.option("--keep", type=click.IntRange(1), help="Newest snapshots to keep; default: 5.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@with_session
def gc(session: Session, keep: int | None, dry_run: bool) -> None:
    """Remove all but the newest snapshots; the current one and those with a tag stay."""
    from corpus import collecting

    store, settings = session.store(), session.settings({"ingest": {"keep_snapshots": keep}})
    store.require_current()  # a mistyped name must not make a store
    if dry_run:
        found = collecting.find(store, settings.ingest.keep_snapshots)
        going = list(found.snapshots)
    else:
        with _changing(session):
            found = collecting.find(store, settings.ingest.keep_snapshots)
            going = store.remove(found)
    state = {
        "snapshots": going,
        "segments": list(found.segments),
        "left_overs": list(map(str, found.left_overs)),
        "bytes": found.size,
        "kept": [one.id for one in store.snapshots() if one.id not in going],
        "dry_run": dry_run,
    }
    session.console.result(_collected(state), state)
    if len(going) < len(found.snapshots):
        raise click.exceptions.Exit(1)


def _collected(state: dict[str, Any]) -> str:
    verb = "would remove" if state["dry_run"] else "removed"
    lines = [f"{verb} snapshot {one}" for one in state["snapshots"]]
    lines.append(
        f"{verb} {len(state['snapshots'])} snapshots, {len(state['segments'])} segments and "
        f"{len(state['left_overs'])} left-overs, {state['bytes']:,} bytes; "
        f"{len(state['kept'])} snapshots stay"
    )
    return "\n".join(lines)
