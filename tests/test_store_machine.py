"""Whatever happens in whatever order: the store says what a dict says.

A Hypothesis state machine over two real folders and a real store. The model knows what is
in the folders, what each snapshot must say, and which one must be current; runs that die
half-way may leave the state before or the state after, and nothing else.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import stat
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from corpus import roots
from corpus.errors import NothingToIngest, StoreNotWritable
from corpus.snapshot import Snapshot
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from tests.conftest import WordHashEncoder, settings_for
from tests.truth import Held, Place, check_search, disturbed, said_by

NAMES = ("a.txt", "b.md", "sub/a.txt", "c.txt", "r.jsonl", "t.jsonl", "sub/s.jsonl")
FOLDERS = ("one", "two")
SPEECHES = 12  # texts that files may hold; few, so that they come back and are shared
WORDS = [f"zq{number}x" for number in range(SPEECHES)]
JUNK = b"\x00\x01\x02\xff\x00" * 20
KEPT = 4  # snapshots kept by a run
PATIENCE_S = 60  # with a run in a child
DONE, REFUSED, NOT_WRITTEN, BROKE, DIED = 0, 3, 4, 5, 9  # how a child ends

names, folders = st.sampled_from(NAMES), st.sampled_from(FOLDERS)
speeches = st.lists(st.integers(0, SPEECHES - 1), min_size=1, max_size=3)
# So many renames, then so many calls that change the disk. What a run does shows by few renames,
# so most of the moments that are tried are just after one of them.
near_a_rename = st.tuples(st.integers(0, 3), st.integers(1, 8))
moments = near_a_rename | near_a_rename | st.tuples(st.just(0), st.integers(1, 60))
State = Mapping[Place, Held]
Moment = tuple[int, int]
Disturbance = Callable[[str, Callable[..., Any], Any], Any]


@dataclass(frozen=True, slots=True)
class File:
    """What is in a folder."""

    texts: tuple[str, ...]
    is_junk: bool = False  # bytes that no reader takes
    is_locked: bool = False  # not to be opened

    @property
    def trouble(self) -> str:
        return "locked" if self.is_locked else "junk" if self.is_junk else ""


def speech(number: int) -> str:
    """A text of one to several chunks around a word of its own; number 0 says nothing."""
    sentence = f"Here {WORDS[number]} is what it is about, and no other note says it so . "
    return (sentence * (1, 3, 14)[number % 3]).strip() if number else ""


def contents(name: str, numbers: list[int]) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a file that holds these speeches, and the texts of its documents."""
    if name.endswith(".jsonl"):
        said = [speech(number) for number in numbers if number]
        lines = [json.dumps({"_id": f"k{place}", "text": text}) for place, text in enumerate(said)]
        return "".join(f"{line}\n" for line in lines).encode(), tuple(said)
    text = speech(numbers[0])
    if text and name.endswith(".md"):
        text = f"# About {WORDS[numbers[0]]}\n\n{text}\n"
    return text.encode(), (text,) if text else ()


def after(
    before: State, found: Mapping[Place, File], walked: Iterable[int], known: Mapping[int, str]
) -> State:
    """What the corpus must say once these roots were looked at: the specification.

    What is of a root that is not known any more goes: one may have gone back to it. A file that
    cannot be read keeps what it held, under the name that it had; another one of that name is
    put off until it can.

    :param known: the folder of each root's key.
    """
    walked = set(walked)
    state = {
        place: held
        for place, held in before.items()
        if place[0] in known and place[0] not in walked
    }
    found = {place: file for place, file in sorted(found.items()) if place[0] in walked}
    names = named(found, {held.name for held in state.values()}, known)
    reserved = set[str]()
    for place, file in sorted(found.items(), reverse=True):  # names are taken from later roots
        held, name = before.get(place), names[place]
        if file.trouble or name in reserved:
            if held is not None and held.texts:
                reserved |= {held.name} - {name}
                state[place] = Held(held.name, held.texts, "indexed", stale=True)
                continue
            if name in reserved:
                name = free(place, {*names.values(), *reserved}, known)
            state[place] = Held(name, (), "failed")
        else:
            state[place] = Held(name, file.texts, "indexed" if file.texts else "empty")
    return state


def named(places: Iterable[Place], taken: set[str], known: Mapping[int, str]) -> dict[Place, str]:
    """The names of sources, those of earlier roots first."""
    names: dict[Place, str] = {}
    for place in sorted(places):
        names[place] = free(place, {*taken, *names.values()}, known)
    return names


