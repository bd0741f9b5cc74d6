"""Whether a store on this very machine keeps its promises when it is treated badly.

Makes small real stores in a scratch folder and, round after round, kills a run at a random
moment or lets its files grow no further, and damages files. Held against what is promised:

* what is current afterwards is the state before the run or the state after it, whole;
* what was acknowledged is there;
* the next run does its work;
* no damaged byte is ever served, and what was damaged is made good.

A crash here is that of a process. The power cut of a whole machine is another thing, which
the tests of this project try on file systems made for it.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from corpus.errors import CorpusError, NoSnapshot
from corpus.recovery import first_usable, repair
from corpus.snapshot import Snapshot
from corpus.store import CURRENT, Store
from corpus.types import LedgerRow, Query
from corpus.verifying import Verifier
from rag.commands.crashing import Crasher, Order, Outcome
from rag.commands.hashing import HashingEncoder
from rag.commands.striking import STRIKES, Struck
from rag.commands.tally import Result

DAMAGES_A_CRASH = 4
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty")
_MENDED_EVERY = 4  # damages after which the store is made good as well


class Carrier(Protocol):
    """Carries out orders: see :class:`rag.commands.crashing.Crasher`."""

    def run(self, order: Order) -> Outcome:
        """Carry one out."""


@dataclass(frozen=True, slots=True)
class State:
    """What a store says: every document's text, what a few searches find, and the ledger."""

    texts: dict[str, str]
    found: tuple[tuple[tuple[int, float], ...], ...] = ()
    ledger: tuple[LedgerRow, ...] = ()


