"""A process, and what it and its children took: wall and processor time, memory at its highest.

Processor time is what the kernel counted for the process and for the children it waited for.
Memory is sampled: the resident pages of the whole tree added up, so that pages which two
processes share count twice, and what the largest single process reached where that is more.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent
EVERY_S = 0.05  # between two samples of memory
LAST_LINES = 5  # of what a process said before it failed

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",
}
"""For every process: no network, and nothing said that is not asked for."""


class Failed(Exception):
    """A process ended with an error; the message is its code and what it said last."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process came to."""

    began: float  # by the clock of the machine, as the child's own time.monotonic()
    wall_s: float
    cpu_s: float  # user and system
    peak_mb: float
    told: dict[str, Any]  # the JSON object of its last line


def run(command: Sequence[str | Path], environment: Mapping[str, str] = QUIET) -> Spent:
    """Run it to its end.

    :raises Failed: when it ends with a code other than 0, or 3 (done, with failed files).
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdout=out, stderr=said, env={**os.environ, **environment}, cwd=PROJECT
        )
        with Watching(process.pid) as watching:
            _, status, used = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said.seek(0)
        if process.returncode not in (0, 3):
            raise Failed(f"it ended with code {process.returncode}: {_last(said.read())}")
        told = json.loads(out.read().splitlines()[-1])
    peak = max(watching.peak_mb, used.ru_maxrss / 1024)
    return Spent(began, wall, used.ru_utime + used.ru_stime, peak, told)


class Watching:
    """Samples the memory of a process and its children while it is entered."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self.peak_mb = max(self.peak_mb, tree_mb(self._pid))


def tree_mb(pid: int) -> float:
    """Resident memory of a process and all below it, in MB of 2**20 bytes."""
    pages = sum(_pages(one) for one in _tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            threads = [task.name for task in Path(f"/proc/{one}/task").iterdir()]
            for thread in threads:
                children = Path(f"/proc/{one}/task/{thread}/children").read_text(encoding="ascii")
                found += [int(child) for child in children.split()]
        except OSError:  # it has just ended
            continue
    return found


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0


def _last(said: str) -> str:
    return " ".join(line.strip() for line in said.strip().splitlines()[-LAST_LINES:])
