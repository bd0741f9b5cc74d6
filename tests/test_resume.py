"""A run that is killed goes on where it was: nothing that was kept is made again."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.runs import Outcome, RunLog
from corpus.store import Store
from corpus.types import Mode, Query
from ingest import making, reading
from ingest.leftovers import JOURNAL, SHELF
from ingest.pipeline import Options
from ingest.readers import reader_for
from tests.conftest import WordHashEncoder, Workbench, settings_for

ROOT = Path(__file__).parent.parent
KILLS = int(os.environ.get("RESUME_KILLS", "4"))
FILES, SECTIONS = 60, 12
BATCH = 64  # texts that are embedded together
IN_FLIGHT_TEXTS = 2 * (BATCH + SECTIONS)  # two batches, each with what its last document brings
IN_FLIGHT_FILES = 128 // SECTIONS + 2  # that are not on the shelf yet

CHILD = """
import json, os, sys, time
from pathlib import Path
from ingest import makers, making, reading, vectorising
from ingest.journal import Journal
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from ingest.shelf import Shelf
from corpus.identity import text_key
from corpus.store import Store
from corpus.types import Mode, Query
from tests.conftest import WordHashEncoder, settings_for

folder, store, log = map(Path, sys.argv[1:4])
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def say(*words):
    os.write(out, json.dumps(words).encode() + b"\\n")

def after(cls, name, word):
    real = getattr(cls, name)
    def wrapped(self, *args):
        result = real(self, *args)
        say(word, *map(list, args))
        return result
    setattr(cls, name, wrapped)

def before(module, name, word, told):
    real = getattr(module, name)
    def wrapped(*args):
        say(word, told(*args))
        return real(*args)
    setattr(module, name, wrapped)

class Encoder(WordHashEncoder):
    def encode_documents(self, texts):
        say("embed", list(map(text_key, texts)))
        return super().encode_documents(texts)

parsing = making.reader_for
def reader_for(format):
    def read(data):
        say("parse", data.decode().splitlines()[0])
        time.sleep(0.003)
        return parsing(format)(data)
    return read
making.reader_for = reader_for
before(reading, "read", "read", lambda source: source.path)
after(Journal, "note", "noted")
after(Shelf, "flush", "kept")
makers.WORTH_BYTES = 0
vectorising._BATCH = int(sys.argv[5])
settings = settings_for(store, RAG_INGEST__WORKERS=sys.argv[4])
print("ready", flush=True)
report = Runner(Means(Store(store), settings, Encoder(), Silent())).ingest([folder], Options())
say("done", report.snapshot, list(report.crashed))
"""


@dataclass
class Story:
    """What several processes over one store did."""

    log: Path

    def events(self) -> Iterator[list[object]]:
        for line in self.log.read_bytes().splitlines():
            yield json.loads(line)

    def told(self, word: str) -> list[object]:
        return [event[1] for event in self.events() if event[0] == word]

    def again(self, begun: str, kept: str) -> tuple[Counter[str], list[str]]:
        """How often each thing was begun, and what was begun again after it had been kept."""
        times, waiting, safe = Counter[str](), set[str](), set[str]()
        wrong = []
        for event in self.events():
            if event[0] == begun:
                things = event[1] if isinstance(event[1], list) else [event[1]]
                wrong += [one for one in things if one in safe]
                times.update(things)
                waiting.update(things)
            elif event[0] == kept:
                now = set(event[1]) if len(event) > 1 else set(waiting)
                safe |= now
                waiting -= now
        return times, wrong


def start(folder: Path, store: Path, log: Path, workers: int = 0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(store), str(log), str(workers), str(BATCH)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def run(folder: Path, store: Path, log: Path) -> float:
    """One run to its end; how long it took."""
    with start(folder, store, log) as process:
        began = time.monotonic()
        assert process.wait() == 0
        return time.monotonic() - began


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    draw = random.Random(4)
    for count in range(FILES):
        sections = [
            f"## Part {n}\n\n" + " ".join(f"word{draw.randrange(3000)}" for _ in range(25))
            for n in range(SECTIONS)
        ]
        (folder / f"{count:02}.md").write_text(f"# Note {count}\n\n" + "\n\n".join(sections))
    time.sleep(2.1)  # until then no stamp is believed
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float]:
    """The snapshot that a run comes to which nobody kills, and how long it takes."""
    place = tmp_path_factory.mktemp("undisturbed")
    seconds = run(folder, place / "store", place / "log")
    current = Store(place / "store").current_id()
    assert current is not None
    return current, seconds


@pytest.mark.parametrize("seed", range(KILLS))
def test_what_a_killed_run_had_kept_is_not_made_again(
    folder: Path, undisturbed: tuple[str, float], tmp_path: Path, seed: int
) -> None:
    expected, seconds = undisturbed
    draw = random.Random(seed)
    story = Story(tmp_path / "log")
    killed = 0
    for _ in range(draw.choice([1, 1, 2, 3])):
        with start(folder, tmp_path / "store", story.log) as process:
            time.sleep(draw.uniform(0, seconds))
            process.kill()
        killed += process.returncode == -signal.SIGKILL

    run(folder, tmp_path / "store", story.log)

    parsed, parsed_again = story.again("parse", "kept")
    embedded, embedded_again = story.again("embed", "noted")
    assert Store(tmp_path / "store").current_id() == expected
    assert (parsed_again, embedded_again) == ([], [])
    assert len(parsed) == FILES
    assert sum(parsed.values()) - FILES <= killed * IN_FLIGHT_FILES
    assert sum(embedded.values()) - len(embedded) <= killed * IN_FLIGHT_TEXTS
    left = {path.name for path in (tmp_path / "store").iterdir()}
    assert not {name for name in left if name.startswith((JOURNAL, SHELF, "LEASE"))}


def test_a_run_that_is_killed_with_its_workers_goes_on_where_it_was(
    folder: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    draw = random.Random(KILLS)
    story = Story(tmp_path / "log")
    for _ in range(3):
        with start(folder, tmp_path / "store", story.log, workers=2) as process:
            time.sleep(draw.uniform(0, 2 * seconds))
            process.kill()

    with start(folder, tmp_path / "store", story.log, workers=1) as process:
        assert process.wait() == 0

    _, embedded_again = story.again("embed", "noted")
    assert Store(tmp_path / "store").current_id() == expected
    assert embedded_again == []


# --- one process, stopped at a chosen place ----------------------------------------------------


class Stop(BaseException):
    """Ends a run as a kill would, as far as its files are concerned."""


class Once(WordHashEncoder):
    """Stops the run when so many texts have been embedded."""

    def __init__(self, texts: int) -> None:
        super().__init__()
        self.left = texts

    def encode_documents(self, texts: list[str]) -> object:  # type: ignore[override]  # or stops
        if len(self.embedded) >= self.left:
            raise Stop
        return super().encode_documents(texts)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes of each source that is parsed, in order."""
    seen: list[bytes] = []

    def counting(name: str) -> object:
        def read(data: bytes) -> object:
            seen.append(data)
            return reader_for(name)(data)

        return read

    monkeypatch.setattr(making, "reader_for", counting)
    return seen


