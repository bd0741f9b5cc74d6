"""Vectors of parts of a chunk: what they are, how they are kept, and what they find."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import SnapshotDamaged
from corpus.files import record_of
from corpus.places import Layout
from corpus.segment import WINDOW_SUMS, WINDOWS
from corpus.types import Hit, Mode, Query, Vectors
from corpus.windows import MOST, WindowFile, Windows, WindowWriter, decode, encode, pool
from tests.conftest import Workbench, settings_for

DIM = 24


def made_up(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def written(path: Path, *chunks: Vectors) -> WindowFile | None:
    writer = WindowWriter(path, DIM)
    writer.add(chunks[:1])
    writer.add(chunks[1:])
    finished = writer.finish()
    if finished is None:
        return None
    assert finished[0] == record_of(path)
    return WindowFile(path, DIM)


@pytest.mark.parametrize(
    ("tokens", "windows"), [(0, 0), (1, 1), (32, 1), (48, 2), (64, 2), (160, 5), (254, 5)]
)
def test_windows_are_means_of_stretches_that_make_up_the_text(tokens: int, windows: int) -> None:
    outputs = np.eye(max(tokens, 1), dtype=np.float32)[:tokens]

    pooled = pool(outputs)

    assert pooled.shape == (windows, max(tokens, 1))
    assert (np.count_nonzero(pooled, axis=0) == 1).all() or not tokens
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, rtol=1e-5)


@given(st.lists(st.integers(0, MOST), min_size=1, max_size=9), st.integers(0, 1000))
def test_eight_bits_keep_the_direction_and_change_no_more(counts: list[int], seed: int) -> None:
    chunks = [made_up(count, seed + place) for place, count in enumerate(counts)]

    encoded = encode(chunks)

    width = len(encoded) // len(chunks)
    kept = [decode(encoded[at : at + width], DIM) for at in range(0, len(encoded), width)]
    for its, windows in zip(kept, chunks, strict=True):
        assert its.shape == windows.shape
        np.testing.assert_allclose((its * windows).sum(axis=1), 1, atol=4e-3)
    assert encode(kept) == encoded == b"".join(encode([windows]) for windows in chunks)


def test_a_segment_whose_chunks_have_no_windows_has_no_file(tmp_path: Path) -> None:
    assert written(tmp_path / "windows", made_up(0), made_up(0)) is None
    assert not (tmp_path / "windows").exists()


def test_a_chunk_without_windows_keeps_its_row(tmp_path: Path) -> None:
    chunks = [made_up(0), made_up(3, 1), made_up(0), made_up(1, 2)]
    file = written(tmp_path / "windows", *chunks)

    assert file is not None
    assert [len(file[row]) for row in range(4)] == [0, 3, 0, 1]
    best = file.best(np.arange(4), chunks[1][2])
    assert best[[0, 2]].tolist() == [-1, -1]
    assert best[1] == pytest.approx(1, abs=4e-3)
    assert best[3] == pytest.approx(float((chunks[3] @ chunks[1][2])[0]), abs=4e-3)


def test_the_best_window_is_found_in_whatever_segment_it_lies(tmp_path: Path) -> None:
    chunks = {number: made_up(1 + number % MOST, number) for number in range(1, 30)}
    segments = [[7, 3, 20, 11], [8, 9], [29, 1, 5]]
    files = [
        written(tmp_path / str(number), *(chunks[one] for one in ids))
        for number, ids in enumerate(segments)
    ]
    windows = Windows(Layout([4, 2, 3]), [files[0], None, files[2]])  # those of one have none
    query = made_up(1, 99)[0]

    best = windows.best(np.array([8, 4, 2, 0, 5]), query)

    expected = [(chunks[one] @ query).max() for one in (5, 20, 7)]
    np.testing.assert_allclose(best[[0, 2, 3]], expected, atol=4e-3)
    assert best[[1, 4]].tolist() == [-1, -1]


def test_windows_are_the_same_whether_what_was_read_stays_or_not(tmp_path: Path) -> None:
    chunks = [made_up(number % (MOST + 1), number) for number in range(40)]
    mapped = written(tmp_path / "windows", *chunks)
    scattered = WindowFile(tmp_path / "windows", DIM, stays=False)
    rows, query = np.random.default_rng(1).integers(0, 40, 100), made_up(1, 99)[0]

    assert mapped is not None
    np.testing.assert_array_equal(scattered.best(rows, query), mapped.best(rows, query))
    np.testing.assert_array_equal(scattered[7], mapped[7])
    (tmp_path / "windows").write_bytes((tmp_path / "windows").read_bytes()[:-1])
    with pytest.raises(ValueError, match="multiple"):
        WindowFile(tmp_path / "windows", DIM, stays=False)


def test_a_chunk_is_as_near_as_the_part_of_it_that_is_asked_for(bench: Workbench) -> None:
    bench.write("one.txt", "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu")
    bench.write("two.txt", "alpha beta gamma delta unrelated words that say something else here")
    bench.ingest()
    asked = "eta theta iota kappa lambda mu"

    query = Query(asked, bench.encoder.encode_query(asked), 2, Mode.DENSE)
    first, second = bench.store.open().search(query)

    assert first.chunk.document_id == "one.txt"
    assert first.score == pytest.approx(1, abs=4e-3)
    assert second.score < first.score


def test_a_refresh_keeps_the_windows_of_what_stays(bench: Workbench) -> None:
    long = "alpha beta gamma delta epsilon zeta eta theta"
    bench.write("a.md", f"# A\n\n{long} one.\n\n# B\n\n{long} two.\n")
    bench.write("b.md", f"# C\n\n{long} three.\n")
    bench.ingest()
    bench.write("a.md", f"# A\n\n{long} one.\n\n# B\n\n{long} four.\n")
    bench.ingest()
    found = {one.chunk.text: one.score for one in everything(bench, f"{long} one.")}

    shutil.rmtree(bench.store.path)
    bench.ingest()

    assert found == {one.chunk.text: one.score for one in everything(bench, f"{long} one.")}


def everything(bench: Workbench, asked: str) -> tuple[Hit, ...]:
    query = Query(asked, bench.encoder.encode_query(asked), 10, Mode.DENSE)
    return bench.store.open().search(query)


@pytest.mark.parametrize("name", [WINDOWS, WINDOW_SUMS])
def test_windows_are_verified_before_they_are_used(bench: Workbench, name: str) -> None:
    bench.write("a.txt", "alpha beta gamma delta epsilon zeta eta theta")
    bench.ingest()
    [path] = (bench.store.path / "segments").glob(f"*/{name}")
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(SnapshotDamaged, match=f"{name} fails its checksum"):
        bench.store.open()


def test_the_real_model_finds_a_sentence_in_a_chunk_about_more(tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(settings_for(tmp_path).embedding)
    filler = "The town lies on a river and has a market on every second Saturday of the month. "
    text = filler * 4 + "Its library was founded by a botanist in 1871. " + filler * 4
    short, long = encoder.encode_chunks(["A short text.", text])
    query = encoder.encode_query("Who founded the library?")

    assert long[0] == pytest.approx(encoder.encode_documents([text])[0], abs=1e-2)
    assert (len(short), len(long)) == (2, 1 + MOST)
    assert (long[1:] @ query).max() > (long[0] @ query) + 0.05


def test_how_near_the_whole_chunk_is_is_told_as_well(bench: Workbench) -> None:
    text = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
    bench.write("one.txt", text)
    bench.ingest()
    asked = "eta theta iota kappa lambda mu"
    vector = bench.encoder.encode_query(asked)

    [hit] = bench.store.open().search(Query(asked, vector, 1))

    embedded = next(one for one in bench.encoder.embedded if text in one)
    [whole] = bench.encoder.encode_documents([embedded])
    assert hit.scores.whole == pytest.approx(float(whole @ vector), abs=4e-3)
    assert hit.scores.dense is not None
    assert hit.scores.dense > hit.scores.whole + 0.1
