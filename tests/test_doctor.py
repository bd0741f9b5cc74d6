"""``rag doctor``: it says what is wrong, and its crashes find what breaks and leave nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import CorpusError
from corpus.files import FileRecord
from corpus.runs import RunLog
from corpus.store import Store
from rag.commands.crashing import Crasher, Order, Outcome, carry_out
from rag.commands.striking import Struck
from rag.commands.tally import Result
from rag.commands.torture import Torture
from tests import test_cli
from tests.conftest import Workbench, tree

call, rag = test_cli.call, test_cli.rag
Rag = test_cli.Rag
corpus = test_cli.corpus


def findings(told: dict[str, Any]) -> dict[str, str]:
    """Verdicts by what they are about; of several the worst."""
    found: dict[str, str] = {}
    for one in told["findings"]:
        if found.get(one["about"]) != "bad":
            found[one["about"]] = one["verdict"]
    return found


# --- looking -------------------------------------------------------------------------------------


def test_where_all_is_well_it_says_so_on_one_screen_and_changes_nothing(
    rag: Rag, corpus: Workbench
) -> None:
    before = dict(tree(corpus.store.path))
    ran = rag("doctor", "--json")

    assert (ran.code, ran.json["well"]) == (0, True)
    assert findings(ran.json).keys() == {
        *("python", "libraries", "embedding model", "compiled models", "store", "free space"),
        *("answers", "snapshots", "tags", "quarantine", "writer", "last run"),
    }
    told = rag("doctor").out
    assert told.endswith("all is well\n")
    assert len(told.splitlines()) <= 24
    assert "faiss-cpu 1." in told
    assert dict(tree(corpus.store.path)) == before


def test_before_the_first_ingest_nothing_is_wrong_and_no_store_is_made(
    rag: Rag, bench: Workbench
) -> None:
    ran = rag("doctor")

    assert ran.code == 0
    assert "no snapshot yet; run `rag ingest FOLDER`" in ran.out
    assert not bench.store.path.exists()


def test_compiled_models_are_told_with_those_that_are_damaged_and_not_those_of_earlier_versions(
    rag: Rag, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, graph in (("early", "graph.onnx"), ("lost", "graph.bin")):
        folder = tmp_path / "rag" / "encoders" / name
        folder.mkdir(parents=True)
        (folder / graph).write_bytes(b"...")
        (folder / "record.json").write_text('{"form": "int8", "size": 9, "sha256": "0"}')

    [found] = [one for one in rag("doctor", "--json").json["findings"] if "models" in one["about"]]

    assert found["verdict"] == "note"
    assert ": lost; made anew" in found["detail"]


def test_damage_is_told_with_what_it_is(rag: Rag, corpus: Workbench) -> None:
    first = corpus.store.require_current()
    corpus.write("new.md", "new")
    second = str(corpus.ingest().snapshot)
    (corpus.store.path / f"snapshots/{second}/ledger.jsonl").write_bytes(b"")
    (corpus.store.path / "tags.json").write_bytes(b"x")

    ran = rag("doctor", "--json")

    assert ran.code == 1
    bad = {about for about, verdict in findings(ran.json).items() if verdict == "bad"}
    assert bad == {"answers", "snapshot", "tags"}
    told = rag("doctor").out
    assert f"snapshots/{second}/ledger.jsonl has 0 bytes" in told
    assert f"snapshot {first} answers in its place" in told
    assert told.endswith("3 things are not well\n")


def test_a_model_that_is_not_there_is_told(
    rag: Rag, corpus: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_EMBEDDING__MODEL", os.fspath(corpus.folder / "nowhere"))

    ran = rag("doctor", "--json")

    assert ran.code == 1
    assert findings(ran.json)["embedding model"] == "bad"


def test_how_the_last_run_ended_and_who_writes_are_told(rag: Rag, corpus: Workbench) -> None:
    def fail() -> None:
        with RunLog(corpus.store.path).recording() as run:
            run.begin()
            raise ZeroDivisionError("it broke")

    with pytest.raises(ZeroDivisionError):
        fail()
    with corpus.store.writing():
        ran = rag("doctor", "--json")

    assert ran.code == 1
    assert findings(ran.json) == {**findings(ran.json), "last run": "bad", "writer": "note"}
    assert f"process {os.getpid()}" in ran.out


def test_a_disk_that_is_full_is_told(
    rag: Rag, corpus: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpus.disk.reserve", lambda *_: 10**18)

    assert findings(rag("doctor", "--json").json)["free space"] == "bad"


# --- crashing ------------------------------------------------------------------------------------


@pytest.fixture
def crasher() -> Iterator[Crasher]:
    one = Crasher()
    yield one
    one.close()


def order(bench: Workbench, operation: str = "ingest", **more: Any) -> Order:
    return Order(operation, os.fspath(bench.store.path), os.fspath(bench.folder), **more)


def test_a_child_works_dies_when_told_and_says_what_it_came_to(
    crasher: Crasher, bench: Workbench
) -> None:
    for number in range(20):
        bench.write(f"{number}.md", f"# Note {number}\n\n" + "words and more words. " * 50)
    assert crasher.run(order(bench, kill_after_s=0.0)) == Outcome("killed")
    cut = crasher.run(order(bench, file_limit=3000))
    assert (cut.how, cut.detail.partition(":")[0]) == ("refused", "StoreNotWritable")
    done = crasher.run(order(bench))
    assert done == Outcome("done", Store(bench.store.path).require_current())
    assert crasher.run(order(bench, kill_after_s=30.0)).how == "done", "it had ended before"
    bench.write("0.md", "Another.")
    assert crasher.run(order(bench, "refresh")).detail != done.detail
    back = crasher.run(order(bench, "rollback", target=done.detail))
    assert (back.how, Store(bench.store.path).current_id()) == ("done", done.detail)
    assert crasher.run(order(bench, "rollback", target="none")).how == "refused"
    assert crasher.run(order(bench, "collect")).how == "done"


def test_some_rounds_lose_nothing_and_leave_nothing(
    rag: Rag, corpus: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path))
    before = dict(tree(corpus.store.path))

    ran = rag("doctor", "--destructive", "--rounds", "4", "--seed", "7", "--json", "-q")

    assert ran.code == 0, ran.out
    assert (ran.json["lost"], ran.json["losses"], ran.json["seed"]) == (0, [], 7)
    assert ran.json["scratch"] is None
    tallies = ran.json["tallies"].values()
    assert sum(one["rounds"] for one in tallies) >= 4 + 8
    assert list(tmp_path.glob("rag-doctor-*")) == []
    assert dict(tree(corpus.store.path)) == before, "the user's store is not touched"


def test_the_numbers_are_for_crashes_alone(rag: Rag) -> None:
    for arguments in (["--rounds", "3"], ["--seed", "1"], ["--scratch", "."]):
        assert rag("doctor", *arguments).code == 2


class Mutant:
    """Carries orders out in this process, and breaks a promise."""

    def __init__(self, breaks: str) -> None:
        self._breaks = breaks

    def run(self, given: Order) -> Outcome:
        store = Store(Path(given.store))
        crashes = given.kill_after_s is not None or given.file_limit is not None
        if not crashes:
            if self._breaks == "never works again" and store.path.exists():
                return Outcome("refused", "StoreBusy: for ever")
            return Outcome("done", carry_out(given))
        if self._breaks == "acknowledges what was not done" and given.operation == "refresh":
            return Outcome("done", "x")
        detail = carry_out(given)
        if self._breaks == "leaves half a file":
            current = store.require_current()
            ledger = store.path / "snapshots" / current / "ledger.jsonl"
            ledger.write_bytes(ledger.read_bytes()[:-5])
        if self._breaks == "ends without an error":
            return Outcome("broke", "it ended with status 11 and said nothing")
        if self._breaks == "mixes two states":
            file = next(Path(given.folder).iterdir())
            text = file.read_text()
            file.write_text("something else")
            carry_out(Order("refresh", given.store, given.folder))
            file.write_text(text)
        return Outcome("done", detail)


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        ("", ""),
        ("acknowledges what was not done", "it said that it was done, and it is not"),
        ("leaves half a file", "cannot be opened"),
        ("ends without an error", "no clean error"),
        ("mixes two states", "neither the state before nor after"),
        ("never works again", "the next run did not work"),
    ],
)
def test_a_store_that_breaks_a_promise_is_found_out(
    tmp_path: Path, breaks: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.commands.torture.DAMAGES_A_CRASH", 0)
    result = Torture(tmp_path, Mutant(breaks), seed=3).run(lambda done: done < 4, lambda _: None)

    assert any(said in one for one in result.losses) == bool(breaks), result.losses
    assert bool(sum(one.lost for one in result.tallies.values())) == bool(breaks)


def test_damage_that_is_served_is_found_out_and_kept_for_a_look(
    rag: Rag, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Vectors are taken for what they are: then damage to them must be seen to come through."""

    def believing(path: Path, _: FileRecord) -> bytes:
        return path.read_bytes()

    def strike(_: Torture, store: Store) -> Struck:
        for path in store.path.rglob("vectors.faiss"):
            data = bytearray(path.read_bytes())
            data[-60:] = bytes(60)
            path.write_bytes(data)
        return Struck("one file worn", "vectors.faiss", rotted=False)

    monkeypatch.setattr("corpus.segment.map_checked", believing)
    monkeypatch.setattr(Torture, "_strike", strike)
    monkeypatch.setattr("rag.commands.torture.DAMAGES_A_CRASH", 1)

    ran = rag("doctor", "--destructive", "--rounds", "1", "--seed", "5", "--scratch", tmp_path)

    assert ran.code == 1
    assert "LOST" in ran.out
    assert "vectors.faiss was served, in snapshot " in ran.out
    (kept,) = tmp_path.glob("rag-doctor-*")
    assert f"kept for a look: {kept}; seed 5" in ran.out
    shutil.rmtree(kept)


def test_it_goes_on_for_its_time_and_tells_how_it_stands(tmp_path: Path) -> None:
    told, began = list[str](), time.monotonic()

    def tell(result: Result) -> None:
        told.append(result.summary())

    result = Torture(tmp_path, Mutant(""), seed=1).run(lambda done: done < 2, tell)

    assert told[-1] == result.summary()
    assert told[-1].startswith("2 crashes, ")
    assert told[-1].endswith("nothing was lost")
    assert time.monotonic() - began < 30


def test_an_error_of_the_store_is_what_a_child_refuses_with(bench: Workbench) -> None:
    with pytest.raises(CorpusError):
        carry_out(order(bench, "rollback", target="none"))