def free(place: Place, taken: set[str], known: Mapping[int, str]) -> str:
    """A name for a file that nothing has: its path, or that below the name of its folder."""
    key, path = place
    longer = f"{known[key]}/{path}"
    return next(one for one in (path, longer, f"{known[key]}-{key}/{path}") if one not in taken)


class StoreMachine(RuleBasedStateMachine):
    """The rules are what users, schedules, operators and accidents do."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="store-machine-"))
        for name in FOLDERS:
            (self.home / name / "sub").mkdir(parents=True)
        self.store = Store(self.home / "store")
        self.files: dict[tuple[str, str], File] = {}
        self.roots: dict[str, int] = {}  # folder -> key
        self.current: str | None = None
        self.states: dict[str, State] = {}  # what each snapshot says
        self.attempted: list[State] = []  # what runs that died would have published
        self.ids: dict[str, str] = {}  # content -> snapshot id
        self.held: list[tuple[Snapshot, State]] = []
        self.patch = patch.object(os, "open", refusing_the_locked(os.open))
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()
        self.held.clear()
        shutil.rmtree(self.home)

    # --- the folders change ---------------------------------------------------------------

    @initialize(start=st.dictionaries(names, speeches, max_size=5))
    def begin(self, start: dict[str, list[int]]) -> None:
        for name, numbers in start.items():
            self.write(FOLDERS[0], name, numbers)
        self.ingest(FOLDERS[0])

    @rule(folder=folders, name=names, numbers=speeches)
    def write(self, folder: str, name: str, numbers: list[int]) -> None:
        data, texts = contents(name, numbers)
        self._put(folder, name, data, File(texts))

    @rule(folder=folders, name=names)
    def write_junk(self, folder: str, name: str) -> None:
        self._put(folder, name, JUNK, File((), is_junk=True))

    @rule(name=names, numbers=speeches)
    def take_the_name_of_a_file_that_breaks(self, name: str, numbers: list[int]) -> None:
        self.write(FOLDERS[0], name, numbers)
        self.write_junk(FOLDERS[1], name)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), into=folders, copied=st.booleans())
    def move_or_copy(self, data: st.DataObject, into: str, copied: bool) -> None:
        folder, name = self._any_file(data)
        to = data.draw(st.sampled_from([one for one in NAMES if one[-4:] == name[-4:]]))
        if (folder, name) == (into, to):
            return
        source, target = self.home / folder / name, self.home / into / to
        file = self.files[folder, name]
        if copied:
            self._put(into, to, source.read_bytes(), replace(file, is_locked=False))
        else:
            source.replace(target)
            self.files[into, to] = self.files.pop((folder, name))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        folder, name = self._any_file(data)
        (self.home / folder / name).unlink()
        del self.files[folder, name]

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def lock_or_unlock(self, data: st.DataObject) -> None:
        folder, name = self._any_file(data)
        file = self.files[folder, name]
        self.files[folder, name] = replace(file, is_locked=not file.is_locked)
        (self.home / folder / name).chmod(0o644 if file.is_locked else 0o000)

    # --- runs -----------------------------------------------------------------------------

    @rule(folder=folders)
    def ingest(self, folder: str) -> None:
        self._run(lambda: self._ingest(folder), {folder})

    @rule()
    def refresh(self) -> None:
        if self._run(self._refresh, set(self.roots)) and self.roots:
            known = self.ids.setdefault(self._content(), str(self.current))
            assert known == self.current, "the same content has two ids"

    @precondition(lambda self: self.roots)
    @rule()
    def refresh_and_compare_with_a_fresh_store(self) -> None:
        self.refresh()
        here = self._state
        keys = [*self.roots.values()]
        as_fresh = keys == [*range(1, len(keys) + 1)] and {key for key, _ in here} <= {*keys}
        if not as_fresh or any(held.stale for held in here.values()):
            return
        fresh = Store(self.home / "fresh")
        try:
            for folder in self.roots:
                self._ingest(folder, fresh)
            self._refresh(fresh)
            assert fresh.current_id() == self.current
        except NothingToIngest:
            assert not all(self._in(folder) for folder in self.roots)
        finally:
            shutil.rmtree(fresh.path, ignore_errors=True)

    @precondition(lambda self: self.roots)
    @rule(data=st.data())
    def forget_root(self, data: st.DataObject) -> None:
        folder = data.draw(st.sampled_from(sorted(self.roots)))
        key = self.roots.pop(folder)
        self._runner(self.store).remove_root(self.home / folder)
        self._adopt({place: held for place, held in self._state.items() if place[0] != key})

    # --- accidents ------------------------------------------------------------------------

    @rule(folder=folders, name=names, numbers=speeches, at=moments, torn=st.booleans())
    def ingest_dies(
        self, folder: str, name: str, numbers: list[int], at: Moment, torn: bool
    ) -> None:
        self.write(folder, name, numbers)
        self._dies(lambda: self._ingest(folder), {folder}, at, torn)

    @precondition(lambda self: self.roots)
    @rule(at=moments, torn=st.booleans())
    def refresh_dies(self, at: Moment, torn: bool) -> None:
        self._dies(self._refresh, set(self.roots), at, torn)

    @precondition(lambda self: self.roots)
    @rule(name=names, numbers=speeches, at=moments, lasting=st.booleans())
    def the_disk_fails(self, name: str, numbers: list[int], at: Moment, lasting: bool) -> None:
        self.write(min(self.roots), name, numbers)
        before, expected = self._state, self._expected(self.roots)
        self.attempted.append(expected)
        told = self.in_child(self._refresh, failing(at, lasting))
        self._adopt_either(expected)
        if told == DONE:
            assert self._state == expected, "the run said that it was done"
        elif told == NOT_WRITTEN:
            assert self._state == before, "the run said that nothing was published"

    # --- what operators do ----------------------------------------------------------------

    @precondition(lambda self: self.current)
    @rule(keep=st.integers(1, 3), at=st.none() | moments)
    def collect(self, keep: int, at: Moment | None) -> None:
        listed = [one.id for one in self.store.snapshots()]

        def act() -> None:
            with self.store.writing():
                self.store.collect(keep)

        if at is None:
            act()
        elif self.in_child(act, dying(at, torn=False)) == DIED:
            return
        kept = {one.id for one in self.store.snapshots()}
        assert kept == {*listed[:keep], self.current}

    @precondition(lambda self: self.current)
    @rule(which=st.integers(0, 5), at=st.none() | moments)
    def roll_back(self, which: int, at: Moment | None) -> None:
        listed = [one.id for one in self.store.snapshots()]
        chosen = listed[which % len(listed)]

        def act() -> None:
            with self.store.writing():
                self.store.activate(chosen)

        if at is None:
            act()
        elif (
            self.in_child(act, dying(at, torn=False)) == DIED
            and self.store.current_id() == self.current
        ):
            return
        if chosen not in self.states:  # of a run that died just before it would have shown
            self.states[chosen] = self._attempted(chosen)
        self.current = chosen

    @precondition(lambda self: self.current and len(self.held) < 3)
    @rule()
    def hold(self) -> None:
        self.held.append((self.store.open(), self._state))

    @rule()
    def verify_all(self) -> None:
        for one in self.store.snapshots():
            assert not one.damage
            if one.id in self.states:
                assert said_by(self.store.open(one.id)) == self.states[one.id]
            else:
                self._attempted(one.id)
        assert not [*self.store.path.glob("quarantine/*")], "a run that died damaged something"

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def it_says_what_the_model_says(self) -> None:
        store = Store(self.store.path)  # nothing is remembered
        assert store.current_id() == self.current
        if self.current is not None:
            snapshot = store.open()
            assert said_by(snapshot) == self._state
            check_search(snapshot, WORDS[1:])

    @invariant()
    def what_is_held_still_answers(self) -> None:
        for snapshot, state in self.held:
            assert said_by(snapshot) == state

    # --- helpers --------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return self.states[self.current] if self.current else {}

    def _any_file(self, data: st.DataObject) -> tuple[str, str]:
        return data.draw(st.sampled_from(sorted(self.files)))

    def _in(self, folder: str) -> list[str]:
        return [name for place, name in self.files if place == folder]

    def _put(self, folder: str, name: str, data: bytes, file: File) -> None:
        path = self.home / folder / name
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        self.files[folder, name] = file

    def _runner(self, store: Store) -> Runner:
        kept = settings_for(store.path, RAG_INGEST__KEEP_SNAPSHOTS=str(KEPT))
        return Runner(Means(store, kept, WordHashEncoder(), Silent()))

    def _ingest(self, folder: str, store: Store | None = None) -> None:
        options = Options(max_delete_percent=100)
        self._runner(store or self.store).ingest([self.home / folder], options)

    def _refresh(self, store: Store | None = None) -> None:
        self._runner(store or self.store).refresh(Options(max_delete_percent=100))

    def _roots_with(self, walked: Iterable[str]) -> dict[str, int]:
        known, key = dict(self.roots), roots.next_key(self.store.path)
        for folder in walked:
            key += known.setdefault(folder, key) == key
        return known

    def _expected(self, walked: Iterable[str]) -> State:
        known = self._roots_with(walked)
        found = {
            (known[folder], name): file
            for (folder, name), file in self.files.items()
            if folder in known
        }
        folders = {key: folder for folder, key in known.items()}
        return after(self._state, found, {known[folder] for folder in walked}, folders)

    def _content(self) -> str:
        """All that the id of a snapshot may depend on, after a refresh."""
        troubles = sorted((place, file.trouble) for place, file in self.files.items())
        return repr((sorted(self.roots.items()), sorted(self._state.items(), key=repr), troubles))

    def _run(self, act: Callable[[], None], walked: set[str]) -> bool:
        """Carry out a run, and say whether it was; it is refused where there is nothing."""
        known, expected = self._roots_with(walked), self._expected(walked)
        try:
            act()
        except NothingToIngest:
            self._check_refusal(walked)
            return False
        self.roots = known
        self._adopt(expected)
        return True

    def _dies(self, act: Callable[[], None], walked: set[str], at: Moment, torn: bool) -> None:
        known, expected = self._roots_with(walked), self._expected(walked)
        self.attempted.append(expected)
        end = self.in_child(act, dying(at, torn))
        if end == REFUSED:
            self._check_refusal(walked)
        elif end == DONE:
            self.roots = known
            self._adopt(expected)
        else:
            here = {Path(one.path).name: one.key for one in roots.read(self.store.path)}
            assert here in (self.roots, known)
            self.roots = here
            self._adopt_either(expected)

    def in_child(self, act: Callable[[], None], disturb: Disturbance) -> int:
        return in_child(act, disturb)

    def _check_refusal(self, walked: set[str]) -> None:
        """A run may be refused only where a folder is empty, and nothing is held of it."""
        held = {key for (key, _), one in self._state.items() if one.texts}
        assert not walked or [
            folder
            for folder in walked
            if not self._in(folder) and self._roots_with(walked)[folder] not in held
        ]

    def _adopt(self, expected: State) -> None:
        """What is current now must say that; what it says is held by the invariant."""
        self.current = self.store.current_id()
        if self.current is not None:
            assert self.states.setdefault(self.current, expected) == expected
        else:
            assert not expected

    def _adopt_either(self, expected: State) -> None:
        """What is current is what was, or what the run would have published."""
        if self.store.current_id() != self.current:
            self._adopt(expected)

    def _attempted(self, snapshot_id: str) -> State:
        said = said_by(self.store.open(snapshot_id))
        assert said in self.attempted, "a snapshot that no run can have made"
        return said


def refusing_the_locked(real: Callable[..., int]) -> Callable[..., int]:
    """``os.open`` as it is for anyone but root: what may not be read is not opened."""

    def call(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        descriptor = real(path, flags, *args, **kwargs)
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and not mode & stat.S_IRUSR:
            os.close(descriptor)
            raise PermissionError(13, os.strerror(13), path)
        return descriptor

    return call


def moment(at: Moment) -> Callable[[str], int]:
    """Tells of each call whether the moment is to come (< 0), is now (0), or has gone by."""
    renames, calls = at
    seen = 0

    def come(name: str) -> int:
        nonlocal renames, seen
        if renames > 0:
            renames -= name == "rename"
            return -1
        seen += 1
        return seen - calls

    return come


def dying(at: Moment, torn: bool) -> Disturbance:
    """The process dies at that moment.

    :param torn: whether half of what it would have written is on disk.
    """
    come = moment(at)

    def die(name: str, call: Callable[..., Any], args: Any) -> Any:
        if come(name) < 0:
            return call()
        if torn and name == "write":
            call(args[0], args[1][: len(args[1]) // 2])
        os._exit(DIED)

    return die


def failing(at: Moment, lasting: bool) -> Disturbance:
    """The disk fails at that moment, and, if it lasts, from then on."""
    come = moment(at)

    def fail(name: str, call: Callable[..., Any], _: Any) -> Any:
        now = come(name)
        if now == 0 or (lasting and now > 0):
            raise OSError(5, "Input/output error")
        return call()

    return fail


def in_child(act: Callable[[], None], disturb: Disturbance) -> int:
    """Act in a process of its own, disturbed.

    :return: how it ended.
    """
    with warnings.catch_warnings():  # of threads, which some versions warn of at a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        end = BROKE
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
        try:
            with disturbed(disturb):
                act()
            end = DONE
        except NothingToIngest:
            end = REFUSED
        except StoreNotWritable:
            end = NOT_WRITTEN
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(end)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert end in (DONE, REFUSED, NOT_WRITTEN, DIED), f"a run ended with {end}"
    return end


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,  # the same examples everywhere; tests.long looks for new ones
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
