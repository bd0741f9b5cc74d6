"""Several writers on one store: their runs happen one after another, and none is lost.

Each writer is a process with a folder of its own. It changes a file, ingests or refreshes,
tries again while another is at it, and writes down what was acknowledged.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus import roots
from corpus.errors import StoreBusy
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.report import Report
from ingest.runner import Runner
from tests.conftest import WordHashEncoder, Workbench, settings_for
from tests.truth import check_search, listing, said_by

KEEP_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a run said: the snapshot in which the writer's folder is at that round."""

    writer: int
    round: int
    snapshot: str
    busy: int  # how often another was at it first


def test_runs_of_several_writers_happen_in_some_order_and_none_is_lost(tmp_path: Path) -> None:
    check_serial(tmp_path, writers=4, rounds=5)


def test_a_repeated_ingest_writes_no_byte(bench: Workbench) -> None:
    check_repeated(bench)


def check_serial(home: Path, writers: int, rounds: int) -> dict[str, int]:
    """Let them write, then hold every snapshot against what was acknowledged.

    :return: what there was of each, for the record.
    """
    acknowledged = write_together(home, writers, rounds)
    store = Store(home / "store")
    keys = {root.name: root.key for root in roots.read(store.path)}
    summaries = {one.id: one for one in store.snapshots()}

    assert not [one for one in summaries.values() if one.damage]
    assert {(one.writer, one.round) for one in acknowledged} == {
        (writer, number) for writer in range(writers) for number in range(rounds)
    }
    in_order = sorted(summaries.values(), key=lambda one: one.sequence)
    assert [one.sequence for one in in_order] == [*range(1, len(in_order) + 1)]
    assert in_order[-1].id == store.current_id()

    said = [rounds_in(store, one.id, keys) for one in in_order]
    before = dict.fromkeys(range(writers), -1)
    for now in said:  # each publish is one round of one writer, on top of all before it
        changed = [writer for writer in before if now[writer] != before[writer]]
        assert len(changed) == 1, (before, now)
        assert now[changed[0]] == before[changed[0]] + 1
        before = now
    assert before == dict.fromkeys(range(writers), rounds - 1), "an acknowledged run is lost"

    place = {one.id: position for position, one in enumerate(in_order)}
    for one in acknowledged:
        assert said[place[one.snapshot]][one.writer] == one.round
    words = [word(writer, number) for writer in range(writers) for number in range(rounds)]
    check_search(store.open(), words)
    return {
        "runs": len(acknowledged),
        "snapshots": len(in_order),
        "busy": sum(one.busy for one in acknowledged),
        "lost": 0,
    }


def check_repeated(bench: Workbench) -> dict[str, int]:
    """A run that finds everything as it was leaves every file of the store as it was.

    The exceptions: the time of the empty file CHECKED, by which the run is seen, and the
    lock, which is taken. Neither gets a byte.
    """
    for number in range(20):
        bench.write(f"{number}.md", f"# Note {number}\n\nThis is about subject{number}.")
    first = bench.ingest().snapshot
    bench.write("3.md", "# Note\n\nThis is another text.")
    bench.ingest()
    time.sleep(2.1)  # until stamps are believed, so that what was seen is not written anew
    bench.ingest()
    assert first != bench.store.current_id()
    runs = 0
    repeated: tuple[Callable[[], Report], ...] = (
        bench.ingest,
        lambda: bench.runner.refresh(Options()),
    )
    for again in repeated:
        before, written = listing(bench.store.path), bytes_written()
        for _ in range(3):
            report = again()
            runs += 1
            assert (report.unchanged, report.embedded_chunks) == (20, 0)
        assert bytes_written() == written
        now = listing(bench.store.path)
        assert now.keys() == before.keys()
        sizes = {name: (now[name][1] - before[name][1]) for name in now}
        assert not any(sizes.values())
        touched = {name for name in now if now[name] != before[name]}
        assert touched <= {"CHECKED", "LOCK"}
    return {"repeated": runs, "bytes_written": 0}


def bytes_written() -> int:
    """By this process so far, to whatever file, where the system counts them (Linux)."""
    try:
        counted = Path("/proc/self/io").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(next(line for line in counted.splitlines() if line.startswith("wchar")).split()[1])


def write_together(home: Path, writers: int, rounds: int) -> list[Acknowledged]:
    for writer in range(writers):
        (home / f"root{writer}").mkdir()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.test_writers", str(home), str(writer), str(rounds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in range(writers)
    ]
    said = [process.communicate(timeout=3600)[0] for process in started]
    assert [process.returncode for process in started] == [0] * writers
    lines = [line for one in said for line in one.splitlines()]
    return [Acknowledged(**json.loads(line)) for line in lines]


def rounds_in(store: Store, snapshot_id: str, keys: dict[str, int]) -> dict[int, int]:
    """The round of each writer that a snapshot shows; it must be opened, so it is verified."""
    said = said_by(store.open(snapshot_id))
    found = {}
    for name, key in keys.items():
        texts = {path: held.texts for (root, path), held in said.items() if root == key}
        writer = int(name.removeprefix("root"))
        found[writer] = -1
        if texts:
            found[writer] = int(texts["last.txt"][0].split()[-2])
            assert texts == expected_of(writer, found[writer])
    return {writer: found.get(writer, -1) for writer in range(len(keys))}


def expected_of(writer: int, number: int) -> dict[str, tuple[str, ...]]:
    """The whole folder of a writer after that round: one file a round, the oldest removed."""
    kept = range(max(0, number - 2), number + 1)
    files = {f"{one}.txt": (f"Round {one} says {word(writer, one)} here",) for one in kept}
    return {**files, "last.txt": (f"The last of {writer} is round {number} .",)}


def word(writer: int, number: int) -> str:
    return f"w{writer}r{number}x"


def main(arguments: Sequence[str]) -> None:
    """One writer, as a process."""
    home, writer, rounds = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    settings = settings_for(home / "store", RAG_INGEST__KEEP_SNAPSHOTS=str(KEEP_ALL))
    runner = Runner(Means(Store(settings.store), settings, WordHashEncoder(), Silent()))
    folder = home / f"root{writer}"
    for number in range(rounds):
        expected = expected_of(writer, number)
        for name, (text,) in expected.items():
            (folder / name).write_text(text)
        for path in folder.iterdir():
            if path.name not in expected:
                path.unlink()
        busy = 0
        while True:
            try:
                report = runner.ingest([folder], Options(max_delete_percent=100))
                break
            except StoreBusy:
                busy += 1
        line = {"writer": writer, "round": number, "snapshot": report.snapshot, "busy": busy}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
