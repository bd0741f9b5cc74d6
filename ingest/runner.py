"""Ingest and refresh as the commands mean them: one at a time, recorded, tidied up after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from corpus import roots
from corpus.errors import BadRoot, NothingToIngest
from corpus.roots import Root
from corpus.runs import Outcome, Recording, RunLog
from ingest.pipeline import Means, Options, Run
from ingest.report import Failure, Report


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
        with self._log.recording() as recording, self._store.writing():
            known, walked = self._with_roots(paths)
            return self._carry_out(known, walked, options, recording)

    def refresh(self, options: Options) -> Report:
        """Bring the corpus in step with every root that was ingested.

        A root that is not there is reported as failed, and its documents stay.

        :raises NothingToIngest: when there is no root yet.
        :raises BadRoot: when none of the roots is there.
        :raises RagError: see :meth:`ingest.pipeline.Run.plan` and ``carry_out``.
        """
        self._known_roots()  # without any, nothing is to be made
        with self._log.recording() as recording, self._store.writing():
            known = self._known_roots()
            report = self._carry_out(known, _present(known), options, recording)
        return _with_missing(report, known)

    def remove_root(self, path: Path) -> Report:
        """Take a root and its documents out of the corpus.

        :raises BadRoot: when it is no root of this store.
        """
        with self._log.recording() as recording, self._store.writing():
            known = roots.read(self._store.path)
            going = [root for root in known if root.path == str(path.resolve())]
            if not going:
                listed = ", ".join(root.path for root in known) or "none"
                raise BadRoot(f"{path} is no root of this store; its roots are: {listed}")
            staying = tuple(root for root in known if root not in going)
            recording.begin()
            asked_for = Options(max_delete_percent=100)
            run = Run(self._means, staying, (), asked_for)
            report = run.carry_out(run.plan_removal(going[0]))
            roots.write(self._store.path, staying)
            recording.end(Outcome.DONE, report.summary())
            return report

    def preview(self, paths: Sequence[Path] | None, options: Options) -> Report:
        """What :meth:`ingest` (or, without paths, :meth:`refresh`) would do. Writes nothing."""
        if paths is None:
            known = self._known_roots()
            run = Run(self._means, known, _present(known), options)
            return _with_missing(run.preview(run.plan()), known)
        run = Run(self._means, *self._with_roots(paths), options)
        return run.preview(run.plan())

    def _carry_out(
        self,
        known: Sequence[Root],
        walked: Sequence[Root],
        options: Options,
        recording: Recording,
    ) -> Report:
        run = Run(self._means, known, walked, options)
        plan = run.plan()
        if tuple(known) != roots.read(self._store.path):
            roots.write(self._store.path, tuple(known))
        has_work = run.anew or not plan.is_empty
        if has_work:
            recording.begin()
        before = self._store.current_id()
        report = run.carry_out(plan)
        if has_work or report.snapshot != before:
            recording.end(Outcome.DONE, report.summary())
            self._store.collect(self._means.settings.ingest.keep_snapshots)
        return report

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
        walked = []
        for path in paths:
            location = str(_existing(path))
            _refuse_overlap(location, known)
            key = max((root.key for root in known.values()), default=0) + 1
            patterns = self._means.settings.ingest
            root = known.get(location, Root(key, location))
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
