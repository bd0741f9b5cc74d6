"""The snapshot that answers: swapped when a good one comes, kept when a bad one does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.errors import CorpusError, EmbeddingMismatch, NoSnapshot
from corpus.types import Mode, Query
from rag.live import LiveCorpus
from tests.conftest import WordHashEncoder, Workbench


@pytest.fixture
def live(bench: Workbench) -> LiveCorpus:
    return LiveCorpus(bench.store, bench.encoder)


def publish(bench: Workbench, words: str) -> str:
    bench.write("a.md", f"# Note\n\nAbout {words}.")
    return str(bench.ingest().snapshot)


def damage(bench: Workbench, snapshot_id: str) -> Callable[[], object]:
    """Empty a file of a snapshot. Returns what mends it."""
    path = bench.store.path / f"snapshots/{snapshot_id}/words/meta.json"
    before = path.read_bytes()
    path.write_bytes(b"")
    return lambda: path.write_bytes(before)


def test_without_a_snapshot_there_is_no_answer_and_the_reason_is_told(live: LiveCorpus) -> None:
    with pytest.raises(NoSnapshot):
        live.get()
    assert "rag ingest" in live.problems()[0]


def test_the_first_snapshot_is_served_as_soon_as_it_is_there(
    bench: Workbench, live: LiveCorpus
) -> None:
    with pytest.raises(NoSnapshot):
        live.get()
    first = publish(bench, "apples")

    assert live.get().id == first
    assert live.problems() == []


def test_a_newer_snapshot_is_served_after_a_look_and_the_one_in_hand_stays_whole(
    bench: Workbench, live: LiveCorpus
) -> None:
    first = publish(bench, "apples")
    held = live.get()
    second = publish(bench, "bees")
    assert live.get().id == first, "nobody looked yet"
    live.poll()

    assert live.get().id == second
    assert held.id == first
    assert held.document("a.md").text == "# Note\n\nAbout apples."
    assert held.search(Query("apples", None, 1, Mode.WORDS))


def test_looking_again_opens_nothing_anew(bench: Workbench, live: LiveCorpus) -> None:
    publish(bench, "apples")
    served = live.get()
    live.poll()

    assert live.get() is served


def test_going_back_is_a_swap_too(bench: Workbench, live: LiveCorpus) -> None:
    first, _ = publish(bench, "apples"), publish(bench, "bees")
    live.poll()
    with bench.store.writing():
        bench.store.activate(first)
    live.poll()

    assert live.get().id == first


def test_a_damaged_snapshot_is_not_served_the_old_one_is_and_the_problem_is_told_until_mended(
    bench: Workbench, live: LiveCorpus
) -> None:
    first = publish(bench, "apples")
    live.poll()
    second = publish(bench, "bees")
    mend = damage(bench, second)
    live.poll()
    assert live.get().id == first
    assert "damaged" in live.problems()[0]

    mend()
    live.poll()
    assert (live.get().id, live.problems()) == (second, [])


def test_a_pointer_that_is_garbage_leaves_the_served_snapshot(
    bench: Workbench, live: LiveCorpus
) -> None:
    first = publish(bench, "apples")
    live.poll()
    for garbage in (b"", b"../x", b"0123456789abcdef"):
        (bench.store.path / "CURRENT").write_bytes(garbage)
        live.poll()
        assert live.get().id == first
        assert live.problems() != []


def test_when_the_first_is_damaged_there_is_no_answer_but_the_reason(
    bench: Workbench, live: LiveCorpus
) -> None:
    damage(bench, publish(bench, "apples"))

    with pytest.raises(CorpusError, match="damaged"):
        live.get()


def test_a_snapshot_of_another_model_is_refused_first_and_later(
    bench: Workbench, tmp_path: Path
) -> None:
    publish(bench, "apples")
    other = LiveCorpus(bench.store, WordHashEncoder("another-model"))
    with pytest.raises(EmbeddingMismatch, match="another-model"):
        other.get()

    live = LiveCorpus(bench.store, bench.encoder)
    first = live.get().id
    (tmp_path / "b").mkdir()
    foreign = Workbench(tmp_path / "b")
    foreign.encoder = WordHashEncoder("another-model")
    theirs = publish(foreign, "bees")
    for kind in ("snapshots", "segments"):
        for folder in (foreign.store.path / kind).iterdir():
            folder.rename(bench.store.path / kind / folder.name)
    bench.store.set_current(theirs)
    live.poll()

    assert live.get().id == first
    assert "another-model" in live.problems()[0]


def test_a_model_that_only_claims_to_be_the_same_is_refused(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(bench, "apples")
    impostor = WordHashEncoder("another-model")
    monkeypatch.setattr(impostor, "fingerprint", bench.encoder.fingerprint)
    impostor._vector = WordHashEncoder("another-model")._vector  # type: ignore[method-assign]  # its own place

    with pytest.raises(EmbeddingMismatch, match="cosine"):
        LiveCorpus(bench.store, impostor).get()


def test_many_threads_get_one_snapshot_while_others_are_published(
    bench: Workbench, live: LiveCorpus
) -> None:
    ids = {publish(bench, "apples")}
    stop, seen, errors = threading.Event(), set[str](), list[Exception]()

    def ask() -> None:
        while not stop.is_set():
            try:
                snapshot = live.get()
                hits = snapshot.search(Query("about", None, 3, Mode.WORDS))
                assert [hit.chunk.document_id for hit in hits] == ["a.md"]
                seen.add(snapshot.id)
            except Exception as error:  # to be told by the assertion
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(8):
        ids.add(publish(bench, f"turn {turn}"))
        live.poll()
    stop.set()
    for thread in threads:
        thread.join()

    assert errors == []
    assert seen <= ids


def test_without_the_probe_a_corpus_is_opened_and_searched_without_embedding(
    bench: Workbench,
) -> None:
    bench.write("a.md", "About parsnips.")
    bench.ingest()
    encoder = WordHashEncoder()

    live = LiveCorpus(bench.store, encoder, probe=False)

    assert live.get().search(Query("parsnips", None, 3, Mode.WORDS))
    assert encoder.embedded == []
