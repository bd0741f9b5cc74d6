"""The snapshot that answers: swapped when a good one comes, kept when a bad one does."""

from __future__ import annotations

import errno
import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus import tags
from corpus.errors import (
    CorpusError,
    EmbeddingMismatch,
    NoSnapshot,
    SnapshotDamaged,
    UnknownSnapshot,
)
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.types import Mode, Query
from corpus.where import Glob
from rag import admission
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


def test_a_snapshot_that_was_replaced_is_let_go_at_once_although_the_collector_knows_it_as_lasting(
    bench: Workbench, live: LiveCorpus
) -> None:
    publish(bench, "apples")
    live.get().search(Query("apples", None, 1, Mode.WORDS, where=Glob("path", "*")))
    served = weakref.ref(live.get())
    gc.freeze()  # as the service does when it has started
    try:
        publish(bench, "bees")
        live.poll()

        assert served() is None
    finally:
        gc.unfreeze()


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


# --- the newest that is whole answers where nothing was served yet -------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of snapshots in the order in which they were read whole."""
    ids, really = list[str](), Store.open

    def open_(self: Store, snapshot_id: str | None = None) -> Snapshot:
        ids.append(str(snapshot_id))
        return really(self, snapshot_id)

    monkeypatch.setattr(Store, "open", open_)
    return ids


def test_where_the_current_is_damaged_the_newest_that_is_whole_answers_and_says_so(
    bench: Workbench, live: LiveCorpus
) -> None:
    oldest, middle = publish(bench, "apples"), publish(bench, "bees")
    newest, current = publish(bench, "cats"), publish(bench, "dogs")
    mend = damage(bench, current)
    damage(bench, newest)

    served = live.get()

    assert served.id == middle != oldest
    assert served.document("a.md").text.endswith("About bees.")
    (problem,) = live.problems()
    assert current in problem
    assert f"snapshot {middle} answers in its place" in problem
    assert live.info(served).problem == problem
    mend()
    live.poll()
    assert (live.get().id, live.problems(), live.info(live.get()).problem) == (current, [], "")


@pytest.mark.parametrize("pointer", [b"", b"../x", b"0123456789abcdef", b"\xff\xfe", None])
def test_where_the_pointer_is_garbage_or_gone_the_newest_answers(
    bench: Workbench, live: LiveCorpus, pointer: bytes | None
) -> None:
    publish(bench, "apples")
    newest = publish(bench, "bees")
    (bench.store.path / "CURRENT").unlink()
    if pointer is not None:
        (bench.store.path / "CURRENT").write_bytes(pointer)

    assert live.get().id == newest
    assert "CURRENT" in live.problems()[0]


def test_what_is_damaged_is_not_read_again_before_its_files_change(
    bench: Workbench, live: LiveCorpus, opened: list[str]
) -> None:
    first, second = publish(bench, "apples"), publish(bench, "bees")
    mend = damage(bench, second)
    opened.clear()
    for _ in range(5):
        live.poll()
        live.get()
    assert opened == [second, first]

    mend()
    live.poll()

    assert opened == [second, first, second]
    assert live.get().id == second


def test_where_nothing_is_whole_the_reason_is_told_and_nothing_is_read_again(
    bench: Workbench, live: LiveCorpus, opened: list[str]
) -> None:
    first, second = publish(bench, "apples"), publish(bench, "bees")
    damage(bench, first)
    damage(bench, second)
    opened.clear()
    for _ in range(5):
        with pytest.raises(SnapshotDamaged, match=second):
            live.get()

    assert opened == [second, first]


def test_an_error_that_passes_is_tried_again(
    bench: Workbench, live: LiveCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish(bench, "apples"), publish(bench, "bees")

    def refused(self: Store, snapshot_id: str) -> Snapshot:
        if snapshot_id == second:
            raise SnapshotDamaged("too many") from OSError(errno.EMFILE, "Too many open files")
        return Snapshot(self.path, snapshot_id)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "open", refused)
        assert live.get().id == first
    live.poll()
    assert live.get().id == first, "not at once"
    now = admission.time.monotonic()
    monkeypatch.setattr("rag.admission.time.monotonic", lambda: now + admission.RETRY_S)
    live.poll()

    assert (live.get().id, live.problems()) == (second, [])


