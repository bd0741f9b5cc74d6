"""Search by codes: what it finds of an exact search, and what it must never find."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corpus import segment as segments
from corpus import shortlist as shortlists
from corpus.build import Build
from corpus.errors import SnapshotDamaged
from corpus.fingerprint import Fingerprint
from corpus.identity import ANALYSIS, chunk_id, document_digest, source_digest, text_key
from corpus.manifest import Manifest
from corpus.parent import Parent
from corpus.recall import factor_of, measure
from corpus.segment import SIGNS
from corpus.shortlist import Part, Shortlist
from corpus.signs import Signs
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.texts import Entry
from corpus.types import Chunk, ChunkIds, Document, LedgerRow, Mode, Query, Status, Vectors
from corpus.vectors import Selection, VectorIndex

COUNT, DIM = 20_000, 96


def clustered(count: int, dim: int, seed: int) -> Vectors:
    """Unit rows around a few hundred centres, as those of texts are."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(200, dim))
    rows = centres[chance.integers(0, 200, count)] + 0.7 * chance.normal(size=(count, dim))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.fixture(scope="module")
def index() -> VectorIndex:
    made = VectorIndex(DIM)
    ids = np.random.default_rng(3).permutation(2**40 + np.arange(COUNT)).astype(np.int64)
    made.add(ids, clustered(COUNT, DIM, seed=1))
    return made


@pytest.fixture(scope="module")
def signs(index: VectorIndex) -> Signs:
    return Signs.of(index.read_rows, np.arange(COUNT))


def saved(signs: Signs) -> bytes:
    pieces: list[bytes] = []

    def take(data: bytes) -> int:
        pieces.append(bytes(data))
        return len(data)

    signs.write(take)
    return b"".join(pieces)


def shared(found: ChunkIds, exact: ChunkIds) -> float:
    return float(np.isin(exact, found).mean())


def test_a_shortlist_finds_what_a_scan_finds_with_the_scores_of_the_scan(
    index: VectorIndex, signs: Signs
) -> None:
    shortlist = Shortlist([Part(signs, np.arange(COUNT))], 10, deepest=2)
    recalls = []
    for query in clustered(50, DIM, seed=2):
        assert shortlist.rows(query[None], 10, None) is not None  # it is no scan in disguise
        exact, scores = index.search(query, 10)
        found, estimated = index.search(query, 10, shortlist=shortlist)
        recalls.append(shared(found, exact))
        same = dict(zip(exact.tolist(), scores.tolist(), strict=True))
        for id_, score in zip(found.tolist(), estimated.tolist(), strict=True):
            assert same.get(id_, score) == score
        assert len(set(found.tolist())) == 10
    assert np.mean(recalls) >= 0.99


def test_vectors_that_all_point_one_way_are_told_apart() -> None:
    """Those of some models have a cosine of .7 and more to one another, whatever they are of."""
    common = np.ones(DIM, np.float32) * 1.5 / np.sqrt(DIM)
    rows, queries = (clustered(count, DIM, seed) + common for count, seed in ((COUNT, 1), (30, 2)))
    leaning = VectorIndex(DIM)
    leaning.add(np.arange(COUNT), rows / np.linalg.norm(rows, axis=1, keepdims=True))
    signs = Signs.of(leaning.read_rows, np.arange(COUNT))
    shortlist = Shortlist([Part(signs, np.arange(COUNT))], 10, deepest=2)
    recalls = []
    for query in queries / np.linalg.norm(queries, axis=1, keepdims=True):
        found, _ = leaning.search(query, 100, shortlist=shortlist)
        recalls.append(shared(found, leaning.search(query, 100)[0]))
    assert np.mean(recalls) >= 0.97


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.001])
def test_a_condition_is_kept_and_costs_no_recall(
    index: VectorIndex, signs: Signs, share: float
) -> None:
    allowed = np.random.default_rng(4).random(COUNT) < share
    among = Selection(index.ids, allowed)
    shortlist = Shortlist([Part(signs, np.arange(COUNT))], 10, exact_up_to=100, deepest=2)
    recalls, by_codes = [], 0
    for query in clustered(30, DIM, seed=5):
        by_codes += shortlist.rows(query[None], 11, among) is not None
        exact, _ = index.search(query, 10, among)
        found, _ = index.search(query, 10, among, shortlist)
        assert np.isin(found, index.ids[allowed]).all()
        assert len(found) == min(10, among.count)
        recalls.append(shared(found, exact))
    assert np.mean(recalls) >= 0.99
    assert by_codes == (30 if share > 0.25 else 0)  # few are scanned


