"""The snapshot that a new one follows: opened piece by piece, each piece verified."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpus.blocks import BlockReader, BlockSums
from corpus.errors import SnapshotDamaged
from corpus.files import record_of, write_new
from corpus.fingerprint import PROBES
from corpus.identity import text_key
from corpus.manifest import NAME as MANIFEST
from corpus.manifest import Manifest
from corpus.parent import Parent
from corpus.rows import VectorRows
from corpus.segment import CATALOGUE, SUMS, TEXTS, VECTORS, WINDOW_SUMS, WINDOWS
from corpus.vectors import VectorIndex
from tests.conftest import Workbench

DIM = 64


def blocks(path: Path, data: bytes) -> BlockReader:
    sums = BlockSums()
    for start in range(0, len(data), 9973):  # in pieces that end nowhere in particular
        sums.update(data[start : start + 9973])
    return BlockReader(path, write_new(path, data), sums.to_bytes())


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 300_001])
def test_every_part_of_a_file_is_read_as_it_was_written(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    reader = blocks(tmp_path / "file", data)
    for start in {0, size // 2, size - 1}:
        for length in {1, size - start, min(70_000, size - start)}:
            assert reader.read(start, length) == data[start : start + length]
    reader.close()


def test_a_damaged_block_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    data = bytes(200_000)
    reader = blocks(tmp_path / "file", data)
    with (tmp_path / "file").open("r+b") as file:
        file.seek(70_000)
        file.write(b"x")

    assert reader.read(0, 65_536) == data[:65_536]
    with pytest.raises(ValueError, match="block 1 of file fails its checksum"):
        reader.read(65_000, 1_000)
    assert reader.read(131_072, 10) == bytes(10)
    reader.close()


def test_hashes_of_another_file_are_refused(tmp_path: Path) -> None:
    record = write_new(tmp_path / "file", bytes(100))
    with pytest.raises(ValueError, match="100 bytes and 64 of hashes"):
        BlockReader(tmp_path / "file", record, bytes(64))
    (tmp_path / "file").write_bytes(bytes(99))
    with pytest.raises(ValueError, match="has not the 100 bytes"):
        BlockReader(tmp_path / "file", record, bytes(32))


@pytest.mark.parametrize("count", [1, 7, 2_000])
def test_rows_of_a_file_are_those_of_the_index(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    ids = rng.permutation(10 * count)[:count].astype(np.int64)
    vectors = rng.standard_normal((count, DIM)).astype(np.float32)
    index = VectorIndex(DIM)
    index.add(ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    pieces: list[bytes] = []
    index.write(lambda data: pieces.append(data) or len(data))
    reader = blocks(tmp_path / "index", b"".join(pieces))
    rows = VectorRows(reader, DIM, count)
    wanted = rng.permutation(ids)[:50]

    np.testing.assert_array_equal(rows.vectors_of(wanted), index.vectors_of(wanted))
    with pytest.raises(KeyError, match="chunk -1 is not in this index"):
        rows.vectors_of(np.array([wanted[0], -1]))
    for dim, rows_ in ((DIM + 1, count), (DIM, count + 1), (DIM // 2, count)):
        with pytest.raises(ValueError, match="laid out otherwise"):
            VectorRows(reader, dim, rows_)
    reader.close()


@pytest.fixture
def published(bench: Workbench) -> Workbench:
    """Two segments; a document of the first is gone."""
    for number in range(9):
        bench.write(f"{number}.md", f"# Number {number}\n\nThe secret of {number} is blue{number}.")
    bench.ingest()
    bench.write("0.md", "# Number 0\n\nIt has another secret now.")
    (bench.folder / "1.md").unlink()
    bench.ingest()
    return bench


@pytest.fixture
def parent(published: Workbench) -> Iterator[Parent]:
    with Parent(published.store.path, published.store.require_current()) as parent:
        yield parent


def test_it_knows_what_the_open_snapshot_knows(published: Workbench, parent: Parent) -> None:
    documents = published.store.open().documents

    assert len(parent.manifest.segments) == 2
    assert parent.owners() == {one.id: one.source for one in documents.values()}
    for one in documents.values():
        assert parent.digests(one.source) == {one.id: one.digest}
        assert parent.segment_of(one.id) == one.segment
    assert parent.digests("1.md") == {}
    assert parent.segment_of("1.md") is None


def test_vectors_are_found_by_the_text_that_was_embedded(
    published: Workbench, parent: Parent
) -> None:
    embedded = set(published.encoder.embedded) - set(PROBES)  # by the second run
    assert embedded
    keys = [text_key(text) for text in embedded]

    found = parent.vectors_by_key([*keys, text_key("never embedded")])

    assert set(found) == set(keys)
    for text, key in zip(embedded, keys, strict=True):
        [expected] = published.encoder.encode_chunks([text])
        np.testing.assert_allclose(found[key], expected, atol=3e-3)


def test_nothing_is_read_of_a_segment_but_its_catalogue(published: Workbench) -> None:
    store, current = published.store, published.store.require_current()
    for name in store.manifest(current).files:
        if not name.endswith((CATALOGUE, MANIFEST)):
            (store.path / name).unlink()

    with Parent(store.path, current) as parent:
        assert len(parent.owners()) == 8
        assert parent.digests("3.md")


@pytest.mark.parametrize("name", [CATALOGUE, SUMS, VECTORS, TEXTS, WINDOW_SUMS, WINDOWS])
def test_a_damaged_piece_is_told_when_it_is_read(published: Workbench, name: str) -> None:
    store, current = published.store, published.store.require_current()
    key = text_key(next(text for text in published.encoder.embedded if text not in PROBES))
    for path in (store.path / "segments").glob(f"*/{name}"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    with Parent(store.path, current) as parent, pytest.raises(SnapshotDamaged, match="is damaged"):
        parent.digests("3.md")
        parent.vectors_by_key([key])
        list(parent.entries(0, ()))


def test_segments_from_before_there_were_catalogues_go_on(published: Workbench) -> None:
    store, current = published.store, published.store.require_current()
    manifest = store.manifest(current)
    files = {
        name: record
        for name, record in manifest.files.items()
        if not name.endswith((CATALOGUE, SUMS))
    }
    path = store.path / "snapshots" / current / MANIFEST
    old = Manifest(**{**{f: getattr(manifest, f) for f in manifest.__slots__}, "files": files})
    path.write_bytes(old.to_bytes())
    assert json.loads(path.read_bytes())["files"].keys() == files.keys()
    for name in manifest.files.keys() - files.keys():
        (store.path / name).unlink()
    published.write("2.md", "# Number 2\n\nAnother text of two.")

    report = published.ingest()

    assert (report.changed, report.unchanged) == (1, 7)
    assert "Another text" in store.open().document("2.md").text
    for name, record in store.manifest(store.require_current()).files.items():
        assert record_of(store.path / name) == record


def test_once_a_day_a_run_verifies_what_it_only_shares(
    published: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = published.store
    before = store.require_current()
    largest = max(store.manifest(before).segments, key=lambda one: one.documents)
    texts = store.path / "segments" / largest.id / TEXTS
    stamps = texts.stat()
    texts.write_bytes(texts.read_bytes()[:-1] + b"x")
    os.utime(texts, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))  # as bytes rot: without a trace
    published.write("2.md", "# Number 2\n\nNew.")

    assert published.ingest().changed == 1, "what a run does not read costs it nothing"

    tomorrow = time.time() + 90_000
    monkeypatch.setattr("corpus.daily.time.time", lambda: tomorrow)
    published.ingest()

    assert store.open().documents.keys() == {f"{number}.md" for number in (0, *range(2, 9))}
    assert any(store.path.glob("quarantine/*"))
