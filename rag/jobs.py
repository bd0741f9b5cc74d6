"""Refreshing when asked over HTTP: each run is a process of its own, never a thread here.

What a refresh does is not known here: this wing only calls the command line of the other.
Runs on a schedule are :mod:`rag.schedule`'s.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from corpus.errors import JobRunning, UnknownJob
from corpus.settings import Settings
from rag.job_progress import JobProgress, parted
from rag.tether import Tethered

log = logging.getLogger(__name__)

KEPT = 100  # jobs remembered
TAIL_CHARS = 4000  # of what a failed run said


class JobStatus(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # by a guard, or because another process is writing


STATUS_OF_EXIT = {
    0: JobStatus.DONE,
    3: JobStatus.DONE,  # with files that could not be read: the result names them
    4: JobStatus.REFUSED,
}
"""The exit codes of the command line; every other one is a failure."""


@dataclass(frozen=True, slots=True)
class Job:
    """One refresh that was asked for."""

    id: str
    status: JobStatus
    started: str  # ISO 8601, UTC
    finished: str | None = None
    exit_code: int | None = None
    result: dict[str, Any] | None = None  # what `rag refresh --json` printed
    error: str | None = None  # the end of what it said, where it did not succeed
    progress: JobProgress | None = None  # while it runs, from its first update on


HINT = "if memory ran out, raise schedule.memory_mb; the next run goes on where it was"


def refresh_command(store: Path, *arguments: str) -> list[str]:
    """The command that refreshes the roots of a store, within the memory that it may have."""
    command = [sys.executable, "-m", "rag", "refresh", "--json", "--quiet", "--bounded"]
    return [*command, "--store", str(store), *arguments]


class Jobs:
    """Starts the command when asked, one at a time. Safe to use from many threads."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._jobs: dict[str, Job] = {}
        self._process: Tethered | None = None
        self._lock = threading.Lock()

    def start(self) -> Job:
        """Start a refresh.

        :raises JobRunning: when the last one has not ended.
        """
        with self._lock:
            for job in self._jobs.values():
                if job.status is JobStatus.RUNNING:
                    raise JobRunning(job.id)
            job = Job(uuid.uuid4().hex[:12], JobStatus.RUNNING, _now())
            self._process = Tethered(self.command, sift=partial(self._hear, job.id))
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT:
                del self._jobs[next(iter(self._jobs))]
        threading.Thread(target=self._watch, args=(job, self._process), daemon=True).start()
        return job

    def get(self, job_id: str) -> Job:
        """How a job stands.

        :raises UnknownJob: when none of that id is remembered.
        """
        with self._lock:
            if job_id not in self._jobs:
                raise UnknownJob(job_id, KEPT)
            return self._jobs[job_id]

    def end(self) -> None:
        """Have what is running ended; the next run takes up where it was. Returns at once."""
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """End what is running, and wait a moment for that."""
        if self._process is not None:
            self._process.close()

    def _hear(self, job_id: str, line: str) -> str:
        """Keep what a line says of progress. Returns what it says to people."""
        said, progress = parted(line)
        if progress is not None:
            with self._lock:
                job = self._jobs.get(job_id)
                if job is not None and job.status is JobStatus.RUNNING:
                    self._jobs[job_id] = replace(job, progress=progress)
        return said

    def _watch(self, job: Job, process: Tethered) -> None:
        code, printed, said = process.wait()
        status = STATUS_OF_EXIT.get(code, JobStatus.FAILED)
        error = None
        if status is not JobStatus.DONE:
            error = said[-TAIL_CHARS:].strip() or f"it ended with exit code {code}"
            if code > 128 + signal.SIGINT:
                error = f"{error}; signal {code - 128}: {HINT}"
            log.warning("refresh %s %s: %s", job.id, status, error)
        ended = replace(
            job,
            status=status,
            finished=_now(),
            exit_code=code,
            result=_object(printed),
            error=error,
        )
        with self._lock:
            self._jobs[job.id] = ended


def jobs_of(settings: Settings) -> Jobs:
    """Refreshes of the store of these settings, that tell how far they are."""
    return Jobs(refresh_command(settings.store, "--watched"))


def _object(printed: str) -> dict[str, Any] | None:
    """The JSON object that was printed, if one was."""
    with suppress(ValueError):
        value = json.loads(printed)
        return value if isinstance(value, dict) else None
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat("T", "seconds")
