"""Processes that read, parse and cut sources while others are embedded and written.

What they send is pickled by the standard library's process pool, between processes of this one
program that share its user and its memory limits: nothing that comes from outside is unpickled.

A file that ends its worker, because it needs too much memory, time or luck, is reported as
failed, and the run goes on. A worker ends with the process that it works for.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from corpus import memory
from ingest.making import Cutting, Made, Task, make

_AHEAD_BYTES = 8_000_000  # of sources in hand or done and not yet asked for
_AHEAD_TASKS = 32  # the same, for each worker

_CPU_S = 60.0  # that a source may take,
_CPU_S_MB = 20.0  # and for each megabyte of it: twenty times what the slowest format takes

_ENDED = "ended the process that read it, which took too much memory or time; see ingest.workers"


_Begun = tuple[Task | None, Future[Made | None]]


class Workers:
    """Some processes that make tasks, started by the first one.

    Where none can be started, tasks are made in this process.
    """

    def __init__(self, cutting: Cutting, count: int) -> None:
        self._cutting, self._count = cutting, count
        self._pool: ProcessPoolExecutor | None = self._begun()

    def each(self, tasks: Iterable[Task | None]) -> Iterator[Made | None]:
        """What each task came to, in their order; None for None."""
        begun: deque[_Begun] = deque()
        for task in tasks:
            begun.append((task, self._submit(task)))
            while self._is_enough(begun):
                yield from self._first(begun)
        while begun:
            yield from self._first(begun)

    def _is_enough(self, begun: Sequence[_Begun]) -> bool:
        size = sum(task.source.stamp.size for task, _ in begun if task)
        return len(begun) > self._count * _AHEAD_TASKS or (len(begun) > 1 and size > _AHEAD_BYTES)

    def _first(self, begun: deque[_Begun]) -> Iterator[Made | None]:
        """What the first came to; of all of them, one by one, where a worker has ended."""
        try:
            made = begun[0][1].result()
            begun.popleft()
            yield made
        except BrokenProcessPool:
            suspects = [task for task, _ in begun]
            begun.clear()
            self._renew()
            yield from map(self._alone, suspects)

    def _alone(self, task: Task | None) -> Made | None:
        """Make a task while no other is being made, to see whether it ends its worker."""
        try:
            return self._submit(task).result()
        except BrokenProcessPool:
            self._renew()
            return Made(replace(task.row, reason=_ENDED)) if task else None

    def _submit(self, task: Task | None) -> Future[Made | None]:
        future: Future[Made | None] = Future()
        if task is None:
            future.set_result(None)
        elif self._pool is None:
            future.set_result(make(task, self._cutting))
        else:
            try:
                return self._pool.submit(_made, task, _cpu_seconds(task))
            except BrokenProcessPool as error:
                future.set_exception(error)
        return future

    def _begun(self) -> ProcessPoolExecutor:
        # Not by fork: this process has threads, and a lock that is to be its alone.
        return ProcessPoolExecutor(
            self._count,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._cutting,),
        )

    def _renew(self) -> None:
        """Other processes, if they can be started at all."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._begun()
            try:
                self._pool.submit(os.getpid).result()
            except BrokenProcessPool:
                self._pool = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # what they are making is not waited for
            for worker in multiprocessing.active_children():
                worker.terminate()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


_cutting: Cutting


def _begin(cutting: Cutting) -> None:
    """Make a new process a worker."""
    global _cutting  # noqa: PLW0603  # the pool's way to give its processes something to keep
    _cutting = cutting
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gives the tasks
    memory.bound(None)  # it goes before that one, where the machine's memory runs out
    gc.freeze()  # what is there stays: the collector is to look at what parsers leave
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _cpu_seconds(task: Task) -> float:
    """What a source may take."""
    return _CPU_S + _CPU_S_MB * task.source.stamp.size / 1e6


def _made(task: Task, seconds: float) -> Made:
    """Make a task within its time; the kernel ends the process where that is over."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return make(task, _cutting)
    except MemoryError:
        return Made(replace(task.row, reason="takes more memory to read than there is"))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
