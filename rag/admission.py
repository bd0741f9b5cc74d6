"""Which snapshots may answer: those that are whole and of the model that embeds questions.

A snapshot that was found damaged is not read again before its files have changed: telling
costs a full hash, and somebody looks every second. Besides the one that answers, a few others
that were asked for stay open, so that a question about an older state does not open it anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from corpus.embedding import Encoder
from corpus.errors import SnapshotDamaged, UnknownFormat, UnknownSnapshot
from corpus.fingerprint import PROBES, check_probes, check_same
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.verifying import is_lasting, stamps

KEPT_OPEN = 2  # snapshots beside the one that answers
RETRY_S = 30.0  # after an error that may pass: no more file descriptors, no permission

_REMEMBERED = 64  # damaged snapshots


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a snapshot cannot be used, and for which bytes and how long that holds."""

    found: str
    stamps: object
    until: float  # time.monotonic()


class Admission:
    """Opens snapshots for one encoder. Safe to share between threads.

    :param probe: load the model with the first snapshot, and check that it places the probe
        sentences where the snapshot has them.
    """

    def __init__(self, store: Store, encoder: Encoder, *, probe: bool) -> None:
        self._store, self._encoder, self._unprobed = store, encoder, probe
        self._refused: OrderedDict[str, _Refused] = OrderedDict()
        self._open: OrderedDict[str, Snapshot] = OrderedDict()
        self._turn = threading.RLock()

    def open(self, snapshot_id: str) -> Snapshot:
        """Open a snapshot, verifying every file of it.

        :raises UnknownSnapshot: when there is none of that id.
        :raises SnapshotDamaged: when a file is not what its manifest says.
        :raises EmbeddingMismatch: when it is of another vector space.
        """
        with self._turn:
            kept = self._open.pop(snapshot_id, None)
            if kept is not None:
                return kept
            before = stamps(self._store.path, snapshot_id)
            self._check_memory(snapshot_id, before)
            try:
                return self._opened(snapshot_id)
            except UnknownFormat:
                raise  # costs nothing to tell again
            except SnapshotDamaged as error:
                if snapshot_id not in self._store.ids():  # it was removed meanwhile
                    raise UnknownSnapshot(snapshot_id) from error
                self._remember(snapshot_id, error, before)
                raise

    def kept(self, snapshot_id: str) -> Snapshot:
        """The same, from among the few that stay open; the one used longest ago goes.

        :raises CorpusError: see :meth:`open`.
        """
        with self._turn:
            snapshot = self.open(snapshot_id)
            self._open[snapshot_id] = snapshot
            while len(self._open) > KEPT_OPEN:
                self._open.popitem(last=False)
            return snapshot

    def let_go(self) -> None:
        """Let go of snapshots that are not in the store any more."""
        with self._turn:
            for gone in self._open.keys() - set(self._store.ids() if self._open else ()):
                del self._open[gone]

    def _opened(self, snapshot_id: str) -> Snapshot:
        space = self._encoder.fingerprint
        check_same(found=self._store.manifest(snapshot_id).fingerprint, expected=space)
        snapshot = self._store.open(snapshot_id)
        if self._unprobed:  # later ones share the model
            probes = self._encoder.encode_documents(list(PROBES))
            check_probes(snapshot.manifest.probes, probes, space)
            self._unprobed = False
        return snapshot

    def _check_memory(self, snapshot_id: str, now: object) -> None:
        """Refuse again what was refused for the same bytes."""
        refused = self._refused.get(snapshot_id)
        if refused is None:
            return
        if refused.stamps == now and time.monotonic() < refused.until:
            raise SnapshotDamaged(refused.found)
        del self._refused[snapshot_id]

    def _remember(self, snapshot_id: str, error: SnapshotDamaged, before: object) -> None:
        lasting = is_lasting(error)
        until = math.inf if lasting else time.monotonic() + RETRY_S
        self._refused[snapshot_id] = _Refused(error.found, before, until)
        while len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)
