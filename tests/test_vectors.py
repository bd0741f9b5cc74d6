"""The vectors of a segment against numpy, and a file that is whole or is no index at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpus.types import ChunkIds, Vectors
from corpus.vectors import Choice, VectorIndex, compared

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


def test_a_scan_agrees_with_the_definition() -> None:
    vectors, queries = unit_rows(500, 32, seed=1), unit_rows(20, 32, seed=2)
    index = index_of(np.arange(500, dtype=np.int64), vectors)

    kept = index.read_rows(np.arange(500))  # as they were rounded to half precision
    np.testing.assert_allclose(kept, vectors, atol=5e-4)
    for query in queries:
        found, scores = index.scan(query[None], 10, None)
        np.testing.assert_array_equal(found, np.argsort(-(kept @ query))[:10])
        np.testing.assert_allclose(scores, kept[found] @ query, atol=1e-6)


@pytest.mark.parametrize("dim", [7, 8, 96, 384])
def test_vectors_that_are_compared_by_themselves_have_the_scores_of_a_scan(dim: int) -> None:
    index = index_of(np.arange(300, dtype=np.int64), unit_rows(300, dim, seed=1))
    query = unit_rows(1, dim, seed=2)
    rows, scores = index.scan(query, 300, None)

    for some in (slice(None), slice(1), slice(7, 20), slice(None, None, -3)):
        assert compared(query, index.halves(rows[some])).tolist() == scores[some].tolist()


def test_a_choice_is_scanned_as_if_there_were_no_others() -> None:
    vectors, query = unit_rows(500, 32, seed=1), unit_rows(1, 32, seed=2)
    index = index_of(np.arange(500, dtype=np.int64), vectors)
    chosen = np.random.default_rng(3).random(500) < 0.1
    choice = Choice(chosen)

    found, _ = index.scan(query, 500, choice)

    assert choice.count == len(found) == np.count_nonzero(chosen)
    assert sorted(found) == choice.rows.tolist() == np.flatnonzero(chosen).tolist()
    assert index.scan(query, 5, Choice(np.zeros(500, bool)))[0].tolist() == []


def test_an_empty_index_finds_nothing_and_survives_the_disk(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_bytes(saved(VectorIndex(8)))
    for path in (None, tmp_path / "vectors"):
        empty = VectorIndex.read(saved(VectorIndex(8)), path)

        assert (len(empty), empty.dim, empty.ids.tolist()) == (0, 8, [])
        assert empty.scan(unit_rows(1, 8, seed=1), 5, None)[0].tolist() == []
        assert empty.vectors_of(NONE).shape == (0, 8)


def test_rows_are_the_same_whether_what_was_read_stays_or_not(tmp_path: Path) -> None:
    data = saved(index_of(np.arange(300, dtype=np.int64), unit_rows(300, 24, seed=1)))
    (tmp_path / "vectors").write_bytes(data)
    mapped, scattered = VectorIndex.read(data), VectorIndex.read(data, tmp_path / "vectors")
    rows = np.random.default_rng(1).integers(0, 300, 50)

    np.testing.assert_array_equal(scattered.halves(rows), mapped.halves(rows))
    np.testing.assert_array_equal(mapped.halves(rows), mapped.read_rows(rows).astype(np.float16))


def test_rows_cannot_join_those_of_a_file() -> None:
    """FAISS ends the process that changes an index over bytes of somebody else."""
    vectors = unit_rows(3, 8, seed=1)
    index = VectorIndex.read(saved(index_of(np.array([1, 2], np.int64), vectors[:2])))

    with pytest.raises(ValueError, match="cannot be added to"):
        index.add(np.array([3], np.int64), vectors[2:])


def test_vectors_come_back_under_their_ids_in_the_order_asked_for() -> None:
    ids, vectors = np.array([30, 10, 20], np.int64), unit_rows(3, 16, seed=1)
    index = VectorIndex.read(saved(index_of(ids, vectors)))

    found = index.vectors_of(np.array([10, 30, 10], np.int64))

    np.testing.assert_allclose(found, vectors[[1, 0, 1]], atol=2e-3)
    assert index.ids_of(np.array([2, 0])).tolist() == [20, 30]
    for missing in (11, 9, 31):
        with pytest.raises(KeyError, match=str(missing)):
            index.vectors_of(np.array([10, missing], np.int64))


def test_what_was_looked_up_before_is_no_hindrance_to_what_is_added_later() -> None:
    index = index_of(np.array([1], np.int64), unit_rows(1, 8, seed=1))
    with pytest.raises(KeyError):
        index.rows_of(np.array([2], np.int64))

    index.add(np.array([2], np.int64), unit_rows(1, 8, seed=2))

    assert index.rows_of(np.array([2], np.int64)).tolist() == [1]


def test_vectors_of_another_dimension_are_refused() -> None:
    index = VectorIndex(8)

    with pytest.raises(ValueError, match=r"\(1, 8\)"):
        index.add(np.array([1], np.int64), unit_rows(1, 9, seed=1))


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
