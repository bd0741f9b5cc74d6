"""What an operation starts from and must arrive at: stores that were made without a mishap."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from corpus.store import Store
from tests.torture.operations import perform
from tests.torture.scratch import clear
from tests.torture.signature import signature

_TEXTS = {
    "travel.md": "# Travel\n\nTravel is booked through the desk.\n\n## Trains\n\nTrains first.\n",
    "leave.txt": "Everybody has thirty days of leave. Leave is asked for in writing.\n",
    "money.html": "<h1>Money</h1><p>An invoice is paid within two weeks.</p>",
    "records.jsonl": '{"id": "a", "text": "The first record."}\n{"id": "b", "text": "Another."}\n',
    "deep/rooms.md": "# Rooms\n\nRooms are booked in the calendar.\n",
    "deep/parking.md": "# Parking\n\nThere is parking behind the house.\n",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One operation with the store that it starts from."""

    operation: str
    argument: str
    store: Path  # never touched; :func:`fresh` copies it
    before: str  # :mod:`tests.torture.signature`
    after: str
    kept: frozenset[str]  # snapshots that are there before and after
    known: frozenset[str]  # that are there before or after


def make_all(root: Path, operations: tuple[str, ...]) -> list[Case]:
    """Prepare the stores of some operations below a folder."""
    folders = {operation: _folders(root / operation, operation) for operation in operations}
    time.sleep(2.1)  # files that changed just now are read again by every run
    return [_case(operation, *folders[operation]) for operation in operations]


def _folders(root: Path, operation: str) -> tuple[Path, Path]:
    docs, store = root / "docs", root / "before"
    for name, text in _TEXTS.items():
        _write(docs / name, text)
    if operation != "ingest":
        _grow(docs, store)
    if operation == "refresh":
        _write(docs / "leave.txt", "Everybody has forty days of leave. Nobody counts them.\n")
        _write(docs / "new.md", "# New\n\nA new page about the invoice of the desk.\n")
        (docs / "deep/rooms.md").rename(docs / "deep/halls.md")
    if operation == "delete":
        (docs / "travel.md").unlink()
        (docs / "deep/parking.md").unlink()
    return docs, store


def _grow(docs: Path, store: Path) -> None:
    """Three snapshots, of which two are kept, and more than one segment."""
    for number in range(12):
        _write(docs / f"many/{number}.txt", f"Page {number} of many. The desk has it.\n")
    perform("ingest", store, str(docs))
    for number in range(2):
        _write(docs / f"extra{number}.md", f"# Extra {number}\n\nMore of the desk: {number}.\n")
        perform("refresh", store, "")


def _case(operation: str, docs: Path, before: Path) -> Case:
    opened = Store(before)
    argument = str(docs)
    if operation == "rollback":
        argument = next(one.id for one in opened.snapshots() if not one.current)
    after = before.with_name("after")
    copy(before, after)
    perform(operation, after, argument)
    ids = [frozenset(one.id for one in Store(store).snapshots()) for store in (before, after)]
    return Case(
        operation,
        argument,
        before,
        signature(before),
        signature(after),
        ids[0] & ids[1],
        ids[0] | ids[1],
    )


def fresh(case: Case, target: Path) -> Path:
    """A copy of the store that the operation starts from."""
    copy(case.store, target)
    return target


def copy(source: Path, target: Path) -> None:
    """Copy a store; files with several names keep them."""
    clear(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.exists():
        _copy_folder(str(source), str(target), {})


def _copy_folder(source: str, target: str, names: dict[int, str]) -> None:
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            to = f"{target}/{entry.name}"
            if entry.is_dir():
                _copy_folder(entry.path, to, names)
            elif entry.inode() in names:
                os.link(names[entry.inode()], to)
            else:
                shutil.copyfile(entry.path, to)
                names[entry.inode()] = to


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
