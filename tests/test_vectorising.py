"""The model computes while the run goes on, and nothing that it made is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from corpus.store import Store
from corpus.types import ChunkVectors
from ingest import vectorising
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
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
        self.may_begin = threading.Event()
        self.threads: set[int] = set()

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        self.threads.add(threading.get_ident())
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
        slow.may_begin.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(bench, Watching(10, interrupt))
    kept = set(slow.embedded)
    slow.embedded.clear()
    ingest(bench, Silent())

    assert len(kept) >= 4
    assert not kept & set(slow.embedded)


def test_an_interrupted_wait_for_the_model_loses_nothing(bench: Workbench, slow: Slow) -> None:
    def interrupted(texts: list[str]) -> list[ChunkVectors]:
        if not slow.embedded:
            time.sleep(0.5)  # by now the run waits
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return WordHashEncoder.encode_chunks(slow, texts)

    slow.encode_chunks = interrupted  # type: ignore[method-assign]  # for this test
    with pytest.raises(KeyboardInterrupt):
        ingest(bench, Silent())
    kept = set(slow.embedded)
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
