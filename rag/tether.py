"""Run a command, and end it when whoever started it is gone.

    python -m rag.tether NICENESS SECONDS COMMAND...

The one who starts this holds the other end of its standard input. When that end closes,
however its holder ended, the command is sent SIGTERM, and SIGKILL where it does not heed
that within so many seconds; nothing is left running behind a server that was killed. However
the command ends, whatever it started is ended as well. The exit code is the command's, and
128 plus the signal where it was ended by one.

:class:`Tethered` is the other end: a command started this way.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

NICE = 10  # answering comes first
HEED_S = 20  # how long a command may take to end in order
LEFT_S = 5  # the same, for what it started and left behind
KEPT_CHARS = 1_000_000  # of what a command prints
CLOSE_S = 5  # how long its starter waits for that; the tether does not need it

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Tethered:
    """A command that ends with this process.

    :param nice: by how much its priority is below that of this process.
    :param heed_s: seconds that it is given to end in order.
    :param output: a file to which all that it says is appended; None: it is kept in memory,
        the last part of it, for :meth:`wait`.
    :param sift: given each line of its standard error as it comes, in a thread; returns what
        of it is kept. It must not raise.
    :param environment: its environment; None: that of this process.
    """

    def __init__(  # noqa: PLR0913 - how a process is started
        self,
        command: Sequence[str],
        *,
        nice: int = NICE,
        heed_s: int = HEED_S,
        output: Path | None = None,
        sift: Callable[[str], str] = str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        with ExitStack() as stack:
            file = None if output is None else stack.enter_context(output.open("ab"))
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                [sys.executable, "-m", "rag.tether", str(nice), str(heed_s), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if file is None else file,
                stderr=subprocess.PIPE if file is None else file,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                start_new_session=True,  # Ctrl-C at the server's terminal is the server's alone
            )
        self._printed = _Tail(self._process.stdout)
        self._said = _Tail(self._process.stderr, sift)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self) -> tuple[int, str, str]:
        """Its exit code, its standard output, and what it said on standard error.

        Both texts are empty where they went to a file.
        """
        code = self._process.wait()
        self.end()
        return code, self._printed.text(), self._said.text()

    def end(self) -> None:
        """Have it ended in order. Returns at once."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Have it ended, and wait a moment for that."""
        self.end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)


class _Tail:
    """Reads a pipe to its end, so that its writer never waits, and keeps the last part."""

    def __init__(self, pipe: IO[str] | None, sift: Callable[[str], str] = str) -> None:
        self._sift = sift
        self._lines = deque[str]()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What was kept, once the pipe has ended."""
        self._thread.join(CLOSE_S)  # something that the command left behind may hold it open
        return "".join(self._lines)

    def _read(self, pipe: IO[str] | None) -> None:
        if pipe is None:
            return
        kept = 0
        with pipe:
            for line in filter(None, map(self._sift, pipe)):
                self._lines.append(line)
                kept += len(line)
                while kept > KEPT_CHARS and len(self._lines) > 1:
                    kept -= len(self._lines.popleft())


def main(nice: int, heed_s: int, command: list[str]) -> int:
    """Run the command to its end."""
    with suppress(OSError):  # already at the lowest priority, or not allowed to say so
        os.nice(nice)
    _adopt_orphans()
    child = subprocess.Popen(  # noqa: S603  # its caller's own
        command, stdin=subprocess.DEVNULL, process_group=0
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _send(child, signal.SIGTERM))
    threading.Thread(target=_end_with_stdin, args=(child, heed_s), daemon=True).start()
    code = child.wait()
    _end_what_is_left(child)
    return 128 - code if code < 0 else code


def _end_with_stdin(child: subprocess.Popen[bytes], heed_s: int) -> None:
    while os.read(0, 4096):
        pass
    _send(child, signal.SIGTERM)
    try:
        child.wait(heed_s)
    except subprocess.TimeoutExpired:
        child.kill()


def _adopt_orphans() -> None:
    """Have this process be the parent of what the command leaves behind. On Linux only.

    Otherwise that is process 1, which in a container may wait for nobody, and who has ended
    could not be told from who goes on.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_what_is_left(child: subprocess.Popen[bytes]) -> None:
    """End what the command started and did not end: it may hold memory of a GPU."""
    until = time.monotonic() + LEFT_S
    left = _send(child, signal.SIGTERM)
    while left and time.monotonic() < until:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = _send(child, 0)
        time.sleep(0.02)
    if left:
        _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: int) -> bool:
    """Signal the command and what it started: they are a process group of their own.

    :return: whether there is anybody left in it.
    """
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS denies what has ended already
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