@pytest.mark.parametrize("near", [50, 100, 500, 1_000, COUNT // 2])
def test_a_condition_that_leaves_out_what_is_nearest_costs_no_recall(
    index: VectorIndex, signs: Signs, near: int
) -> None:
    """All of a topic, say, so that what is wanted stands where estimates are less exact."""
    shortlist = Shortlist([Part(signs, np.arange(COUNT))], 10, exact_up_to=0, deepest=1)
    recalls = []
    for query in clustered(30, DIM, seed=6):
        left_out, _ = index.search(query, near)
        among = Selection(index.ids, ~np.isin(index.ids, left_out))
        found, _ = index.search(query, 10, among, shortlist)
        recalls.append(shared(found, index.search(query, 10, among)[0]))
    assert np.mean(recalls) >= 0.99


def test_rows_that_were_removed_are_never_found(index: VectorIndex, signs: Signs) -> None:
    gone = np.random.default_rng(7).random(COUNT) < 0.4
    less = VectorIndex(DIM)
    less.add(index.ids[~gone], index.read_rows(np.flatnonzero(~gone)))
    shortlist = Shortlist([Part(signs, np.where(gone, -1, np.cumsum(~gone) - 1))], 10, deepest=2)
    recalls = []
    for query in clustered(30, DIM, seed=8):
        exact, _ = less.search(query, 10)
        listed = shortlist.rows(query[None], 10, None)
        assert listed is not None
        assert listed.min() >= 0
        recalls.append(shared(less.search(query, 10, shortlist=shortlist)[0], exact))
    assert np.mean(recalls) >= 0.99


def test_several_parts_find_what_one_finds(index: VectorIndex) -> None:
    ends = [0, 12_000, 19_000, COUNT]
    spans = [np.arange(a, b) for a, b in pairwise(ends)]
    shortlist = Shortlist(
        [Part(Signs.of(index.read_rows, rows), rows) for rows in spans], 10, deepest=2
    )
    recalls = []
    for query in clustered(30, DIM, seed=9):
        found, _ = index.search(query, 10, shortlist=shortlist)
        recalls.append(shared(found, index.search(query, 10)[0]))
    assert np.mean(recalls) >= 0.99


def test_codes_are_the_same_after_the_disk_and_nothing_else_is_taken_for_them(
    index: VectorIndex, signs: Signs
) -> None:
    whole = saved(signs)
    again = Signs.read(whole)

    query = clustered(1, DIM, seed=10)
    np.testing.assert_array_equal(again.nearest(query, 500), signs.nearest(query, 500))
    assert (len(again), again.dim) == (COUNT, DIM)
    for end in [*range(0, 2_000, 97), len(whole) - 1]:
        with pytest.raises(ValueError, match="not a FAISS index"):
            Signs.read(whole[:end])
    other: list[bytes] = []
    VectorIndex(8).write(lambda data: other.append(bytes(data)) or len(data))  # type: ignore[func-returns-value]
    with pytest.raises(ValueError, match="IndexIDMap"):
        Signs.read(b"".join(other))


def test_what_is_measured_decides(index: VectorIndex, signs: Signs) -> None:
    good = measure(index, signs)
    assert good.factor in shortlists.FACTORS
    assert min(good.at_10, good.at_100) >= 0.99
    assert factor_of(good.to_record()) == good.factor

    rows = np.random.default_rng(11).normal(size=(COUNT, DIM)).astype(np.float32)
    rows[:, 2:] *= 0.001  # two numbers say everything, of which signs keep two bits
    flat = VectorIndex(DIM)
    flat.add(np.arange(COUNT), rows / np.linalg.norm(rows, axis=1, keepdims=True))
    bad = measure(flat, Signs.of(flat.read_rows, np.arange(COUNT)))
    assert (bad.factor, factor_of(bad.to_record())) == (0, 0)
    assert min(bad.at_10, bad.at_100) < 0.99


# A store. Sizes from which codes are used are made small, because texts take time.

SPACE = Fingerprint("made up", {}, "mean", True, "", "", DIM, 64)
SETTINGS = {"words": ANALYSIS}


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "CODED_FROM", 500)
    monkeypatch.setattr(shortlists, "EXACT_UP_TO", 1_000)
    monkeypatch.setattr(shortlists, "LEAST", 1)


def entry_of(number: int) -> Entry:
    text = f"text of number {number}"
    document = Document(f"d{number}", f"d{number}.md", f"T{number}", text, "md", {})
    digest = document_digest(document)
    chunk = Chunk(
        chunk_id(digest, 0, len(text)), document.id, document.title, "md", 0, len(text), text, ()
    )
    return Entry(document, digest, [chunk], [text_key(text)])


def publish(store: Store, numbers: list[int], add: list[int], remove: list[int]) -> Snapshot:
    """A snapshot of the documents ``numbers``; ``add`` and ``remove`` say how it comes about."""
    current, vectors = store.current_id(), clustered(4_000, DIM, seed=1)
    parent = None if current is None else Parent(store.path, current)
    rows = []
    with Build(store, parent, SPACE, SETTINGS) as build:
        for number in remove:
            build.remove(f"d{number}")
        for number in add:
            build.add(entry_of(number), [vectors[number][None]])
        for number in numbers:
            digest = source_digest([entry_of(number).digest])
            name = f"d{number}"
            row = LedgerRow(name, 1, name, Status.INDEXED)
            rows.append(replace(row, documents=1, chunks=1, digest=digest))
        published = build.publish(rows, "")
    return store.open(published)


def first_and_second(store: Store) -> tuple[Snapshot, Snapshot]:
    """3,000 documents; then a hundred of them removed, and fifty others added."""
    first = publish(store, list(range(3_000)), list(range(3_000)), [])
    left = [*range(100, 3_000), *range(3_000, 3_050)]
    return first, publish(store, left, list(range(3_000, 3_050)), list(range(100)))


def found_of(snapshot: Snapshot, vector: Vectors, *, exact: bool) -> list[str]:
    query = Query("", vector, 10, Mode.DENSE, candidates=10, exact=exact)
    return [hit.chunk.document_id for hit in snapshot.search(query)]


@pytest.mark.usefixtures("small_sizes")
def test_a_refresh_keeps_the_codes_of_what_stays_and_finds_what_is_new(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, second = first_and_second(store)

    large = first.manifest.segments[0].id
    name = f"segments/{large}/{SIGNS}"
    assert second.manifest.files[name] == first.manifest.files[name]
    assert dict(second.manifest.index) == dict(first.manifest.index)  # nothing measured again
    assert set(second.manifest.index) == {large}
    assert second.manifest.index[large]["at_10"] >= 0.99
    assert len(second.manifest.segments) == 2

    vectors = clustered(4_000, DIM, seed=1)
    for number in (0, 50, 100, 2_999, 3_000, 3_049):  # of old, removed and new documents
        exact = found_of(second, vectors[number], exact=True)
        found = found_of(second, vectors[number], exact=False)
        assert len(set(found) & set(exact)) >= 9
        assert (f"d{number}" in found) == (number >= 100)
        assert not {f"d{gone}" for gone in range(100)} & set(found)


@pytest.mark.usefixtures("small_sizes")
def test_damaged_codes_are_told_and_not_searched(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = publish(store, list(range(1_200)), list(range(1_200)), [])
    path = store.path / "segments" / first.manifest.segments[0].id / SIGNS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)

    with pytest.raises(SnapshotDamaged, match="is damaged"):
        store.open(first.id)


@pytest.mark.usefixtures("small_sizes")
def test_a_large_segment_that_nothing_was_measured_of_is_searched_exactly(tmp_path: Path) -> None:
    """As every snapshot of before there were codes."""
    store = Store(tmp_path / "store")
    first = publish(store, list(range(1_200)), list(range(1_200)), [])
    path = store.path / "snapshots" / first.id / "manifest.json"
    manifest = replace(
        first.manifest,
        index={},
        files={n: r for n, r in first.manifest.files.items() if not n.endswith(SIGNS)},
    )
    path.chmod(0o644)
    path.write_bytes(manifest.to_bytes())
    assert "index" not in json.loads(path.read_bytes())

    before = store.open(first.id)

    assert before._shortlist is None
    vector = clustered(1, DIM, seed=2)[0]
    assert found_of(before, vector, exact=False) == found_of(before, vector, exact=True)


def test_a_small_store_has_no_codes_and_the_manifest_of_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    small = publish(store, list(range(30)), list(range(30)), [])

    assert not [name for name in small.manifest.files if name.endswith(SIGNS)]
    body = json.loads((store.path / "snapshots" / small.id / "manifest.json").read_bytes())
    assert "index" not in body
    assert Manifest.from_bytes(small.manifest.to_bytes()) == small.manifest
