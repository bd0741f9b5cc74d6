"""``rag status``: what the store holds, and how its last runs ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table

_RUNS = 5  # newest runs that are shown
_NOTHING_YET = "no snapshot yet; run `rag ingest FOLDER`"


@click.command()
@with_session
def command(session: Session) -> None:
    """What the store holds, and how its last runs ended.

    \b
        rag status
        rag status --json
    """
    from corpus import roots
    from corpus.manifest import read_manifest
    from corpus.recovery import answering
    from corpus.runs import RunLog

    store = session.store()
    answers = answering(store)
    current = answers.id
    log = RunLog(store.path)
    running = store.is_being_written()
    manifest = read_manifest(store.path, current) if current else None
    state: dict[str, Any] = {
        "store": str(store.path.resolve()),
        "snapshot": current,
        "degraded": bool(answers.problem),
        "problem": answers.problem or None,
        "created": manifest.created if manifest else None,
        "model": manifest.fingerprint.model if manifest else None,
        "counts": dict(manifest.counts) if manifest else {},
        "roots": [asdict(root) for root in roots.read(store.path)],
        "running": running,
        "last_success": log.last_success() or None,
        "next_run": log.next_run() or None,
        "runs": [asdict(run) for run in log.runs(being_written=running)[:_RUNS]],
    }
    session.console.result(_told(state), state)


def _told(state: dict[str, Any]) -> str:
    if state["snapshot"] is None:
        nothing = "no snapshot that can answer" if state["problem"] else _NOTHING_YET
        lines = [f"store      {state['store']}: {nothing}"]
    else:
        counts = state["counts"]
        sources = ", ".join(
            f"{counts[name]} {name}" for name in ("indexed", "empty", "failed", "skipped")
        )
        lines = [
            f"store      {state['store']}",
            f"snapshot   {state['snapshot']}, published {state['created']}",
            f"holds      {counts['documents']} documents in {counts['chunks']} chunks",
            f"sources    {sources}",
            f"model      {state['model']}",
        ]
    if state["problem"]:
        lines.append(f"problem    {printable(state['problem'])}")
    lines += [f"root       {printable(root['path'])}" for root in state["roots"]]
    lines.append(f"in step    {state['last_success'] or 'never'}")
    lines.append(f"next run   {state['next_run'] or 'not scheduled'}")
    if state["running"]:
        lines.append("a run is under way")
    runs = [(run["started"], run["outcome"], printable(run["detail"])) for run in state["runs"]]
    return "\n".join([*lines, *(["last runs:", table(runs)] if runs else [])])
