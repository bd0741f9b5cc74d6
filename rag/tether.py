"""Run a command at low priority, and end it when whoever started it is gone.

    python -m rag.tether COMMAND...

The one who starts this holds the other end of its standard input. When that end closes,
however its holder ended, the command is sent SIGTERM, and SIGKILL where it does not heed
that, and so is whatever it started; nothing is left running behind a server that was
killed. The exit code is the command's, and 128 plus the signal where it was ended by one.

:class:`Tethered` is the other end: a command started this way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

NICE = 10  # answering comes first
HEED_S = 20  # how long a command may take to end in order
KEPT_CHARS = 1_000_000  # of what a command prints
CLOSE_S = 5  # how long its starter waits for that; the tether does not need it


class Tethered:
    """A command that ends with this process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "rag.tether", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C at the server's terminal is the server's alone
        )
        self._printed, self._said = _Tail(self._process.stdout), _Tail(self._process.stderr)

    def wait(self) -> tuple[int, str, str]:
        """Its exit code, its standard output, and what it said on standard error."""
        code = self._process.wait()
        self.end()
        return code, self._printed.text(), self._said.text()

    def end(self) -> None:
        """Have it ended in order. Returns at once."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def close(self) -> None:
        """Have it ended, and wait a moment for that."""
        self.end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_S)


class _Tail:
    """Reads a pipe to its end, so that its writer never waits, and keeps the last part."""

    def __init__(self, pipe: IO[str] | None) -> None:
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
            for line in pipe:
                self._lines.append(line)
                kept += len(line)
                while kept > KEPT_CHARS and len(self._lines) > 1:
                    kept -= len(self._lines.popleft())


def main(command: list[str]) -> int:
    """Run the command to its end."""
    with suppress(OSError):  # already at the lowest priority, or not allowed to say so
        os.nice(NICE)
    child = subprocess.Popen(  # noqa: S603  # its caller's own
        command, stdin=subprocess.DEVNULL, process_group=0
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _send(child, signal.SIGTERM))
    threading.Thread(target=_end_with_stdin, args=(child,), daemon=True).start()
    code = child.wait()
    return 128 - code if code < 0 else code


def _end_with_stdin(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _send(child, signal.SIGTERM)
    try:
        child.wait(HEED_S)
    except subprocess.TimeoutExpired:
        _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the command and what it started: they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
