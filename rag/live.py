"""The snapshot that answers now, and its replacement by a newer one.

A newer snapshot is opened and verified beside the old one, then one reference is swapped.
Whoever holds the old one keeps it until the request is over; nothing waits.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from corpus.embedding import Encoder
from corpus.errors import CorpusError, NoSnapshot
from corpus.fingerprint import PROBES, check_probes, check_same
from corpus.snapshot import Snapshot
from corpus.store import Store
from rag.answers import SnapshotInfo


class LiveCorpus:
    """Serves the current snapshot of a store. Safe to share between threads.

    :param encoder: what questions are embedded with; a snapshot of another vector space is
        refused.
    :param probe: load the model with the first snapshot, and check that it places the probe
        sentences where the snapshot has them.
    """

    def __init__(self, store: Store, encoder: Encoder, *, probe: bool = True) -> None:
        self._store, self._encoder, self._probe = store, encoder, probe
        self._snapshot: Snapshot | None = None
        self._problem: CorpusError | None = None
        self._turn = threading.Lock()

    def get(self) -> Snapshot:
        """The snapshot that answers.

        :raises NoSnapshot: before the first is published.
        :raises CorpusError: when the current one cannot be used and none was served before.
        """
        if self._snapshot is None:
            self.poll()
        if self._snapshot is None:
            raise self._problem or NoSnapshot(self._store.path)
        return self._snapshot

    def poll(self) -> None:
        """Look whether another snapshot is current, and swap to it.

        One that cannot be used leaves the served one in place and becomes a problem.
        """
        with self._turn:
            try:
                current = self._store.require_current()
                if self._snapshot is None or self._snapshot.id != current:
                    self._snapshot = self._opened(current)
                self._problem = None
            except CorpusError as error:
                self._problem = error

    def problems(self) -> list[str]:
        """Why answers are missing or not the newest; empty when all is well."""
        return [str(self._problem)] if self._problem else []

    def _opened(self, snapshot_id: str) -> Snapshot:
        check_same(
            found=self._store.manifest(snapshot_id).fingerprint,
            expected=self._encoder.fingerprint,
        )
        snapshot = self._store.open(snapshot_id)
        if self._probe and self._snapshot is None:  # later ones share the model
            probes = self._encoder.encode_documents(list(PROBES))
            check_probes(snapshot.manifest.probes, probes, self._encoder.fingerprint)
        return snapshot


def info_of(snapshot: Snapshot) -> SnapshotInfo:
    """How an answer names the snapshot it rests on."""
    age = datetime.now(UTC) - datetime.fromisoformat(snapshot.created)
    return SnapshotInfo(snapshot.id, snapshot.created, max(0.0, round(age.total_seconds(), 1)))
