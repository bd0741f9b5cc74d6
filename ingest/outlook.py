"""What a run is going to do, before it does it: by name, how long, and with how much room.

Time and room are estimates. Time is told from what earlier runs took, and says on what it
rests; room is what may be written at most, so that a disk that has it is not filled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from corpus.manifest import SEGMENTS, Manifest
from corpus.runs import Run
from corpus.types import LedgerRow, Status
from ingest.naming import Place
from ingest.plan import Plan
from ingest.sources import Source

READ_BYTES_S = 400_000.0
"""Bytes of documents that are read, parsed and cut in a second, where no run has shown it."""

EMBEDDED_S = 60.0
"""Chunks embedded in a second by the packaged model on two cores, where no run has shown it."""

BYTES_OF_A_CHUNK = 400
"""Bytes of documents to a chunk, where the corpus is too small to tell."""

WINDOWS = 5
"""Windows of a chunk at most: :data:`corpus.windows.MOST`, without NumPy, which the model's thread
is to load."""

MARGIN = 1.2
_RUNS = 10  # newest runs that are gone by, of those that did so much
_TELLING_BYTES = 100_000  # that starting up does not count, nor
_TELLING_CHUNKS = 200  # loading the model
_ENOUGH_CHUNKS = 50  # fewer tell nothing of a mean

# What is written of a source of so many bytes and chunks; measured, and rounded up.
_OF_A_BYTE = 2.9  # its text, its words, and what is kept of it until it is published
_OF_A_CHUNK = 900
_OF_A_ROW = 1000  # its place in the ledger, and its stamp, while old and new are there


@dataclass(frozen=True, slots=True)
class Moved:
    """A source that has another path now."""

    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A source that cannot be read now, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run would do, by the paths of sources."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    renamed: tuple[Moved, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """How much a run has to do."""

    read_bytes: int
    chunks: int  # that will be written, about
    to_embed: int  # of them, at most


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a run may take."""

    seconds: float
    read_bytes: int
    embedded_chunks: int  # at most: texts that are known already are not embedded again
    basis: str  # for humans: what this rests on


def obstacles(sources: Iterable[Source]) -> dict[Place, str]:
    """Why sources cannot be opened; only those that cannot."""
    return {(one.root, one.path): why for one in sources if (why := _obstacle(one))}


def intent_of(plan: Plan, blocked: Mapping[Place, str]) -> Intent:
    """Name what a plan comes to.

    :param blocked: the :func:`obstacles` of the sources that it would read.
    """
    failed = [row for row in plan.left_out if row.status is Status.FAILED] + plan.stale
    unreadable = [(row.path, row.reason) for row in failed]
    unreadable += [(path, why) for (_, path), why in blocked.items()]

    def readable(sources: Iterable[Source]) -> tuple[str, ...]:
        return tuple(one.path for one in sources if (one.root, one.path) not in blocked)

    return Intent(
        added=readable(plan.added),
        changed=readable(plan.changed),
        renamed=tuple(
            Moved(old.path, new.path)
            for old, new in plan.renamed
            if (new.root, new.path) not in blocked
        ),
        removed=tuple(row.path for row in plan.removed),
        unchanged=tuple(row.path for row in plan.unchanged),
        unreadable=tuple(Unreadable(*one) for one in sorted(unreadable)),
    )


def work_of(plan: Plan, ledger: Sequence[LedgerRow]) -> Work:
    """Measure what a plan asks for.

    :param ledger: the rows of the current snapshot, which tell how long chunks are here.
    """
    size, chunks = sum(row.size for row in ledger), sum(row.chunks for row in ledger)
    each = size / chunks if chunks >= _ENOUGH_CHUNKS else BYTES_OF_A_CHUNK
    moved = {(new.root, new.path) for _, new in plan.renamed}
    cut = {(one.root, one.path): ceil(one.stamp.size / each) for one in plan.to_read}
    return Work(
        read_bytes=sum(source.stamp.size for source in plan.to_read),
        chunks=sum(cut.values()),
        to_embed=sum(number for place, number in cut.items() if place not in moved),
    )


def estimate(work: Work, runs: Sequence[Run]) -> Estimate:
    """How long a run will take.

    :param runs: those on record, newest first.
    """
    read_rate, read_told = _rate(
        [(run.bytes_read, run.seconds - run.embed_seconds) for run in runs],
        _TELLING_BYTES,
        READ_BYTES_S,
    )
    embed_rate, embed_told = _rate(
        [(run.embedded, run.embed_seconds) for run in runs], _TELLING_CHUNKS, EMBEDDED_S
    )
    return Estimate(
        seconds=round(work.read_bytes / read_rate + work.to_embed / embed_rate, 1),
        read_bytes=work.read_bytes,
        embedded_chunks=work.to_embed,
        basis=f"{read_rate / 1e6:.2g} MB read in a second, {read_told}; "
        f"{embed_rate:.3g} chunks embedded in a second, {embed_told}",
    )


def _rate(runs: Sequence[tuple[int, float]], least: int, assumed: float) -> tuple[float, str]:
    """What was done in a second, over those of the newest runs that did enough to tell.

    :param runs: what each did, and in how many seconds.
    """
    telling = [run for run in runs if run[0] >= least and run[1] > 0][:_RUNS]
    if not telling:
        return assumed, "which is assumed: no run here has shown it yet"
    done, seconds = (sum(column) for column in zip(*telling, strict=True))
    shown = "the last run" if len(telling) == 1 else f"the last {len(telling)} runs"
    return done / seconds, f"as in {shown}"


def room_for(work: Work, dim: int, rows: int, parent: Manifest | None) -> int:
    """Bytes that a run may write at most, with a margin.

    Vectors are written at half precision and their windows at eight bits into the snapshot, all
    of them at single precision into the journal of the run; segments that are no larger than the
    new one may be copied into it.

    :param dim: of the vectors.
    :param rows: sources that the ledger will hold.
    :param parent: the snapshot that the run follows.
    """
    of_a_chunk = _OF_A_CHUNK + 2 * dim + WINDOWS * (dim + 2)
    journal = 4 * dim * (1 + WINDOWS)
    new = work.read_bytes * _OF_A_BYTE + work.chunks * (of_a_chunk + journal)
    return int((new + rows * _OF_A_ROW + _merged(work, parent)) * MARGIN)


def _merged(work: Work, parent: Manifest | None) -> int:
    if parent is None:
        return 0
    small = [ref for ref in parent.segments if ref.chunks <= 2 * work.chunks]
    prefixes = tuple(f"{SEGMENTS}/{ref.id}/" for ref in small)
    copied = sum(r.size for name, r in parent.files.items() if name.startswith(prefixes))
    words = sum(r.size for name, r in parent.files.items() if not name.startswith(SEGMENTS))
    share = min(1.0, sum(ref.chunks for ref in small) / max(1, parent.counts["chunks"]))
    return int(copied + words * share)


def _obstacle(source: Source) -> str:
    """Why a source cannot be opened; empty where it can."""
    try:
        descriptor = os.open(source.location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    os.close(descriptor)
    return ""