def test_a_run_that_publishes_ends_the_degradation(bench: Workbench, live: LiveCorpus) -> None:
    publish(bench, "apples")
    damage(bench, publish(bench, "bees"))
    live.get()
    assert live.problems() != []
    third = publish(bench, "cats")
    live.poll()

    assert (live.get().id, live.problems()) == (third, [])


def test_a_snapshot_of_another_model_does_not_answer_in_place_of_a_damaged_one(
    bench: Workbench, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    foreign = Workbench(tmp_path / "b")
    foreign.encoder = WordHashEncoder("another-model")
    publish(foreign, "bees")
    damage(bench, publish(bench, "apples"))
    for kind in ("snapshots", "segments"):
        for folder in (foreign.store.path / kind).iterdir():
            folder.rename(bench.store.path / kind / folder.name)

    with pytest.raises(SnapshotDamaged):
        LiveCorpus(bench.store, bench.encoder).get()


def test_a_snapshot_that_is_replaced_and_removed_while_it_is_opened_costs_nobody_an_answer(
    bench: Workbench, live: LiveCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(bench, "apples")
    really, published = Store.open, list[str]()

    def outrun(self: Store, snapshot_id: str | None = None) -> Snapshot:
        if not published:
            published.append("")
            published[0] = publish(bench, "bees")
            bench.store.collect(keep=1)
        return really(self, snapshot_id)

    monkeypatch.setattr(Store, "open", outrun)

    assert live.get().id == published[0]
    assert live.problems() == []


# --- snapshots that are asked for ----------------------------------------------------------------


def test_a_snapshot_that_is_asked_for_answers_beside_the_current_one(
    bench: Workbench, live: LiveCorpus
) -> None:
    first, second = publish(bench, "apples"), publish(bench, "bees")
    with bench.store.writing():
        tags.add(bench.store.path, "v1", first)

    assert {live.get(name).id for name in (first, "v1", first[:8])} == {first}
    assert live.get("v1").document("a.md").text.endswith("About apples.")
    assert live.get().id == live.get(second).id == second
    for name in ("v2", first[:7], "", "..", "\0", "x" * 5000):
        with pytest.raises(UnknownSnapshot, match="rag snapshots list"):
            live.get(name)


def test_asking_again_opens_nothing_anew_and_few_stay_open(
    bench: Workbench, live: LiveCorpus, opened: list[str]
) -> None:
    ids = [publish(bench, f"word{number}") for number in range(5)]
    served = live.get()
    opened.clear()
    for _ in range(4):
        for wanted in (*ids[:2], ids[4]):
            assert live.get(wanted).id == wanted
    assert opened == ids[:2]
    assert live.get(ids[4]) is served

    live.get(ids[2])  # in place of the one that was used longest ago
    live.get(ids[1])
    live.get(ids[0])

    assert opened == [*ids[:2], ids[2], ids[0]]


def test_a_snapshot_that_was_asked_for_is_not_read_again_to_become_the_current_one(
    bench: Workbench, live: LiveCorpus, opened: list[str]
) -> None:
    first, _ = publish(bench, "apples"), publish(bench, "bees")
    live.get()
    asked_for = live.get(first)
    with bench.store.writing():
        bench.store.activate(first)
    opened.clear()
    live.poll()

    assert live.get() is asked_for
    assert opened == []


def test_a_snapshot_that_is_gone_is_let_go_and_cannot_be_asked_for(
    bench: Workbench, live: LiveCorpus
) -> None:
    first, _ = publish(bench, "apples"), publish(bench, "bees")
    held = live.get(first)
    with bench.store.writing():
        bench.store.collect(keep=1)
    live.poll()

    with pytest.raises(UnknownSnapshot):
        live.get(first)
    assert held.search(Query("apples", None, 1, Mode.WORDS)), "who holds it keeps it"


def test_a_snapshot_that_is_asked_for_must_be_whole_and_of_the_same_model(
    bench: Workbench, live: LiveCorpus
) -> None:
    first, second = publish(bench, "apples"), publish(bench, "bees")
    damage(bench, first)

    with pytest.raises(SnapshotDamaged):
        live.get(first)
    assert (live.get().id, live.problems()) == (second, [])
    with pytest.raises(EmbeddingMismatch, match="another-model"):
        LiveCorpus(bench.store, WordHashEncoder("another-model")).get(second)
