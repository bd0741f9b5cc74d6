"""The snapshot that answers now, and its replacement by a newer one.

A newer snapshot is opened and verified beside the old one, then one reference is swapped.
Whoever holds the old one keeps it until the request is over; nothing waits. One that is
damaged is never served: the old one stays, or, where nothing was served yet, the newest that
is whole answers in its place, and says so.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from corpus.embedding import Encoder
from corpus.errors import CorpusError, NoSnapshot, SnapshotDamaged
from corpus.recovery import first_usable, pointed_at, stands_in
from corpus.snapshot import Snapshot
from corpus.store import Store
from rag.admission import Admission
from rag.answers import SnapshotInfo


class LiveCorpus:
    """Serves the current snapshot of a store. Safe to share between threads.

    :param encoder: what questions are embedded with; a snapshot of another vector space is
        refused.
    :param probe: load the model with the first snapshot, and check that it places the probe
        sentences where the snapshot has them.
    """

    def __init__(self, store: Store, encoder: Encoder, *, probe: bool = True) -> None:
        self._store = store
        self._admission = Admission(store, encoder, probe=probe)
        self._snapshot: Snapshot | None = None
        self._refusal: CorpusError | None = None  # why nothing answers
        self._problem = ""
        self._turn = threading.Lock()

    def get(self, wanted: str | None = None) -> Snapshot:
        """The snapshot that answers, or the one that is asked for.

        :param wanted: id, tag or beginning of an id.
        :raises NoSnapshot: before the first is published.
        :raises UnknownSnapshot: when there is none that is named so.
        :raises CorpusError: when it cannot be used, and neither can another in its place.
        """
        if wanted is not None:
            return self._asked_for(wanted)
        if self._snapshot is None:
            self.poll()
        if self._snapshot is None:
            raise self._refusal or NoSnapshot(self._store.path)
        return self._snapshot

    def poll(self) -> None:
        """Look whether another snapshot is current, and swap to it.

        One that cannot be used leaves the served one in place and becomes a problem.
        """
        with self._turn:
            try:
                if self._snapshot is None:
                    self._snapshot, self._problem = first_usable(self._store, self._admission.open)
                else:
                    self._follow(self._snapshot)
            except CorpusError as error:
                self._refusal, self._problem = error, str(error)
            self._admission.let_go()

    def problems(self) -> list[str]:
        """Why answers are missing or not the newest; empty when all is well."""
        return [self._problem] if self._problem else []

    def info(self, snapshot: Snapshot) -> SnapshotInfo:
        """How an answer names the snapshot it rests on."""
        age = datetime.now(UTC) - datetime.fromisoformat(snapshot.created)
        problem = self._problem if snapshot is self._snapshot else ""
        age_s = max(0.0, round(age.total_seconds(), 1))
        return SnapshotInfo(snapshot.id, snapshot.created, age_s, problem)

    def _follow(self, served: Snapshot) -> None:
        """Serve what is current, if that can be served; say why where it cannot."""
        current, problem = pointed_at(self._store)
        try:
            if current is not None and current != served.id:
                self._snapshot = self._admission.open(current)
            elif current is None and not problem:
                raise NoSnapshot(self._store.path)
        except SnapshotDamaged as error:
            problem = error.found
        self._problem = stands_in(problem, served.id) if problem else ""

    def _asked_for(self, name: str) -> Snapshot:
        snapshot_id, served = self._store.resolve(name), self._snapshot
        if served is not None and served.id == snapshot_id:
            return served
        return self._admission.kept(snapshot_id)
