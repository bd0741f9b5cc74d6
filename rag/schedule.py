"""Refreshing on a schedule while serving: one process that is kept alive beside this one.

The process is ``rag refresh --every`` or ``--cron``: the same as anyone may run by hand, so
that what it does, refuses and records is the same as well. If it dies it is started again
after a pause that grows, and meanwhile :meth:`Schedule.problem` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from corpus.settings import Settings
from rag.jobs import refresh_command
from rag.tether import Tethered

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
STEADY_S = 60.0  # a process that lived this long begins with the first pause again
PROVEN_S = 10.0  # until then, a process that was started again may die as the last one did
TAIL_CHARS = 1000


class Schedule:
    """Keeps a command running until it is closed."""

    def __init__(self, command: Sequence[str], *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self.command = list(command)
        self._first_pause_s = first_pause_s
        self._closing = threading.Event()
        self._process: Tethered | None = None
        self._problem = ""
        self._began = 0.0
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def start(self) -> None:
        """Start the command and watch over it."""
        self._thread.start()

    def problem(self) -> str:
        """Why nothing is being refreshed now; empty while all is well."""
        proven = self._began and time.monotonic() - self._began > PROVEN_S
        return "" if proven else self._problem

    def end(self) -> None:
        """Have the command ended and not started again. Returns at once."""
        self._closing.set()
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """End the command, and wait a moment for that."""
        self.end()
        if self._process is not None:
            self._process.close()

    def _keep_alive(self) -> None:
        pause = self._first_pause_s
        while not self._closing.is_set():
            self._process = Tethered(self.command)
            self._began = began = time.monotonic()
            if self._closing.is_set():  # meanwhile
                self._process.end()
            code, _, said = self._process.wait()
            if self._closing.is_set():
                return
            if time.monotonic() - began > STEADY_S:
                pause = self._first_pause_s
            self._began = 0.0
            why = said[-TAIL_CHARS:].strip()
            self._problem = f"the scheduled refresh ended with exit code {code}: {why}"
            log.error("%s; starting it again in %.0f s", self._problem, pause)
            self._closing.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


def schedule_of(settings: Settings) -> Schedule | None:
    """The schedule that the settings ask for, not started yet; None where they ask for none."""
    serve = settings.serve
    if serve.refresh_cron:
        arguments = ["--cron", serve.refresh_cron]
    elif serve.refresh_every:
        arguments = ["--every", serve.refresh_every]
    else:
        return None
    return Schedule(refresh_command(settings.store, *arguments))
