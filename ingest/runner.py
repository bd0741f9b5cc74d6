"""Ingest and refresh as the commands mean them: one at a time, recorded, tidied up after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from corpus import disk, lease, memory, recovery, roots
from corpus.errors import BadRoot, NothingToIngest, SnapshotDamaged
from corpus.roots import Root
from corpus.runs import Outcome, Recording, RunLog
from ingest.pacing import rare_collections
from ingest.pipeline import Means, Options, Run
from ingest.report import Failure, Report


@dataclass(frozen=True, slots=True)
class _Turn:
    """A run's turn to write."""

    recording: Recording
    crashed: tuple[str, ...]  # runs before that ended without a word


class Runner:
    """Carries out runs on one store."""

    def __init__(self, means: Means) -> None:
        self._means, self._store = means, means.store
        self._log = RunLog(means.store.path)

    def ingest(self, paths: Sequence[Path], options: Options) -> Report:
        """Take in folders, and keep them as roots that a refresh looks after.

        :raises BadRoot: when a path is not there, or lies within another root.
        :raises RagError: see :meth:`ingest.pipeline.Run.plan` and ``carry_out``.
        """
        self._with_roots(paths)  # a mistyped path must not make a store
        with self._turn() as turn:
            known, walked = self._with_roots(paths)
            return self._sound(known, walked, options, turn)

    def refresh(self, options: Options) -> Report:
        """Bring the corpus in step with every root that was ingested.

        A root that is not there is reported as failed, and its documents stay.

        :raises NothingToIngest: when there is no root yet.
        :raises BadRoot: when none of the roots is there.
        :raises RagError: see :meth:`ingest.pipeline.Run.plan` and ``carry_out``.
        """
        self._known_roots()  # without any, nothing is to be made
        with self._turn() as turn:
            known = self._known_roots()
            report = self._sound(known, _present(known), options, turn)
        return _with_missing(report, known)

    def remove_root(self, path: Path) -> Report:
        """Take a root and its documents out of the corpus.

        :raises BadRoot: when it is no root of this store.
        """
        with self._turn() as turn:
            known = roots.read(self._store.path)
            going = [root for root in known if root.path == str(path.resolve())]
            if not going:
                listed = ", ".join(root.path for root in known) or "none"
                raise BadRoot(f"{path} is no root of this store; its roots are: {listed}")
            staying = tuple(root for root in known if root not in going)
            run = Run(self._means, staying, (), Options(max_delete_percent=100))
            with lease.held(self._store.path):
                turn.recording.begin()
                report = run.carry_out(run.plan_removal(going[0]))
                roots.write(self._store.path, staying)
                turn.recording.end(Outcome.DONE, report.summary(), report.effort)
            return replace(report, crashed=turn.crashed)

    def preview(self, paths: Sequence[Path] | None, options: Options) -> Report:
        """What :meth:`ingest` (or, without paths, :meth:`refresh`) would do. Writes nothing."""
        if paths is None:
            known = self._known_roots()
            run = Run(self._means, known, _present(known), options, looks_only=True)
            return _with_missing(self._preview(run), known)
        run = Run(self._means, *self._with_roots(paths), options, looks_only=True)
        return self._preview(run)

    def _preview(self, run: Run) -> Report:
        from ingest import outlook

        plan = run.plan()
        shown = self._log.runs(being_written=False)
        return replace(run.preview(plan), estimate=outlook.estimate(run.work(plan), shown))

    @contextmanager
    def _turn(self) -> Iterator[_Turn]:
        """Be the only one who writes, on record, where it may be written."""
        settings = self._means.settings.ingest
        disk.refuse_network(self._store.path, allowed=settings.allow_network_store)
        with (
            rare_collections(),
            self._log.recording() as recording,
            memory.errors(),
            self._store.writing(),
        ):
            crashed = (f"{run.detail}, started {run.started}" for run in self._log.settle())
            yield _Turn(recording, tuple(crashed))

    def _sound(
        self, known: Sequence[Root], walked: Sequence[Root], options: Options, turn: _Turn
    ) -> Report:
        """Carry out the run; where it meets damage, once more over what is sound."""
        try:
            return self._carry_out(known, walked, options, turn)
        except SnapshotDamaged:
            if recovery.recover(self._store, thorough=True) is None:
                raise
            return self._carry_out(known, walked, options, turn)

    def _carry_out(
        self, known: Sequence[Root], walked: Sequence[Root], options: Options, turn: _Turn
    ) -> Report:
        run = Run(self._means, known, walked, options)
        turn.recording.is_complete = len(walked) == len(known)
        plan = run.plan()
        if not run.has_work(plan):
            self._keep_roots(known)
            return replace(run.leave(plan), crashed=turn.crashed)
        settings = self._means.settings.ingest
        disk.require(self._store.path, run.room(plan), settings.reserve_mb)
        with lease.held(self._store.path):
            self._keep_roots(known)
            turn.recording.begin()
            report = run.carry_out(plan)
            turn.recording.end(Outcome.DONE, report.summary(), report.effort)
            self._store.collect(settings.keep_snapshots)
        return replace(report, crashed=turn.crashed)

    def _keep_roots(self, known: Sequence[Root]) -> None:
        if tuple(known) != roots.read(self._store.path):
            roots.write(self._store.path, tuple(known))

    def _known_roots(self) -> tuple[Root, ...]:
        known = roots.read(self._store.path)
        if not known:
            raise NothingToIngest(
                f"the store {self._store.path} has no folder to refresh yet; run "
                "`rag ingest FOLDER` first"
            )
        return known

    def _with_roots(self, paths: Sequence[Path]) -> tuple[tuple[Root, ...], tuple[Root, ...]]:
        """All roots with these among them, and these alone, with today's patterns."""
        known = {root.path: root for root in roots.read(self._store.path)}
        walked, key = [], roots.next_key(self._store.path)
        for path in paths:
            location = str(_existing(path))
            _refuse_overlap(location, known)
            patterns = self._means.settings.ingest
            root = known.get(location, Root(key, location))
            key += root.key == key
            known[location] = replace(root, include=patterns.include, exclude=patterns.exclude)
            walked.append(known[location])
        return tuple(known.values()), tuple(walked)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise BadRoot(f"{path} is not there; expected a folder of documents, or one file")
    return path.resolve()


def _refuse_overlap(location: str, known: Iterable[str]) -> None:
    """A file below two roots would be two documents."""
    for other in known:
        inside = Path(location).is_relative_to(other) or Path(other).is_relative_to(location)
        if inside and other != location:
            raise BadRoot(
                f"{location} overlaps {other}, which is ingested already; ingest that one, or "
                "remove it first with `rag roots remove`"
            )


def _present(known: Sequence[Root]) -> tuple[Root, ...]:
    present = tuple(root for root in known if Path(root.path).exists())
    if not present:
        raise BadRoot(
            f"none of the folders of this store is there: {', '.join(r.path for r in known)}; "
            "nothing was changed. If they are not mounted, mount them"
        )
    return present


def _with_missing(report: Report, known: Sequence[Root]) -> Report:
    missing = tuple(
        Failure(root.path, "the folder is not there; its documents are kept")
        for root in known
        if not Path(root.path).exists()
    )
    return replace(report, failed=report.failed + missing)
