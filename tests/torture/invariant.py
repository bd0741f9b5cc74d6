"""What must hold of a store after any mishap."""

from __future__ import annotations

import os
from pathlib import Path

from corpus.errors import RagError
from corpus.store import Store
from tests.torture.cases import Case
from tests.torture.operations import KEPT, perform
from tests.torture.signature import signature


class Violation(AssertionError):
    """The store lost something, or said something that is not so."""


def check(case: Case, store: Path, *, acknowledged: bool) -> None:
    """The store is as before the operation or as after it, and can be worked with.

    :param acknowledged: the user was told that the operation is done: it must be.
    :raises Violation: otherwise.
    """
    check_readable(case, store, acknowledged=acknowledged)
    _check_next_run(case, store)


def check_readable(case: Case, store: Path, *, acknowledged: bool) -> str:
    """What a reader finds is the state before or the one after, whole. Changes nothing.

    :return: its signature.
    """
    try:
        found = signature(store)
    except RagError as error:
        raise Violation(f"the store does not open: {error}") from error
    if found not in {case.before, case.after}:
        raise Violation(f"the store holds {found or 'nothing'}, neither before nor after")
    if acknowledged and found != case.after:
        raise Violation("the operation was acknowledged and is lost")
    _check_snapshots(case, store)
    return found


def _check_snapshots(case: Case, store: Path) -> None:
    """Each snapshot that is listed can be opened, and none is missing."""
    opened = Store(store)
    listed = opened.snapshots()
    for one in listed:
        try:
            if not one.current:  # that one was read whole
                opened.open(one.id)
        except RagError as error:
            raise Violation(f"snapshot {one.id} is listed and damaged: {error}") from error
    ids = {one.id for one in listed}
    if case.kept - ids:
        raise Violation(f"snapshots are lost: {', '.join(sorted(case.kept - ids))}")
    if ids - case.known:
        raise Violation(f"snapshots from nowhere: {', '.join(sorted(ids - case.known))}")


def _check_next_run(case: Case, store: Path) -> None:
    """The same operation works, arrives where it must, and left-overs can be cleared away."""
    try:
        perform(case.operation, store, case.argument)
        with Store(store).writing():
            Store(store).collect(KEPT)
    except Exception as error:  # whatever it is, it is what must not happen
        raise Violation(f"the next run fails: {type(error).__name__}: {error}") from error
    if check_readable(case, store, acknowledged=True) != case.after:
        raise Violation("the next run arrives elsewhere")
    needed = {
        ref.id for one in Store(store).snapshots() for ref in Store(store).manifest(one.id).segments
    }
    for folder, expected in (("segments", needed), ("snapshots", case.known)):
        left = set(os.listdir(store / folder)) - expected
        if left:
            raise Violation(f"left over in {folder}: {', '.join(sorted(left))}")