def stopped(bench: Workbench, texts: int = 0) -> None:
    """A run that ends before it embeds more than so many texts."""
    whole, bench.encoder = bench.encoder, Once(texts)
    with pytest.raises(Stop):
        bench.ingest()
    bench.encoder = whole


def notes(bench: Workbench, number: int, words: str = "about") -> None:
    for count in range(number):
        bench.write(f"{count:03}.txt", f"Note {count}\n\nThis is {words} subject{count}.")


def test_a_file_that_has_not_changed_is_not_even_read_again(
    bench: Workbench, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.shelf.SETTLED_NS", -(10**12))  # as if written long ago
    notes(bench, 3)
    stopped(bench)
    assert len(parsed) == 3

    def unreadable(source: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(reading, "read", unreadable)
    assert bench.ingest().added == 3
    assert len(parsed) == 3


def test_a_file_that_was_just_written_is_read_and_not_parsed_again(
    bench: Workbench, parsed: list[bytes]
) -> None:
    notes(bench, 3)
    stopped(bench)

    assert (bench.ingest().added, len(parsed)) == (3, 3)


@pytest.mark.parametrize("settled_ns", [2 * 10**9, -(10**12)])
def test_a_file_that_changed_meanwhile_is_taken_in_as_it_is_now(
    bench: Workbench, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch, settled_ns: int
) -> None:
    monkeypatch.setattr("ingest.shelf.SETTLED_NS", settled_ns)
    notes(bench, 3)
    stopped(bench)
    changed = bench.write("001.txt", "Another text altogether.")

    bench.ingest()

    assert parsed[3:] == [changed.read_bytes()]
    assert bench.store.open().document("001.txt").text == "Another text altogether."


def test_a_file_with_the_bytes_of_another_gets_its_own_name_and_title(bench: Workbench) -> None:
    notes(bench, 2)
    stopped(bench)
    (bench.folder / "000.txt").rename(bench.folder / "kept.txt")
    (bench.folder / "001.txt").rename(bench.folder / "000.txt")

    resumed = bench.ingest().snapshot

    other = settings_for(bench.store.path.with_name("other"))
    bench.settings, bench.store = other, Store(other.store)
    assert bench.ingest().snapshot == resumed


@pytest.mark.parametrize("change", ["settings", "reader", "model"])
def test_what_was_made_with_other_settings_is_made_again(
    bench: Workbench, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    notes(bench, 3)
    stopped(bench)
    if change == "settings":
        bench.settings = settings_for(bench.store.path, RAG_CHUNKING__TARGET_TOKENS="32")
    elif change == "reader":
        monkeypatch.setattr("ingest.readers.VERSION", {"txt": 99})
    else:
        bench.encoder = WordHashEncoder("another")

    bench.ingest()

    assert len(parsed) == 6


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A store over the same 300 notes, whose run nobody disturbed."""
    bench = Workbench(tmp_path_factory.mktemp("sound"))
    notes(bench, 300)
    bench.ingest()
    return bench


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    half = len(data) // 2 // 4096 * 4096
    if how == "value":
        change(path, "UPDATE {} SET {} = CAST(replace({}, 'subject', 'sabject') AS BLOB)", "body")
        change(path, "UPDATE {} SET {} = zeroblob(length({}))", "vector")
    elif how == "old":
        path.unlink()
        change(path, "CREATE TABLE {} ({} TEXT); -- {}", "vector")
        change(path, "CREATE TABLE {} ({} TEXT); -- {}", "body")
    else:
        path.write_bytes(
            {
                "garbage": b"no database at all" * 1000,
                "cut": data[:half],
                "early": data[:4096] + bytes(half) + data[4096 + half :],
                "late": data[:half] + bytes(len(data) - half),
                "empty": b"",
            }[how]
        )


def change(path: Path, statement: str, column: str) -> None:
    """Change a column of the table that has it, behind the back of whoever wrote it."""
    table = {"body": "documents", "vector": "vectors"}[column]
    connection = sqlite3.connect(path)
    with suppress(sqlite3.OperationalError), connection:  # the other file has no such table
        connection.execute(statement.format(table, column, column))
    connection.close()


@pytest.mark.parametrize("name", [SHELF, JOURNAL])
@pytest.mark.parametrize("how", ["garbage", "cut", "early", "late", "value", "empty", "old"])
def test_a_damaged_journal_is_thrown_away_and_the_run_comes_to_the_same(
    bench: Workbench, sound: Workbench, name: str, how: str
) -> None:
    notes(bench, 300)
    stopped(bench, texts=1)
    damage(bench.store.path / name, how)

    report = bench.ingest()

    mine, theirs = bench.store.open(), sound.store.open()
    assert report.snapshot == mine.id == theirs.id
    for one in ("000.txt", "150.txt", "299.txt"):
        assert mine.document(one) == theirs.document(one)
        (chunk,) = theirs.chunks_of(one)
        assert mine.chunks_of(one) == [chunk]
    for number in range(0, 300, 7):
        words = f"Note {number}\n\nThis is about subject{number}."
        query = Query("", bench.encoder.encode_query(words), 1, Mode.DENSE)
        assert mine.search(query) == theirs.search(query)


def test_records_whose_ids_are_taken_are_left_out_after_a_kill_as_before(bench: Workbench) -> None:
    record = json.dumps({"_id": "a.txt", "text": "A record."}) + "\n"
    bench.write("a.txt", "A file of that name.")
    bench.write("b.jsonl", record + record.replace("a.txt", "free"))
    stopped(bench)

    report = bench.ingest()

    assert report.documents == 2
    assert "ids are taken" in report.remarks[0].reason


def test_an_id_that_another_source_has_by_now_is_not_taken_from_it(bench: Workbench) -> None:
    rows = [json.dumps({"_id": name, "text": "A record."}) + "\n" for name in ("a.txt", "free")]
    bench.write("b.jsonl", "".join(rows))
    stopped(bench)
    bench.write("a.txt", "A file of that name, which came later.")

    report = bench.ingest()

    assert report.documents == 2
    assert "ids are taken" in report.remarks[0].reason
    assert bench.store.open().document("a.txt").format == "txt"


def test_a_run_that_was_killed_is_named_by_the_next_one_and_stays_on_record(
    folder: Path, tmp_path: Path
) -> None:
    with start(folder, tmp_path / "store", tmp_path / "log") as process:
        while b'"kept"' not in (tmp_path / "log").read_bytes():
            time.sleep(0.01)
        process.kill()
    log = RunLog(tmp_path / "store")
    assert log.runs(being_written=False)[0].outcome is Outcome.CRASHED

    run(folder, tmp_path / "store", tmp_path / "log")

    story = Story(tmp_path / "log")
    *_, (_, _, crashed) = story.events()
    assert isinstance(crashed, list)
    assert f"process {process.pid} on " in crashed[0]
    done, before = log.runs(being_written=False)
    assert (done.outcome, before.outcome) == (Outcome.DONE, Outcome.CRASHED)
    assert before.finished
    assert str(process.pid) in before.detail


def test_journals_that_a_kill_after_publishing_left_behind_go_with_the_next_refresh(
    bench: Workbench,
) -> None:
    notes(bench, 3)
    stopped(bench)
    bench.ingest()
    for name in (SHELF, JOURNAL):
        (bench.store.path / name).write_bytes(b"left behind")

    bench.runner.refresh(Options())

    assert not [name for name in (SHELF, JOURNAL) if (bench.store.path / name).exists()]
