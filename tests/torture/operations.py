"""The operations that are tortured, each on a store that was made ready for it.

The same code runs in the worker, which is killed, and in the harness, which runs it again.
"""

from __future__ import annotations

from pathlib import Path

from corpus.settings import Settings
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from tests.conftest import WordHashEncoder, settings_for
from tests.torture.signature import everything

OPERATIONS = ("ingest", "refresh", "delete", "gc", "rollback")
KEPT = 2  # snapshots: a refresh of a store that holds so many removes one


def settings(store: Path) -> Settings:
    """Those of every run of the harness."""
    return settings_for(store, RAG_INGEST__KEEP_SNAPSHOTS=str(KEPT))


def perform(operation: str, store: Path, argument: str) -> str:
    """Carry out an operation and return the id of the snapshot that answers then.

    ``read`` changes nothing, and returns :func:`tests.torture.signature.everything`.

    :param argument: the folder of documents; of ``rollback``, the id of the snapshot.
    """
    chosen = settings(store)
    if operation in {"ingest", "refresh", "delete"}:
        runner = Runner(Means(Store(store), chosen, WordHashEncoder(), Silent()))
        if operation == "ingest":
            return str(runner.ingest([Path(argument)], Options()).snapshot)
        share = 100 if operation == "delete" else 10
        return str(runner.refresh(Options(max_delete_percent=share)).snapshot)
    if operation == "read":
        return everything(Store(store).open())
    opened = Store(store)
    with opened.writing():
        if operation == "gc":
            opened.collect(keep=1)
        elif operation == "rollback":
            opened.activate(argument)
        else:
            raise ValueError(f"there is no operation {operation!r}")
    return opened.require_current()
