"""Chunks that are remembered: the right ones, the last ones, and no more than there is room for."""

from __future__ import annotations

import pytest

from corpus.recent import RecentChunks
from corpus.types import Chunk, Mode, Query
from tests.conftest import Workbench

CHARS = 10


def chunk(number: int) -> Chunk:
    return Chunk(number, f"{number}.md", "", "md", 0, CHARS, "x" * CHARS, ())


def held(recent: RecentChunks, numbers: range) -> list[int]:
    return [number for number in numbers if recent.get(number) is not None]


def test_a_chunk_is_found_under_its_own_id_only() -> None:
    recent = RecentChunks()
    recent.add(chunk(1))

    assert recent.get(1) == chunk(1)
    assert recent.get(2) is None


def test_what_is_remembered_stays_within_its_room() -> None:
    recent = RecentChunks(10 * CHARS)
    for number in range(1000):
        recent.add(chunk(number))

    kept = held(recent, range(999, -1, -1))
    assert kept[:5] == [999, 998, 997, 996, 995]
    assert len(kept) <= 10


def test_what_is_asked_for_again_and_again_stays() -> None:
    recent = RecentChunks(10 * CHARS)
    recent.add(chunk(0))
    for number in range(1, 1000):
        recent.add(chunk(number))
        assert recent.get(0) == chunk(0)


def test_a_snapshot_reads_a_chunk_that_it_has_just_found_no_second_time(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("leave.md", "# Leave\n\nEvery employee gets 25 days.")
    bench.write("travel.md", "# Travel\n\nEvery employee goes by train.")
    bench.ingest()
    snapshot = bench.store.open()
    both = Query("employee", None, 5, Mode.WORDS)
    one = Query("train", None, 5, Mode.WORDS)
    [first] = snapshot.search(one)
    read: list[set[int]] = []
    texts = snapshot._segments[0].texts
    reads = texts.chunks
    monkeypatch.setattr(texts, "chunks", lambda ids: read.append(set(ids)) or reads(ids))

    hits = snapshot.search(both)

    assert {hit.chunk.title for hit in hits} == {"Leave", "Travel"}
    assert read == [{hit.chunk.id for hit in hits} - {first.chunk.id}]
    assert snapshot.search(both) == hits
    assert len(read) == 1
