"""Whatever becomes of the bytes of a store: what is served is right, or nothing is.

A store with several snapshots and segments is damaged in one place, read in every way that
serves, and put right again. Reading must raise a named error or give exactly what was
published: the same ids, texts and hits.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus import ledger, roots, segment, snapshot, tags
from corpus.errors import CorpusError
from corpus.files import FileRecord
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.types import Mode, Query
from rag.live import LiveCorpus
from tests.conftest import WordHashEncoder, Workbench
from tests.truth import said_by

PAGE = 4096
QUERIES = ("what is said of subject3", "late news", "note")
RECORDS = ("LOCK", "LEASE", "CHECKED", "NEXT", "runs.jsonl", "seen.json", roots.NAME)
"""Beside these, every file of a store decides on answers."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that went wrong, and how to put it right."""

    told: str
    paths: tuple[Path, ...]
    repair: Callable[[], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return published(tmp_path_factory.mktemp("whole"))


def test_no_damage_is_served(whole: Workbench) -> None:
    counted = count_served(whole, number=400, seed=random.randrange(1 << 30))

    assert (counted["wrong"], counted["broke"]) == (0, 0)
    assert counted["refused"] > 200


def test_this_test_sees_damage_that_is_served(
    whole: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the comparison of hashes, bytes of other texts and ledgers are told as right."""
    with monkeypatch.context() as patched:
        patched.setattr(segment, "record_of", believing(whole))
        patched.setattr(snapshot, "record_of", believing(whole))
        patched.setattr(ledger, "read_checked", lambda path, _: path.read_bytes())
        only = [path for path in files_of(whole.store) if path.name == segment.TEXTS]
        counted = count_served(whole, number=150, seed=1, files=only)

    assert counted["wrong"] > 5


def test_tags_are_whole_or_refused(whole: Workbench) -> None:
    """They say what is never collected. Where the file is gone there are none."""
    assert misread(whole.store.path, tags.NAME, tags.read) == []


def test_roots_are_whole_or_refused(whole: Workbench) -> None:
    """They say what the next run reads and removes."""
    assert misread(whole.store.path, roots.NAME, roots.read) == []


def misread(store: Path, name: str, read: Callable[[Path], object]) -> list[str]:
    """The damages of a file that its reader takes for something else than what was written."""
    chance, truth, path = random.Random(7), read(store), store / name
    believed = []
    for _ in range(200):
        damage = inflict(chance, path, [path])
        try:
            with suppress(CorpusError):
                if read(store) != truth and path.exists():
                    believed.append(damage.told)
        finally:
            damage.repair()
    return believed


def published(home: Path) -> Workbench:
    """Four snapshots over several segments, one of them tagged."""
    bench = Workbench(home)
    for number in range(12):
        text = f"# Note {number}\n\nThis is what is said of subject{number}. " * (1 + number % 3)
        bench.write(f"{number}.md", text)
    first = str(bench.ingest().snapshot)
    bench.write("3.md", "# Note 3\n\nThis is what is now said of subject3.")
    bench.write("late.txt", "Late news of subject99.")
    bench.ingest()
    (bench.folder / "5.md").unlink()
    bench.ingest()
    bench.write("later.jsonl", '{"_id": "k", "text": "Later news of subject98."}\n')
    bench.ingest()
    with bench.store.writing():
        tags.write(bench.store.path, {"first": first})
    assert len(bench.store.snapshots()) == 4
    assert len(bench.store.segment_ids()) > 1
    return bench


def count_served(
    bench: Workbench, number: int, seed: int, files: list[Path] | None = None
) -> Counter[str]:
    """Damage the store that often, and count what came of reading it.

    :return: how many were refused with a named error, were read rightly all the same, broke
        the reader in a way that nobody foresaw, or were served wrong.
    """
    store, chance = bench.store, random.Random(seed)
    truth = {one.id: said(store.open(one.id)) for one in store.snapshots()}
    current, tagged = store.require_current(), store.tags()
    every = files_of(store)
    users = users_of(store)
    counted: Counter[str] = Counter()
    for _ in range(number):
        damage = inflict(chance, chance.choice(files or every), every)
        counted["damages"] += 1
        counted[damage.told.split()[0]] += 1
        try:
            affected = {one for path in damage.paths for one in users.get(path, [*truth])}
            outcomes = {outcome(store, one, truth) for one in affected}
            outcomes |= {pointer(store, current), served(store, truth), named(store, tagged)}
        finally:
            damage.repair()
        worst = next(one for one in ("wrong", "broke", "refused", "right") if one in outcomes)
        counted[worst] += 1
        if files is None:
            assert worst in ("refused", "right"), f"{worst}: {damage.told} (seed {seed})"
    assert {one: said(store.open(one)) for one in truth} == truth
    return counted


def outcome(store: Store, snapshot_id: str, truth: dict[str, object]) -> str:
    try:
        found = said(Store(store.path).open(snapshot_id))
    except CorpusError:
        return "refused"
    except Exception:
        return "broke"
    return "right" if found == truth[snapshot_id] else "wrong"


def served(store: Store, truth: dict[str, object]) -> str:
    """What a server that starts now would answer from: any snapshot, but a whole one."""
    try:
        snapshot = LiveCorpus(store, WordHashEncoder(), probe=False).get()
    except CorpusError:
        return "refused"
    except Exception:
        return "broke"
    return "right" if said(snapshot) == truth.get(snapshot.id) else "wrong"


def pointer(store: Store, current: str) -> str:
    """What is current: that, or an error; nothing where there is no pointer."""
    try:
        found = store.current_id()
    except CorpusError:
        return "refused"
    if found is None or found == current:
        return "right" if found else "refused"
    # Another name may stand there; no snapshot of that name must open.
    return "wrong" if found in store.ids() else "refused"


def named(store: Store, tagged: dict[str, str]) -> str:
    """The tags, whole; a file that is not there is no tags."""
    try:
        found = store.tags()
    except CorpusError:
        return "refused"
    return "right" if found == tagged or not (store.path / tags.NAME).exists() else "wrong"


def said(opened: Snapshot) -> object:
    """All that a snapshot says and answers, scores included; unreadable parts are wrong."""
    encoder = WordHashEncoder()
    try:
        hits = [
            opened.search(Query(text, encoder.encode_query(text), 5, mode))
            for text in QUERIES
            for mode in Mode
        ]
        return opened.id, said_by(opened), hits, sorted(opened.documents), opened.manifest.counts
    except Exception as error:  # what was opened must be readable
        return repr(error)


def files_of(store: Store) -> list[Path]:
    found = [path for path in sorted(store.path.rglob("*")) if path.is_file()]
    return [path for path in found if path.parent != store.path or path.name not in RECORDS]


def users_of(store: Store) -> dict[Path, list[str]]:
    """The snapshots that each file belongs to, under whatever name it is linked."""
    by_inode: dict[int, list[str]] = {}
    for one in store.ids():
        names = [*store.manifest(one).files, f"snapshots/{one}/manifest.json"]
        for name in names:
            by_inode.setdefault((store.path / name).stat().st_ino, []).append(one)
    return {path: by_inode.get(path.stat().st_ino, []) for path in files_of(store)}


def inflict(chance: random.Random, path: Path, others: list[Path]) -> Damage:
    """Damage a file in one of the ways in which disks and people do it."""
    kind = chance.choice((flip, flip, flip, zero, cut, swap, exchange, lose, grow))
    return kind(chance, path, others)


def rewritten(told: str, path: Path, data: bytes) -> Damage:
    """Other bytes in a file: in place, as a disk does it, so that every link of it sees them.

    A shorter file takes the place of the old one: an index that was opened before and has
    not been let go of yet maps the old one, and no process survives reading past its end.
    """
    before = path.read_bytes()
    if len(data) < len(before):
        aside = path.with_name("aside")
        path.rename(aside)
        path.write_bytes(data)
        return Damage(told, (path,), lambda: os.replace(aside, path))
    with path.open("r+b") as file:
        file.write(data)

    def repair() -> None:
        with path.open("r+b") as file:
            file.write(before)
            file.truncate()

    return Damage(told, (path,), repair)


def flip(chance: random.Random, path: Path, _: list[Path]) -> Damage:
    data = bytearray(path.read_bytes())
    if not data:
        return grow(chance, path, _)
    bit = chance.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    return rewritten(f"flip of bit {bit} in {path}", path, bytes(data))


def zero(chance: random.Random, path: Path, _: list[Path]) -> Damage:
    data = path.read_bytes()
    at = PAGE * chance.randrange(1 + len(data) // PAGE)
    zeroed = data[:at] + bytes(len(data[at : at + PAGE])) + data[at + PAGE :]
    return rewritten(f"zero at {at} in {path}", path, zeroed)


def cut(chance: random.Random, path: Path, _: list[Path]) -> Damage:
    data = path.read_bytes()
    ends = [*range(0, len(data), PAGE), max(0, len(data) - 1)]
    at = chance.choice(ends)
    return rewritten(f"cut at {at} of {path}", path, data[:at])


def grow(chance: random.Random, path: Path, _: list[Path]) -> Damage:
    more = chance.choice((b"\0", b"\n", bytes(PAGE), path.read_bytes()[:PAGE]))
    return rewritten(f"grow of {path} by {len(more)}", path, path.read_bytes() + more)


def exchange(chance: random.Random, path: Path, others: list[Path]) -> Damage:
    """A file of the same name from another snapshot or segment, or any other, in its place."""
    other = chance.choice([one for one in others if one.name == path.name] or others)
    return rewritten(f"exchange of {path} for {other}", path, other.read_bytes())


def swap(chance: random.Random, path: Path, others: list[Path]) -> Damage:
    other = chance.choice(others)
    aside = path.with_name("aside")

    def turn() -> None:
        path.rename(aside)
        if other != path:
            other.rename(path)
        aside.rename(other)

    turn()
    return Damage(f"swap of {path} and {other}", (path, other), turn)


def lose(chance: random.Random, path: Path, _: list[Path]) -> Damage:
    aside = path.parent.parent.parent / f"lost-{path.name}"
    path.rename(aside)
    return Damage(f"lose {path}", (path,), lambda: os.rename(aside, path))


def believing(bench: Workbench) -> Callable[[Path], FileRecord]:
    """Tells of a file what its manifest says, whatever is in it."""
    recorded = {
        str(bench.store.path / name): record
        for one in bench.store.ids()
        for name, record in bench.store.manifest(one).files.items()
    }
    return lambda path: recorded[str(path)]
