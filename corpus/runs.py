"""What runs came to: a line for every run that changed something, failed or was refused.

A run that finds nothing to do leaves no line; like every run that ends well it moves the
time of the empty file ``CHECKED``, so that a refresh that changes nothing writes nothing
and is still seen. A run that was killed is recognised by its first line having no last one
while nobody holds the store's lock.
"""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from corpus import files, lease
from corpus.errors import GuardRefused, StoreBusy

NAME = "runs.jsonl"
CHECKED = "CHECKED"
NEXT = "NEXT"
_KEPT_LINES = 400  # the file is cut back to half of this when it grows past it


class Outcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # by the guard
    SKIPPED = "skipped"  # another process was writing
    INTERRUPTED = "interrupted"
    CRASHED = "crashed"  # it began, never ended, and is not there any more


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it is recorded."""

    id: str
    started: str  # ISO 8601, UTC
    outcome: Outcome
    finished: str = ""
    detail: str = ""  # why it failed, or what it did, for humans
    process: int = 0
    host: str = ""  # the machine it ran on
    seconds: float = 0.0  # that it took
    bytes_read: int = 0  # of documents that were read and cut
    embedded: int = 0  # chunks that went to the model
    embed_seconds: float = 0.0  # of its seconds, those spent there


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run took: from this the time of later ones is estimated."""

    seconds: float = 0.0
    bytes_read: int = 0
    embedded: int = 0
    embed_seconds: float = 0.0


class RunLog:
    """The record of one store."""

    def __init__(self, store: Path) -> None:
        self._path = store / NAME
        self._checked = store / CHECKED
        self._next = store / NEXT

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Record the run that the block carries out, however it ends."""
        recording, began, before = Recording(self._append), time.time(), self.began_last()
        try:
            yield recording
        except BaseException as error:
            recording.end(_outcome(error), str(error))
            raise
        with suppress(OSError):
            self._checked.touch()
            looked_at_all = began if recording.is_complete else before
            os.utime(self._checked, (looked_at_all, time.time()))

    def last_success(self) -> str:
        """When a run last ended well, changes or not: ISO 8601, UTC; empty for never."""
        try:
            moment = self._checked.stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return datetime.fromtimestamp(moment, UTC).isoformat("T", "seconds")

    def began_last(self) -> float:
        """When the run began that last looked at all roots and ended well: epoch seconds, or 0.

        What the folders held then, at least, is in the corpus.
        """
        try:
            return self._checked.stat().st_atime
        except (FileNotFoundError, NotADirectoryError):
            return 0.0

    def settle(self) -> list[Run]:
        """Put on record that runs have crashed. The caller holds the store, so none is there.

        :return: those that nobody had noticed yet, newest first.
        """
        crashed = [
            replace(run, finished=_now())
            for run in self.runs(being_written=False)
            if run.outcome is Outcome.CRASHED and not run.finished
        ]
        for run in reversed(crashed):
            with suppress(OSError):
                self._append(run)
        return crashed

    def announce(self, due: datetime, schedule: str) -> None:
        """Say when this process, which keeps a schedule, will run next."""
        said = {"due": due.astimezone(UTC).isoformat("T", "seconds"), "schedule": schedule}
        with suppress(OSError):  # there may be no store yet
            said |= {"boot": lease.this_process().boot}
            files.replace(self._next, json.dumps({**said, "process": os.getpid()}).encode())

    def next_run(self) -> str:
        """When a living process means to run next: ISO 8601, UTC; empty where none does."""
        try:
            said = json.loads(self._next.read_bytes())
            due = str(said["due"])
            here = lease.this_process().boot
            if said.get("boot", here) != here:
                return due if _is_to_come(due) else ""
            os.kill(said["process"], 0)  # sends nothing; fails where there is no such process
        except PermissionError:  # there is one, of another user
            return due
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return due

    def runs(self, *, being_written: bool) -> list[Run]:
        """Every run on record, newest first.

        :param being_written: whether some process holds the store's lock now.
        """
        by_id: dict[str, Run] = {}
        for run in self._recorded():
            by_id.pop(run.id, None)  # so that the order is that of the last lines
            by_id[run.id] = run
        newest_first = list(reversed(by_id.values()))
        running = [run.id for run in newest_first if run.outcome is Outcome.RUNNING]
        alive = running[0] if running and being_written else ""
        return [run if run.id == alive else _judged(run) for run in newest_first]

    def _recorded(self) -> Iterator[Run]:
        """Every line that can be read; one that a crash cut short is passed over."""
        for line in self._read().splitlines():
            with suppress(ValueError, TypeError, KeyError):
                fields = json.loads(line)
                yield Run(**{**fields, "outcome": Outcome(fields["outcome"])})

    def _append(self, run: Run) -> None:
        recorded = self._read()
        lines = recorded.splitlines()
        if len(lines) > _KEPT_LINES:
            recorded = b"".join(line + b"\n" for line in lines[-_KEPT_LINES // 2 :])
            files.replace(self._path, recorded)
        torn = bool(recorded) and not recorded.endswith(b"\n")
        with self._path.open("ab") as file:
            file.write(b"\n" * torn + json.dumps(asdict(run)).encode() + b"\n")

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""


class Recording:
    """A run that is being recorded. ``is_complete`` is set by one that looks at all roots."""

    def __init__(self, append: Callable[[Run], None]) -> None:
        self._append, self.is_complete = append, False
        self._run = Run(
            uuid.uuid4().hex[:12],
            _now(),
            Outcome.RUNNING,
            process=os.getpid(),
            host=platform.node(),
        )

    def begin(self) -> None:
        """Record that the run has found work and starts on it.

        :raises StoreNotWritable: when the disk refuses even that.
        """
        with files.disk_errors():
            self._append(self._run)

    def end(self, outcome: Outcome, detail: str, effort: Effort | None = None) -> None:
        """Record how it ended. What cannot be recorded must not hide how it ended."""
        ended = replace(self._run, outcome=outcome, finished=_now(), detail=detail)
        if effort is not None:
            ended = replace(ended, **asdict(effort))
        with suppress(OSError):
            self._append(ended)


def _outcome(error: BaseException) -> Outcome:
    if isinstance(error, StoreBusy):
        return Outcome.SKIPPED
    if isinstance(error, GuardRefused):
        return Outcome.REFUSED
    return Outcome.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Outcome.FAILED


def _judged(run: Run) -> Run:
    """A run that is not there any more and never said how it ended was killed."""
    if run.outcome is not Outcome.RUNNING:
        return run
    where = f" on {run.host}" if run.host else ""
    detail = f"process {run.process}{where} ended without a word"
    return replace(run, outcome=Outcome.CRASHED, detail=detail)


def _is_to_come(due: str) -> bool:
    """Whether another machine may mean it still: nobody here can ask for its process."""
    return datetime.fromisoformat(due) > datetime.now(UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat("T", "seconds")
