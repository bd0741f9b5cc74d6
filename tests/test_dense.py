"""Dense search finds what comparing every vector finds: by codes, in segments, under conditions."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus import dense as searching
from corpus import snapshot as snapshots
from corpus import vectors as indexes
from corpus.build import Build
from corpus.codes import Codes
from corpus.dense import Dense, Part
from corpus.errors import SnapshotDamaged
from corpus.files import record_of
from corpus.fingerprint import Fingerprint
from corpus.identity import ANALYSIS, chunk_id, document_digest, source_digest, text_key
from corpus.parent import Parent
from corpus.places import Mask, Places
from corpus.segment import CODES, VECTORS, WINDOWS
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.texts import Entry
from corpus.types import Chunk, ChunkIds, Document, LedgerRow, Mode, Query, Status, Vectors
from corpus.vectors import Choice, VectorIndex
from corpus.verifying import Verifier
from corpus.where import Compare, Not, OneOf, Op, Where

COUNT, DIM = 6_000, 96


def clustered(count: int, dim: int, seed: int) -> Vectors:
    """Unit rows around a few hundred centres, as those of texts are."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(200, dim))
    return unit(centres[chance.integers(0, 200, count)] + 0.7 * chance.normal(size=(count, dim)))


def unit(rows: Any) -> Vectors:
    made: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def index_of(ids: ChunkIds, vectors: Vectors) -> VectorIndex:
    index = VectorIndex(vectors.shape[1])
    index.add(ids, vectors)
    return index


def dense_of(vectors: Vectors, ends: Sequence[int] = (), gone: Mask | None = None) -> Dense:
    """A search of segments that end at these rows, less some. Ids are in no order."""
    ids = np.random.default_rng(3).permutation(2**40 + np.arange(len(vectors))).astype(np.int64)
    parts = []
    for rows in np.split(np.arange(len(vectors)), ends):
        index = index_of(ids[rows], vectors[rows])
        live = None if gone is None else Choice(~gone[rows])
        parts.append(Part(index, Codes.of(index), live))
    return Dense(parts)


def definition(dense: Dense, query: Vectors, k: int, allowed: Mask | None = None) -> Places:
    """The places with the greatest cosines, equal ones by id, as numpy computes them."""
    stored = [one.vectors.read_rows(np.arange(len(one.vectors))) for one in dense.parts]
    cosines = np.concatenate(stored) @ query
    places = np.arange(len(cosines)) if allowed is None else np.flatnonzero(allowed)
    order = np.lexsort((dense.ids_of(places), -cosines[places]))
    return places[order][:k]


@pytest.fixture
def by_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few there are."""
    monkeypatch.setattr(searching, "SCANNED_UP_TO", 0)


@pytest.fixture
def only_by_codes(by_codes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors of a segment are never all compared."""

    def refuse(*_: object) -> None:
        raise AssertionError("every vector was compared")

    monkeypatch.setattr(VectorIndex, "scan", refuse)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return clustered(COUNT, DIM, seed=1)


@pytest.mark.usefixtures("only_by_codes")
@pytest.mark.parametrize("dim", [7, 33, 96, 384])
def test_what_codes_name_holds_the_nearest_in_the_order_of_the_definition(dim: int) -> None:
    dense = dense_of(clustered(COUNT, dim, seed=1))

    for query in clustered(30, dim, seed=2):
        found, cosines = dense.search(query, 20)
        assert found.tolist() == definition(dense, query, 20).tolist()
        stored = dense.parts[0].vectors.read_rows(found)
        np.testing.assert_allclose(cosines, stored @ query, atol=1e-6)


@pytest.mark.usefixtures("by_codes")
def test_scores_are_to_the_bit_those_of_comparing_every_vector(vectors: Vectors) -> None:
    dense = dense_of(vectors, ends=(100, 2_500))

    for query in clustered(30, DIM, seed=2):
        found, cosines = dense.search(query, 100)
        exact, scores = dense.search(query, 100, exact=True)
        assert (found.tolist(), cosines.tolist()) == (exact.tolist(), scores.tolist())


@pytest.mark.usefixtures("only_by_codes")
@pytest.mark.parametrize("ends", [(3_000,), (0, 10, 11, 4_000, COUNT), (600, 1_200, 1_800, 5_990)])
def test_segments_are_searched_as_one_and_what_was_removed_is_never_found(
    vectors: Vectors, ends: tuple[int, ...]
) -> None:
    gone = np.random.default_rng(7).random(COUNT) < 0.4
    dense = dense_of(vectors, ends, gone)

    assert len(dense) == np.count_nonzero(~gone)
    for query in clustered(30, DIM, seed=8):
        found, _ = dense.search(query, 20)
        assert found.tolist() == definition(dense, query, 20, ~gone).tolist()


