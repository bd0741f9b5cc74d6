"""Dense search against numpy, and an index file that is whole or is no index at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.types import ChunkIds, Vectors
from corpus.vectors import VectorIndex

NONE = np.empty(0, np.int64)


def unit_rows(count: int, dim: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def index_of(ids: ChunkIds, vectors: Vectors) -> VectorIndex:
    index = VectorIndex(vectors.shape[1])
    index.add(ids, vectors)
    return index


def saved(index: VectorIndex) -> bytes:
    pieces: list[bytes] = []

    def take(data: bytes) -> int:
        pieces.append(bytes(data))
        return len(data)

    index.write(take)
    return b"".join(pieces)


def best(ids: ChunkIds, vectors: Vectors, query: Vectors, k: int) -> ChunkIds:
    """The definition: the greatest cosines, ties by id."""
    return ids[np.lexsort((ids, -(vectors @ query)))][:k]


def test_search_agrees_with_the_definition() -> None:
    vectors, queries = unit_rows(500, 32, seed=1), unit_rows(20, 32, seed=2)
    ids = np.random.default_rng(3).permutation(2**40 + np.arange(500)).astype(np.int64)
    index = index_of(ids, vectors)

    kept = index.vectors_of(ids)  # as they were rounded to half precision
    np.testing.assert_allclose(kept, vectors, atol=5e-4)
    for query in queries:
        found, scores = index.search(query, 10)
        np.testing.assert_array_equal(found, best(ids, kept, query, 10))
        np.testing.assert_allclose(scores, index.vectors_of(found) @ query, atol=1e-6)


@settings(deadline=None)
@given(st.permutations(range(12)), st.integers(1, 12))
@example([0, 1, 3, 2, *range(4, 12)], 3)
def test_equal_vectors_come_in_the_order_of_their_ids_however_they_are_stored(
    order: list[int], k: int
) -> None:
    """Equal texts have equal vectors: which of them answer hangs on the ids alone."""
    ids = np.array(order, np.int64)
    index = index_of(ids, np.repeat(unit_rows(1, 8, seed=1), 12, axis=0))

    found, _ = index.search(unit_rows(1, 8, seed=2)[0], k)

    assert found.tolist() == list(range(k))


def test_more_than_there_is_gives_all_there_is() -> None:
    index = index_of(np.array([7, 5], np.int64), unit_rows(2, 8, seed=1))

    assert sorted(index.search(unit_rows(1, 8, seed=2)[0], 99)[0]) == [5, 7]


def test_an_empty_index_finds_nothing_and_survives_the_disk() -> None:
    empty = VectorIndex.read(saved(VectorIndex(8)))

    assert (len(empty), empty.dim, empty.ids.tolist()) == (0, 8, [])
    assert empty.search(unit_rows(1, 8, seed=1)[0], 5)[0].tolist() == []
    assert empty.holds(np.array([1], np.int64)).tolist() == [False]
    assert empty.vectors_of(NONE).shape == (0, 8)


@settings(deadline=None)
@given(st.sets(st.integers(0, 2**63 - 1), max_size=30), st.data())
def test_absorbing_leaves_out_what_was_removed_and_nothing_else(
    ids: set[int], data: st.DataObject
) -> None:
    everything = np.array(sorted(ids), np.int64)
    cut = data.draw(st.integers(0, len(ids)))
    gone = data.draw(st.sets(st.sampled_from(sorted(ids)))) if ids else set()
    vectors = unit_rows(len(ids), 8, seed=1)
    gathered = VectorIndex(8)
    for part in (slice(0, cut), slice(cut, None)):
        index = index_of(everything[part], vectors[part])
        if data.draw(st.booleans()):
            index = VectorIndex.read(saved(index))
        gathered.absorb(index, np.array(sorted(gone), np.int64))

    keep = np.array([one not in gone for one in everything.tolist()], bool)
    assert sorted(gathered.ids.tolist()) == everything[keep].tolist()
    query = unit_rows(1, 8, seed=9)[0]
    expected = best(everything[keep], gathered.vectors_of(everything[keep]), query, 5)
    assert gathered.search(query, 5)[0].tolist() == expected.tolist()
    np.testing.assert_array_equal(gathered.holds(everything), keep)


def test_rows_can_join_those_of_a_file() -> None:
    """FAISS ends the process that changes an index over bytes of somebody else."""
    vectors = unit_rows(3, 8, seed=1)
    index = VectorIndex.read(saved(index_of(np.array([1, 2], np.int64), vectors[:2])))

    index.add(np.array([3], np.int64), vectors[2:])

    assert index.ids.tolist() == [1, 2, 3]
    assert VectorIndex.read(saved(index)).search(vectors[2], 1)[0].tolist() == [3]


def test_vectors_come_back_under_their_ids_in_the_order_asked_for() -> None:
    ids, vectors = np.array([30, 10, 20], np.int64), unit_rows(3, 16, seed=1)
    index = VectorIndex.read(saved(index_of(ids, vectors)))

    found = index.vectors_of(np.array([10, 30, 10], np.int64))

    np.testing.assert_allclose(found, vectors[[1, 0, 1]], atol=2e-3)
    assert index.holds(np.array([10, 11, 30], np.int64)).tolist() == [True, False, True]
    with pytest.raises(KeyError, match="11"):
        index.vectors_of(np.array([10, 11], np.int64))


def test_what_was_looked_up_before_is_no_hindrance_to_what_is_added_later() -> None:
    index = index_of(np.array([1], np.int64), unit_rows(1, 8, seed=1))
    assert index.holds(np.array([2], np.int64)).tolist() == [False]

    index.add(np.array([2], np.int64), unit_rows(1, 8, seed=2))

    assert index.holds(np.array([2], np.int64)).tolist() == [True]


def test_vectors_of_another_dimension_are_refused() -> None:
    index = VectorIndex(8)

    with pytest.raises(ValueError, match=r"\(1, 8\)"):
        index.add(np.array([1], np.int64), unit_rows(1, 9, seed=1))
    with pytest.raises(ValueError, match=r"\(8,\)"):
        index.search(unit_rows(1, 9, seed=1)[0], 1)


def test_a_full_disk_is_told_whichever_piece_it_refuses() -> None:
    index = index_of(np.arange(50, dtype=np.int64), unit_rows(50, 8, seed=1))
    pieces = len(list(_calls(index)))
    assert pieces > 5

    for refused in range(pieces):
        taken = iter(range(refused))

        def write(data: bytes, taken: Iterator[int] = taken) -> int:
            if next(taken, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")
            return len(data)

        with pytest.raises(OSError, match="No space"):
            index.write(write)


def _calls(index: VectorIndex) -> list[int]:
    sizes: list[int] = []

    def write(data: bytes) -> int:
        sizes.append(len(data))
        return len(data)

    index.write(write)
    return sizes


def test_cut_or_foreign_bytes_are_no_index() -> None:
    whole = saved(index_of(np.arange(20, dtype=np.int64), unit_rows(20, 8, seed=1)))

    for end in [*range(0, len(whole), 7), len(whole) - 1]:
        with pytest.raises(ValueError, match="not a FAISS index"):
            VectorIndex.read(whole[:end])
    for garbage in (b"<!doctype html>", bytes(4096), b"SQLite format 3\0"):
        with pytest.raises(ValueError, match="not a FAISS index"):
            VectorIndex.read(garbage)