def torture(
    scratch: Path, seed: int, goes_on: Callable[[int], bool], tell: Callable[[Result], None]
) -> Result:
    """Try crashes and damages in a scratch folder: see :meth:`Torture.run`."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # recovering is what is expected here
    crasher = Crasher()
    try:
        return Torture(scratch, crasher, seed).run(goes_on, tell)
    finally:
        crasher.close()
        logging.disable(level)


class Torture:
    """One scratch folder and the rounds in it.

    :param scratch: an empty folder that nobody else uses.
    """

    def __init__(self, scratch: Path, carrier: Carrier, seed: int) -> None:
        self._scratch, self._carrier = scratch, carrier
        self._random = random.Random(seed)  # noqa: S311 - for trying out, not for secrets
        self._folder = scratch / "documents"
        self._folder.mkdir()
        self._store = Store(scratch / "store")
        self._encoder = HashingEncoder()
        self._known: dict[str, State] = {}  # what each snapshot says, by id
        self._takes_s = {"ingest": 0.2, "refresh": 0.2, "collect": 0.02, "rollback": 0.02}
        self._written = 0
        self.result = Result(seed)

    def run(self, goes_on: Callable[[int], bool], tell: Callable[[Result], None]) -> Result:
        """Go on, round after round, for as long as the caller wants.

        :param goes_on: asked with the number of rounds that are over.
        """
        for _ in range(8):
            self._write()
        rounds = 0
        while goes_on(rounds):
            self._crash(cut_short=rounds % 3 == 2)
            for number in range(DAMAGES_A_CRASH):
                self._damage(mends=(rounds + number) % _MENDED_EVERY == 0)
            rounds += 1
            tell(self.result)
        return self.result

    # ---- crashes -----------------------------------------------------------------------------

    def _crash(self, *, cut_short: bool) -> None:
        operation, target = self._operation(writes=cut_short)
        how = "files cut short" if cut_short else "killed"
        before = self._state(self._current())
        if operation in ("ingest", "refresh"):
            self._change()
            after = State(self._documents())
        else:
            after = self._known[target] if operation == "rollback" else before
        order = Order(
            operation,
            os.fspath(self._store.path),
            os.fspath(self._folder),
            target,
            kill_after_s=None if cut_short else self._moment(operation),
            file_limit=self._limit() if cut_short else None,
        )
        outcome = self._carrier.run(order)
        if not cut_short:  # so that about half of the kills come before the end
            self._takes_s[operation] *= 1.2 if outcome.how == "killed" else 1 / 1.2
        kind = f"{operation}: {how}"
        tally = self.result.of(kind)
        tally.rounds += 1
        tally.struck += outcome.how != "done"
        if outcome.how == "broke":
            self.result.lose(kind, f"no clean error: {outcome.detail}")
        self._check(kind, outcome, before, after)
        self._work_again(kind)

    def _check(self, kind: str, outcome: Outcome, before: State, after: State) -> None:
        """Before or after, whole; after, if it was said to be done."""
        try:
            now = self._state(self._current())
        except CorpusError as error:
            self.result.lose(kind, f"what is current cannot be opened: {error}")
            return
        tally = self.result.of(kind)
        if now.texts == after.texts:
            tally.after += 1
        elif now.texts == before.texts and outcome.how != "done":
            tally.before += 1
        elif now.texts == before.texts:
            self.result.lose(kind, "it said that it was done, and it is not")
        else:
            self.result.lose(kind, "what is current is neither the state before nor after")
        for one in self._store.ids():
            if damage := Verifier(self._store.path).damage(one):
                self.result.lose(kind, f"snapshot {one}: {damage[0]}")

    def _work_again(self, kind: str) -> None:
        """The next run must bring everything in step, and its work must be found."""
        store, folder = os.fspath(self._store.path), os.fspath(self._folder)
        known = (self._store.path / "roots.json").exists()
        outcome = self._carrier.run(Order("refresh" if known else "ingest", store, folder))
        if outcome.how != "done":
            self.result.lose(kind, f"the next run did not work: {outcome.detail}")
            return
        try:
            snapshot = self._store.open()
        except CorpusError as error:
            self.result.lose(kind, f"after the next run nothing can be opened: {error}")
            return
        self._known[snapshot.id] = self._state(snapshot)
        if self._known[snapshot.id].texts != self._documents():
            self.result.lose(kind, "after the next run the store does not say what the files do")

    def _operation(self, *, writes: bool) -> tuple[str, str]:
        """What to do next, and to which snapshot to go back.

        :param writes: only what writes files.
        """
        if writes or not (self._store.path / CURRENT).exists():
            return ("refresh" if (self._store.path / CURRENT).exists() else "ingest"), ""
        chosen = self._random.choice(["ingest", "refresh", "refresh", "collect", "rollback"])
        if chosen != "rollback":
            return chosen, ""
        targets = [one for one in self._store.ids() if one in self._known]
        return ("rollback", self._random.choice(targets)) if targets else ("refresh", "")

    def _limit(self) -> int:
        """Bytes that a file may have: small ones and large ones as often."""
        return int(2 ** self._random.uniform(0, 17))

    def _moment(self, operation: str) -> float:
        """When to kill: anywhere from its beginning to somewhat past its end."""
        return self._random.uniform(0, 1.5) * self._takes_s[operation]

    # ---- damages -----------------------------------------------------------------------------

    def _damage(self, *, mends: bool) -> None:
        """Damage a copy of the store, read it, and have it made good."""
        copy = Store(self._scratch / "copy")
        shutil.copytree(self._store.path, copy.path)
        try:
            damaged = self._strike(copy)
            if damaged is not None:
                self._read_damaged(copy, damaged)
                if mends:
                    self._mend(copy, damaged)
        finally:
            shutil.rmtree(copy.path)

    def _strike(self, store: Store) -> Struck | None:
        """Damage one file in one way; None where its bytes are the same afterwards."""
        places = [store.path / CURRENT]
        for folder in ("snapshots", "segments"):
            places += sorted(path for path in (store.path / folder).rglob("*") if path.is_file())
        path = self._random.choice(places)
        before, state = path.read_bytes(), path.stat()
        name, strike = self._random.choice(list(STRIKES.items()))
        strike(self._random, path, self._random.choice(places))
        if path.exists() and path.read_bytes() == before:
            return None
        rotted = path.exists() and self._random.random() < 0.5
        if rotted:  # bytes may change without a trace
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        return Struck(f"one file {name}", os.fspath(path.relative_to(store.path)), rotted)

    def _read_damaged(self, store: Store, damaged: Struck) -> None:
        kind, tally = damaged.kind, self.result.of(damaged.kind)
        tally.rounds += 1
        try:
            snapshot, problem = first_usable(store, store.open)
        except CorpusError:
            tally.struck += 1  # refused
            return
        tally.struck += bool(problem)
        known = self._known.get(snapshot.id)
        if known is None:
            known = self._known[snapshot.id] = self._state(self._store.open(snapshot.id))
        try:
            whole = self._state(snapshot) == known
        except Exception:  # noqa: BLE001 - bytes that are not what they were may do anything
            whole = False
        if not whole:
            self.result.lose(kind, f"{damaged.place} was served, in snapshot {snapshot.id}")
        elif problem:
            tally.before += 1
        else:
            tally.after += 1

    def _mend(self, store: Store, damaged: Struck) -> None:
        """A run makes good what it can see; what rotted without a trace, a repair before it."""
        kind, place = damaged.kind, damaged.place
        try:
            if damaged.rotted:
                with store.writing():
                    repair(store)
            order = Order("refresh", os.fspath(store.path), os.fspath(self._folder))
            outcome = self._carrier.run(order)
            if outcome.how != "done":
                self.result.lose(kind, f"{place} was not made good: {outcome.detail}")
            elif self._state(store.open()).texts != self._documents():
                self.result.lose(kind, f"{place} was made good, and documents are missing")
        except CorpusError as error:
            self.result.lose(kind, f"{place} was not made good: {error}")

    # ---- what the store says, and what it should ----------------------------------------------

    def _current(self) -> Snapshot | None:
        try:
            return self._store.open()
        except NoSnapshot:
            return None

    def _state(self, snapshot: Snapshot | None) -> State:
        if snapshot is None:
            return State({})
        texts = {one: snapshot.document(one).text.strip() for one in snapshot.documents}
        queries = (Query(word, self._encoder.encode_query(word), 20) for word in _WORDS[:4])
        found = [
            tuple((hit.chunk.id, hit.score) for hit in snapshot.search(query)) for query in queries
        ]
        return State(texts, tuple(found), tuple(snapshot.ledger))

    def _documents(self) -> dict[str, str]:
        return {path.name: path.read_text().strip() for path in self._folder.iterdir()}

    def _write(self, name: str = "") -> None:
        self._written += 1
        words = " ".join(self._random.choices(_WORDS, k=self._random.randint(5, 90)))
        text = f"# Note {self._written}\n\nThis is about {words}.\n"
        (self._folder / (name or f"{self._written}.md")).write_text(text)

    def _change(self) -> None:
        """Add, change, rename and remove some documents."""
        there = sorted(path.name for path in self._folder.iterdir())
        for _ in range(self._random.randint(1, 3)):
            self._write()
        self._write(self._random.choice(there))
        if len(there) > 12:
            for name in self._random.sample(there, 2):
                (self._folder / name).unlink()
        else:
            (self._folder / there[0]).rename(self._folder / f"renamed-{self._written}.md")