@pytest.mark.parametrize("limit", [0, searching.SCANNED_UP_TO])
def test_a_small_segment_may_hold_all_that_is_nearest(
    vectors: Vectors, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a topic that is new, say."""
    monkeypatch.setattr(searching, "SCANNED_UP_TO", limit)
    for query in clustered(5, DIM, seed=6):
        nearest = np.argsort(-(vectors @ query), kind="stable")
        dense = dense_of(np.roll(vectors[nearest], -200, axis=0), (COUNT - 200,))
        found, _ = dense.search(query, 100)
        assert found.tolist() == definition(dense, query, 100).tolist()
        assert min(found) >= COUNT - 201


@pytest.mark.usefixtures("only_by_codes")
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.001])
@pytest.mark.parametrize("ends", [(), (2_000, 5_000)])
@pytest.mark.parametrize("sifted_from", [0, indexes.SIFTED_FROM])
def test_a_condition_is_kept_and_costs_nothing_of_what_is_found(
    vectors: Vectors,
    share: float,
    ends: tuple[int, ...],
    sifted_from: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexes, "SIFTED_FROM", sifted_from)
    allowed = np.random.default_rng(4).random(COUNT) < share
    dense = dense_of(vectors, ends)

    for query in clustered(20, DIM, seed=5):
        found, _ = dense.search(query, 20, dense.select(allowed))
        assert found.tolist() == definition(dense, query, 20, allowed).tolist()


@pytest.mark.usefixtures("by_codes")
@pytest.mark.parametrize("near", [1, 50, 500, COUNT // 2, COUNT - 260, COUNT - 3])
@pytest.mark.parametrize("sifted_from", [0, indexes.SIFTED_FROM])
def test_a_condition_may_leave_out_just_what_is_nearest(
    vectors: Vectors, near: int, sifted_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a topic, say, so that what is wanted stands far down."""
    monkeypatch.setattr(indexes, "SIFTED_FROM", sifted_from)
    dense = dense_of(vectors, (2_000,))

    for query in clustered(8, DIM, seed=6):
        allowed = np.ones(COUNT, bool)
        allowed[definition(dense, query, near)] = False
        found, _ = dense.search(query, 20, dense.select(allowed))
        assert found.tolist() == definition(dense, query, 20, allowed).tolist()


def uneven(kind: str) -> Vectors:
    """Vectors that eight bits say little about."""
    chance = np.random.default_rng(11)
    rows = chance.normal(size=(COUNT, DIM))
    if kind == "one large component":
        rows[:, 0] *= 1_000
    if kind == "all below half a step":
        rows = np.abs(rows) * 0.01 / np.sqrt(DIM)
        rows[:, 0] = 4
    if kind == "two components say everything":
        rows[:, 2:] *= 0.001
    if kind == "one-hot":
        rows = np.eye(DIM)[chance.integers(0, DIM, COUNT)]
    if kind == "all one way":
        rows += 4
    return unit(rows)


@pytest.mark.usefixtures("by_codes")
@pytest.mark.parametrize(
    "kind",
    [
        "one large component",
        "all below half a step",
        "two components say everything",
        "one-hot",
        "all one way",
    ],
)
def test_vectors_that_codes_tell_badly_apart_are_found_all_the_same(kind: str) -> None:
    rows = uneven(kind)
    dense = dense_of(rows, (1_000, 1_500))

    for query in unit(rows[:20] + 0.3 * clustered(20, DIM, seed=12)):
        found, cosines = dense.search(query, 20)
        exact, scores = dense.search(query, 20, exact=True)
        assert (found.tolist(), cosines.tolist()) == (exact.tolist(), scores.tolist())


@pytest.mark.usefixtures("by_codes")
def test_a_question_without_direction_finds_chunks_by_id(vectors: Vectors) -> None:
    dense = dense_of(vectors)

    found, cosines = dense.search(np.zeros(DIM, np.float32), 5)

    assert found.tolist() == definition(dense, np.zeros(DIM, np.float32), 5).tolist()
    assert cosines.tolist() == [0.0] * 5


@pytest.mark.parametrize("limit", [0, searching.SCANNED_UP_TO])
def test_equal_scores_at_the_last_place_are_ordered_by_id(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal texts have equal vectors: which of them answer hangs on the ids alone."""
    monkeypatch.setattr(searching, "SCANNED_UP_TO", limit)
    different = clustered(2_000, DIM, seed=1)
    repeated = np.concatenate([different, np.repeat(different[:1], 200, axis=0)])
    order = np.random.default_rng(2).permutation(len(repeated))
    dense = dense_of(repeated[order], (300, 1_100))

    for k in (1, 3, 150, 201, 205):
        found, _ = dense.search(different[0], k)
        assert found.tolist() == definition(dense, different[0], k).tolist()


@settings(deadline=None)
@given(st.permutations(range(12)), st.integers(1, 20), st.integers(0, 12))
@example([0, 1, 3, 2, *range(4, 12)], 3, 12)
def test_equal_vectors_come_in_the_order_of_their_ids_however_they_are_stored(
    order: list[int], k: int, cut: int
) -> None:
    ids, same = np.array(order, np.int64), np.repeat(clustered(1, 8, seed=1), 12, axis=0)
    indexes = [index_of(ids[:cut], same[:cut]), index_of(ids[cut:], same[cut:])]
    dense = Dense([Part(one, Codes.of(one)) for one in indexes])

    found, _ = dense.search(clustered(1, 8, seed=2)[0], k)

    assert dense.ids_of(found).tolist() == list(range(min(k, 12)))


@pytest.mark.parametrize("limit", [0, searching.SCANNED_UP_TO])
def test_more_than_there_is_gives_all_there_is(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "SCANNED_UP_TO", limit)
    dense = dense_of(clustered(300, DIM, seed=1), (40,), np.arange(300) < 20)
    query = clustered(1, DIM, seed=2)[0]

    assert sorted(dense.search(query, 1_000)[0]) == list(range(20, 300))
    some = dense.select(np.arange(300) >= 290)
    assert sorted(dense.search(query, 1_000, some)[0]) == list(range(290, 300))


def test_a_query_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a query of shape \(96,\), got \(97,\)"):
        dense_of(clustered(30, DIM, seed=1)).search(clustered(1, DIM + 1, seed=1)[0], 5)


def test_where_there_is_nothing_nothing_is_found() -> None:
    query = clustered(1, DIM, seed=2)[0]
    empty = VectorIndex(DIM)

    for dense in (Dense([]), Dense([Part(empty, Codes.of(empty))])):
        assert len(dense) == 0
        assert dense.search(query, 5)[0].tolist() == []
        assert dense.search(query, 5, dense.select(np.empty(0, bool)))[0].tolist() == []
    full = dense_of(clustered(30, DIM, seed=1), (10,))
    assert full.search(query, 5, full.select(np.zeros(30, bool)))[0].tolist() == []


# --- codes as a file --------------------------------------------------------------------------


def saved(written: VectorIndex | Codes) -> bytes:
    pieces: list[bytes] = []

    def take(data: bytes) -> int:
        pieces.append(bytes(data))
        return len(data)

    written.write(take)
    return b"".join(pieces)


def test_codes_are_the_same_after_the_disk_and_nothing_else_is_taken_for_them(
    vectors: Vectors,
) -> None:
    index = index_of(np.arange(COUNT), vectors)
    codes = Codes.of(index)
    whole = saved(codes)
    again = Codes.read(whole)

    query = clustered(1, DIM, seed=10)
    for number in range(2):  # rows, estimates
        before, after = (one.scan(query, 500, None)[number] for one in (codes, again))
        np.testing.assert_array_equal(after, before)
    assert (len(again), again.dim) == (COUNT, DIM)
    for end in [*range(9), *range(9, 2_000, 97), len(whole) - 1]:
        with pytest.raises(ValueError, match=r"not a FAISS index|at least 8 bytes"):
            Codes.read(whole[:end])
    with pytest.raises(ValueError, match="IndexIDMap"):
        Codes.read(whole[:8] + saved(index))


def test_estimates_are_cosines_to_some_thousandths(vectors: Vectors) -> None:
    index = index_of(np.arange(COUNT), vectors)
    query = clustered(1, DIM, seed=10)

    rows, estimates = Codes.of(index).scan(query, COUNT, None)

    np.testing.assert_allclose(estimates, index.read_rows(rows) @ query[0], atol=0.01)


# --- a store ----------------------------------------------------------------------------------

SPACE = Fingerprint("made up", {}, "mean", True, "", "", DIM, 64)
SETTINGS = {"words": ANALYSIS}


def entry_of(number: int) -> Entry:
    text = f"text of number {number}"
    facts = {"n": str(number), "tens": str(number // 10)}
    document = Document(f"d{number}", f"d{number}.md", f"T{number}", text, "md", facts)
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
            build.add(entry_of(number), [np.repeat(vectors[number][None], 3, axis=0)])
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


def found_of(
    snapshot: Snapshot, vector: Vectors, *, where: Where | None = None, exact: bool = False
) -> list[tuple[str, float]]:
    query = Query("", vector, 10, Mode.DENSE, candidates=10, where=where, exact=exact)
    return [(hit.chunk.document_id, hit.score) for hit in snapshot.search(query)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("dense") / "store")
    first_and_second(store)
    return store


@pytest.mark.usefixtures("by_codes")
@pytest.mark.parametrize("mapped_up_to", [0, snapshots.MAPPED_UP_TO])
def test_a_refresh_keeps_the_codes_of_what_stays_and_finds_what_is_new(
    stored: Store, mapped_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAPPED_UP_TO", mapped_up_to)
    first, second = (stored.open(one.id) for one in reversed(stored.snapshots()))
    name = f"segments/{first.manifest.segments[0].id}/{CODES}"
    assert second.manifest.files[name] == first.manifest.files[name]
    assert len(second.manifest.segments) == 2

    vectors = clustered(4_000, DIM, seed=1)
    for number in (0, 50, 100, 2_999, 3_000, 3_049):  # of old, removed and new documents
        found = found_of(second, vectors[number])
        assert found == found_of(second, vectors[number], exact=True)
        names = [name for name, _ in found]
        assert (names[0] == f"d{number}") == (number >= 100)
        assert not {f"d{gone}" for gone in range(100)} & set(names)


@pytest.mark.usefixtures("by_codes")
def test_conditions_hold_in_segments_of_which_documents_were_removed(stored: Store) -> None:
    snapshot = stored.open()
    vectors = clustered(4_000, DIM, seed=1)
    tens = OneOf("tens", ("9", "10", "299", "300", "304"))

    assert snapshot.allowed(tens).chunks == 40  # those of 9 were removed
    for number in (95, 105, 3_005):
        some = found_of(snapshot, vectors[number], where=tens)
        others = found_of(snapshot, vectors[number], where=Not(tens))
        assert some == found_of(snapshot, vectors[number], where=tens, exact=True)
        assert others == found_of(snapshot, vectors[number], where=Not(tens), exact=True)
        assert (some[0][0] == f"d{number}") == (number != 95)
        assert f"d{number}" not in dict(others)
    [(only, _)] = found_of(snapshot, vectors[1], where=Compare("n", Op.EQUAL, "3001"))
    assert only == "d3001"


def test_a_document_that_comes_back_is_found_where_it_is_and_not_where_it_was(
    tmp_path: Path,
) -> None:
    """Its chunk has the same id in both segments."""
    store, vectors = Store(tmp_path / "store"), clustered(4_000, DIM, seed=1)
    publish(store, list(range(20)), list(range(20)), [])
    publish(store, list(range(1, 20)), [], [0])
    snapshot = publish(store, list(range(21)), [0, 20], [])
    assert len(snapshot.manifest.segments) == 2

    for where in (None, Compare("n", Op.EQUAL, "0"), Not(Compare("n", Op.EQUAL, "1"))):
        found = [name for name, _ in found_of(snapshot, vectors[0], where=where)]
        assert found[0] == "d0"
        assert len(set(found)) == len(found)


def test_damaged_codes_are_told_and_not_searched(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = publish(store, list(range(50)), list(range(50)), [])
    path = store.path / "segments" / first.manifest.segments[0].id / CODES
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)

    with pytest.raises(SnapshotDamaged, match=f"{CODES} fails its checksum"):
        store.open(first.id)


def resident_kb(path: Path) -> int:
    """How much of a file is mapped into this process and in memory."""
    total, here = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def rewritten(store: Store, snapshot_id: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as another version would have written it."""
    path = store.path / "snapshots" / snapshot_id / "manifest.json"
    body = json.loads(path.read_bytes())
    del body["sha256"]
    change(body)
    checked = hashlib.sha256(json.dumps(body, sort_keys=True, indent=1).encode() + b"\n")
    body["sha256"] = checked.hexdigest()
    path.chmod(0o644)
    path.write_bytes(json.dumps(body, sort_keys=True, indent=1).encode() + b"\n")


def test_codes_of_other_vectors_are_refused(tmp_path: Path) -> None:
    """However well they and the manifest agree: their rows would name what is not there."""
    store = Store(tmp_path / "store")
    snapshot = publish(store, list(range(50)), list(range(50)), [])
    path = store.path / "segments" / snapshot.manifest.segments[0].id / CODES
    path.chmod(0o644)
    path.write_bytes(saved(Codes.of(index_of(np.arange(51), clustered(51, DIM, seed=1)))))
    record = asdict(record_of(path))
    name = path.relative_to(store.path).as_posix()
    rewritten(store, snapshot.id, lambda body: body["files"].update({name: record}))

    with pytest.raises(SnapshotDamaged, match=f"{CODES} has 51 codes of 96 dimensions"):
        store.open(snapshot.id)


@pytest.mark.usefixtures("by_codes")
def test_a_store_of_before_there_were_these_codes_answers_and_is_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its large segments had other ones, and the manifest said how much these found."""
    monkeypatch.setattr(snapshots, "MAPPED_UP_TO", 0)
    store, vectors = Store(tmp_path / "store"), clustered(4_000, DIM, seed=1)
    first = publish(store, list(range(500)), list(range(500)), [])
    segment = first.manifest.segments[0].id
    signs = store.path / "segments" / segment / "signs.faiss"
    (signs.parent / CODES).rename(signs)

    def before(body: dict[str, Any]) -> None:
        record = body["files"].pop(f"segments/{segment}/{CODES}")
        body["files"][f"segments/{segment}/signs.faiss"] = record
        body["index"] = {segment: {"kind": "signs", "factor": 10, "at_10": 1.0, "at_100": 1.0}}

    rewritten(store, first.id, before)
    old = store.open(first.id)
    assert resident_kb(signs.parent / VECTORS) == 0  # although codes were made of all of them
    new = publish(store, list(range(1, 510)), list(range(500, 510)), [0])

    assert Verifier(store.path).damage(first.id) == Verifier(store.path).damage(new.id) == ()
    assert new.manifest.files[f"segments/{segment}/signs.faiss"] == record_of(signs)
    for number in (0, 1, 499, 505):
        assert found_of(old, vectors[number]) == found_of(first, vectors[number])
        found = found_of(new, vectors[number])
        assert found == found_of(new, vectors[number], exact=True)
        assert (found[0][0] == f"d{number}") == (number > 0)
    signs.chmod(0o644)
    signs.write_bytes(signs.read_bytes()[:-1] + b"x")
    with pytest.raises(SnapshotDamaged, match=r"signs\.faiss fails its checksum"):
        store.open(first.id)


@pytest.mark.usefixtures("by_codes")
def test_of_a_large_snapshot_codes_alone_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    publish(store, list(range(3_000)), list(range(3_000)), [])
    [folder] = (store.path / "segments").iterdir()
    gc.collect()
    sizes = {}
    for mapped_up_to in (snapshots.MAPPED_UP_TO, 0):
        monkeypatch.setattr(snapshots, "MAPPED_UP_TO", mapped_up_to)
        snapshot = store.open()
        for vector in clustered(50, DIM, seed=2):
            found_of(snapshot, vector)
            found_of(snapshot, vector, exact=True)
        names = (VECTORS, WINDOWS, CODES)
        sizes[mapped_up_to] = [resident_kb(folder / name) for name in names]
        del snapshot
        gc.collect()

    small, large = sizes.values()
    assert min(small) > 0
    assert large[:2] == [0, 0]
    assert large[2] >= 3_000 * DIM // 1_024


def test_a_large_snapshot_that_is_held_answers_when_its_files_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAPPED_UP_TO", 0)
    store, vector = Store(tmp_path / "store"), clustered(1, DIM, seed=2)[0]
    snapshot = publish(store, list(range(100)), list(range(100)), [])
    found = found_of(snapshot, vector)

    shutil.rmtree(store.path / "segments")

    assert found_of(snapshot, vector) == found


@pytest.mark.usefixtures("by_codes")
@pytest.mark.parametrize("mapped_up_to", [0, snapshots.MAPPED_UP_TO])
def test_threads_that_search_at_once_find_what_one_finds(
    stored: Store, mapped_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while one of them lets go of all that it read."""
    monkeypatch.setattr(snapshots, "MAPPED_UP_TO", mapped_up_to)
    snapshot = stored.open()
    queries = clustered(40, DIM, seed=2)
    expected = [found_of(snapshot, vector) for vector in queries]
    found: list[list[object]] = [[] for _ in range(4)]

    def ask(number: int) -> None:
        for vector in queries:
            found[number].append(found_of(snapshot, vector, exact=number == 0))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [expected] * 4
