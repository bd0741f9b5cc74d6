"""What a store really says, read in full, to be held against what it must say.

Shared by the proofs that need no tracer: the state machine, the writers, the damages and
the swaps, in the suite and in their long versions (``tests.long``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from corpus.snapshot import Snapshot
from corpus.types import Mode, Query
from tests.conftest import WordHashEncoder

Place = tuple[int, str]
"""Key of a root, and the path of a file below it."""

MANY = 1000
"""More hits than any store of these tests holds."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a snapshot holds of one file."""

    name: str  # of the source
    texts: tuple[str, ...]  # of its documents, ordered by their ids
    status: str
    stale: bool = False


Truth = Mapping[Place, Held]
"""All that a snapshot says, file by file."""


def said_by(snapshot: Snapshot) -> dict[Place, Held]:
    """All that a snapshot says; every chunk of it is held against its document.

    :raises AssertionError: when its parts do not agree with each other.
    """
    by_source: dict[str, list[str]] = {}
    chunks = 0
    for name in sorted(snapshot.documents):
        document = snapshot.document(name)
        by_source.setdefault(document.source, []).append(document.text)
        for chunk in snapshot.chunks_of(name):
            assert chunk.text == document.text[chunk.start : chunk.end] != ""
            chunks += 1
    said = {
        (row.root, row.path): Held(
            row.source, tuple(by_source.pop(row.source, ())), row.status.value, row.stale
        )
        for row in snapshot.ledger
    }
    assert len({one.name for one in said.values()}) == len(said), "two sources of one name"
    assert not by_source, f"documents of no file: {by_source}"
    assert chunks == snapshot.counts["chunks"]
    assert snapshot.counts["documents"] == sum(len(one.texts) for one in said.values())
    return said


def check_search(snapshot: Snapshot, words: Sequence[str]) -> None:
    """Every word is found in all documents that hold it and, by its letters, in no other.

    Whatever way of asking: a hit is a chunk of a document that is there now.
    """
    encoder = WordHashEncoder()
    texts = {name: snapshot.document(name).text for name in snapshot.documents}
    for word in words:
        holding = {name for name, text in texts.items() if word in text.split()}
        for mode in (Mode.WORDS, Mode.HYBRID):
            vector = encoder.encode_query(word) if mode is Mode.HYBRID else None
            hits = snapshot.search(Query(word, vector, MANY, mode, candidates=MANY))
            for hit in hits:
                chunk = hit.chunk
                assert chunk.text == texts[chunk.document_id][chunk.start : chunk.end]
            found = {hit.chunk.document_id for hit in hits}
            assert found == holding if mode is Mode.WORDS else found >= holding, (mode, word)


def listing(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Every file and folder below one, with inode, size, and times of its content and name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        name = str(path.relative_to(folder))
        found[name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return found


DISK = ("write", "fsync", "rename", "link", "mkdir", "rmdir", "unlink")
"""The operating system's calls that change a disk, as far as Python makes them."""


@contextmanager
def disturbed(disturb: Callable[[str, Callable[..., Any], Any], Any]) -> Iterator[list[str]]:
    """Let ``disturb`` make each call that changes the disk, or not.

    :param disturb: is given the name of the call, the call, and its arguments.
    :return: the names of the calls so far.
    """
    calls: list[str] = []

    def standing_in(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return disturb(name, lambda *other: real(*(other or args), **kwargs), args)

        return call

    with ExitStack() as stack:
        for name in DISK:
            stack.enter_context(patch.object(os, name, standing_in(name)))
        yield calls
