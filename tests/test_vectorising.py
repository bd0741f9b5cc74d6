"""The model computes while the run goes on, and nothing that it made is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from corpus.errors import ModelUnavailable, UnreadableSource
from corpus.fingerprint import PROBES
from corpus.store import Store
from corpus.types import ChunkVectors, Vectors
from ingest import making, reading, vectorising
from ingest.making import Cutting, Made, Task
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.reading import Content
from ingest.runner import Runner
from ingest.sources import Source
from tests.conftest import WordHashEncoder, Workbench

FILES = 24


class Watching(Silent):
    """Calls back when so many files are prepared."""

    def __init__(self, files: int, then: Callable[[], None]) -> None:
        self._left, self._then = files, then

    def step(self, detail: str, amount: int = 1) -> None:
        self._left -= amount
        if not self._left:
            self._then()


class Slow(WordHashEncoder):
    """Begins when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_begin = threading.Event(), threading.Event()
        self.threads: set[int] = set()

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        self.threads.add(threading.get_ident())
        self.is_asked.set()
        assert self.may_begin.wait(30), "the run waits for the model, and the model for the run"
        return super().encode_chunks(texts)


@pytest.fixture
def slow(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(vectorising, "_BATCH", 4)
    for number in range(FILES):
        bench.write(f"{number:02}.txt", f"What part {number} says.")
    bench.encoder = Slow()
    return bench.encoder


def ingest(bench: Workbench, progress: Silent) -> str | None:
    means = Means(Store(bench.settings.store), bench.settings, bench.encoder, progress)
    return Runner(means).ingest([bench.folder], Options()).snapshot


def test_files_are_prepared_while_the_model_computes(bench: Workbench, slow: Slow) -> None:
    ingest(bench, Watching(8, slow.may_begin.set))

    assert len(slow.embedded) == FILES + 4  # and the probes
    assert threading.get_ident() not in slow.threads


def test_a_model_with_nothing_to_do_gets_what_there_is(
    bench: Workbench, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectorising, "_BATCH", FILES + 1)
    monkeypatch.setattr(vectorising, "_FEW", 3)

    def begin() -> None:
        assert slow.is_asked.wait(10), "it waits for a whole batch"
        slow.may_begin.set()

    ingest(bench, Watching(6, begin))

    assert len(slow.embedded) == FILES + 4  # and the probes


class Lazy(WordHashEncoder):
    """Tells when it was first asked for something: then a real one would load."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def encode_documents(self, texts: list[str]) -> Vectors:
        self.asked.set()
        return super().encode_documents(texts)


@pytest.mark.parametrize("before", ["", "What it said."])
def test_the_model_is_loaded_while_the_first_document_is_being_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    if before:
        bench.write("a.txt", before)
        bench.ingest()
    bench.write("a.txt", "What it says.")
    bench.encoder = encoder = Lazy()
    real = making.make

    def make(task: Task, cutting: Cutting) -> Made:
        assert encoder.asked.wait(30), "the model waits for the document"
        return real(task, cutting)

    monkeypatch.setattr(making, "make", make)

    assert bench.ingest().documents == 1


def test_a_model_that_cannot_be_loaded_ahead_is_told_as_the_run_s_own_error(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(texts: list[str]) -> Vectors:
        raise ModelUnavailable("the weights are gone")

    bench.write("a.txt", "What it says.")
    monkeypatch.setattr(bench.encoder, "encode_documents", unavailable)

    with pytest.raises(ModelUnavailable, match="the weights are gone"):
        bench.ingest()


def test_a_file_that_still_cannot_be_read_loads_no_model(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.txt", "What it says.")
    bench.write("b.txt", "What the other one says.")
    bench.ingest()
    real = reading.read

    def read(source: Source) -> Content:
        if source.path == "b.txt":
            raise UnreadableSource("it cannot be read: Permission denied")
        return real(source)

    monkeypatch.setattr(reading, "read", read)
    os.utime(bench.folder / "b.txt", (1, 1))
    assert [one.path for one in bench.ingest().failed] == ["b.txt"]
    bench.encoder = encoder = Lazy()

    assert [one.path for one in bench.ingest().failed] == ["b.txt"]

    assert not encoder.asked.is_set()


def test_a_text_is_embedded_once_although_the_first_is_still_with_the_model(
    bench: Workbench, slow: Slow
) -> None:
    for number in range(FILES):
        bench.write(f"{number:02}.txt", f"What part {number % 6} says.")

    ingest(bench, Watching(8, slow.may_begin.set))

    assert max(Counter(slow.embedded).values()) == 1
    assert len(slow.embedded) == 6 + 4  # and the probes


def test_a_run_that_ends_early_keeps_what_the_model_has_in_hand(
    bench: Workbench, slow: Slow
) -> None:
    def interrupt() -> None:
        assert slow.is_asked.wait(30)
        slow.may_begin.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(bench, Watching(10, interrupt))
    kept = set(slow.embedded).difference(PROBES)
    slow.embedded.clear()
    ingest(bench, Silent())

    assert len(kept) >= 4
    assert not kept & set(slow.embedded)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell has what it starts in the background ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_for_the_model_loses_nothing(bench: Workbench, slow: Slow) -> None:
    def interrupted(texts: list[str]) -> list[ChunkVectors]:
        if slow.embedded == list(PROBES):
            time.sleep(0.5)  # by now the run waits
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return WordHashEncoder.encode_chunks(slow, texts)

    slow.encode_chunks = interrupted  # type: ignore[method-assign]  # for this test
    with pytest.raises(KeyboardInterrupt):
        ingest(bench, Silent())
    kept = set(slow.embedded).difference(PROBES)
    bench.encoder = WordHashEncoder()
    ingest(bench, Silent())

    assert len(kept) >= 4
    assert not kept & set(bench.encoder.embedded)


def test_an_error_of_the_model_is_the_run_s_own(bench: Workbench, slow: Slow) -> None:
    def broken(texts: list[str]) -> list[ChunkVectors]:
        raise RuntimeError("the model broke")

    slow.encode_chunks = broken  # type: ignore[method-assign]  # for this test
    with pytest.raises(RuntimeError, match="the model broke"):
        ingest(bench, Silent())
    assert Store(bench.settings.store).current_id() is None
