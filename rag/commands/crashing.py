"""Runs that are made to crash: a process that forks a child for each, and kills it when told.

    python -m rag.commands.crashing

reads a :class:`Order` a line and answers with an :class:`Outcome` a line, both as JSON. It
loads every library first and starts no thread, so that a child begins its work at once.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from corpus import collecting
from corpus.errors import RagError
from corpus.settings import IngestSettings, Settings
from corpus.store import Store
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.runner import Runner
from rag.commands.hashing import HashingEncoder

KEEP = 3  # snapshots that a scratch store keeps
_ANSWER_BYTES = 1 << 16  # what a pipe holds; an answer is far shorter


@dataclass(frozen=True, slots=True)
class Order:
    """What a child shall do, and what shall happen to it."""

    operation: str  # ingest, refresh, collect, rollback, repair
    store: str
    folder: str
    target: str = ""  # of a rollback: the id of a snapshot
    kill_after_s: float | None = None  # SIGKILL then, if it is still there
    file_limit: int | None = None  # bytes that a file may have; writing more fails


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a child."""

    how: str  # done, refused (it said why), killed, broke (it said nothing that it should)
    detail: str = ""


class Crasher:
    """The process that forks, as its owner sees it."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", __name__],
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> Outcome:
        """Have an order carried out, to its end or to the child's."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process has no pipes")
        stdin.write(json.dumps(asdict(order)) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks has ended; it said why before this line")
        return Outcome(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def settings_of(store: Path) -> Settings:
    """The settings of a scratch store: nobody's file or environment counts."""
    return Settings(store=store, ingest=IngestSettings(keep_snapshots=KEEP))


def carry_out(order: Order) -> str:
    """Do what the order says. Returns the id of the snapshot that is current then."""
    settings = settings_of(Path(order.store))
    store, options = Store(settings.store), Options(max_delete_percent=100)
    runner = Runner(Means(store, settings, HashingEncoder(), Silent()))
    if order.operation == "ingest":
        runner.ingest([Path(order.folder)], options)
    elif order.operation == "refresh":
        runner.refresh(options)
    elif order.operation == "rollback":
        with store.writing():
            store.activate(order.target)
    else:
        with store.writing():
            store.remove(collecting.find(store, 1))
    return store.current_id() or ""


def _child(order: Order, answer_to: int) -> NoReturn:
    """Do the work and say what it came to. Never returns."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        if order.file_limit is not None:
            limit = (order.file_limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        os.write(answer_to, _answer(order))
        code = 0
    finally:
        os._exit(code)


def _answer(order: Order) -> bytes:
    try:
        outcome = Outcome("done", carry_out(order))
    except RagError as error:
        outcome = Outcome("refused", f"{type(error).__name__}: {error}")
    except BaseException as error:  # noqa: BLE001 - told to the owner, who counts it
        outcome = Outcome("broke", f"{type(error).__name__}: {error}")
    return json.dumps(asdict(outcome)).encode()[:_ANSWER_BYTES]


def _forked(order: Order) -> Outcome:
    """Carry an order out in a child of this process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        _child(order, write_end)
    os.close(write_end)
    if order.kill_after_s is not None:
        signal.sigtimedwait({signal.SIGCHLD}, order.kill_after_s)
        os.kill(child, signal.SIGKILL)  # no harm where it has ended: it was not waited for yet
    _, status = os.waitpid(child, 0)
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # that of a child that was waited for
    with os.fdopen(read_end, "rb") as answers:
        answer = answers.read()
    if answer:
        return Outcome(**json.loads(answer))
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return Outcome("killed")
    return Outcome("broke", f"it ended with status {status} and said nothing")


def main() -> None:
    """Carry out orders until there are no more."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner ends it
    logging.disable(logging.WARNING)  # recovering is what is expected here
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        sys.stdout.write(json.dumps(asdict(_forked(Order(**order)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
