"""The production server: gunicorn, one worker process, a pool of threads.

A small process listens, starts the worker, and starts it again if it crashes, without the
port ever being closed. The worker loads the models and the corpus, once, after it was
started: nothing heavy may be imported before :func:`serve` is called.

* SIGTERM and Ctrl-C: no new connections; requests are answered to their end; a stream that
  is still open shortly before the time is over ends with an ``error`` event. A second
  Ctrl-C ends at once.
* SIGHUP: a new worker is loaded and takes over, and the old one answers what it has.

Why gunicorn and threads: ``docs/decisions/0003-wsgi-server.md``.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers import gthread

from corpus.errors import CannotServe, RagError
from corpus.settings import ServeSettings
from rag.listening import listen, url_of

log = logging.getLogger(__name__)

GRACE_S = 30  # from the signal to the end
CUT_S = 5  # of these, kept for streams that must be cut to say so
BOOT_S = 600  # a worker that has not loaded by then is started again
FIRST_BYTES_S = 0.25  # a connection that sends nothing holds a thread for so long


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, and how it is told that the end is near."""

    app: WSGIApplication
    drain: Callable[[float], None]  # open streams may go on for so many seconds; takes no lock
    close: Callable[[], None]  # called once the last request is answered


def serve(
    build: Callable[[], Service],
    settings: ServeSettings,
    *,
    ready: Callable[[str], None] = lambda url: log.info("serving on %s", url),
    grace_s: int = GRACE_S,
) -> None:
    """Serve until a signal ends it.

    :param build: called in the serving process: loads everything that requests need.
    :param ready: called in the serving process with the URL, once questions can be asked.
    :param grace_s: seconds that requests are given to end, once a signal has come.
    :raises RagError: when the port is taken, when ``build`` raised one, or when the server
        could not go on.
    """
    listener = listen(settings.host, settings.port)
    url = url_of(listener, settings.host)
    options = {
        "bind": f"fd://{listener.detach()}",
        "threads": settings.threads,
        "post_worker_init": lambda _worker: ready(url),
    }
    application = _Application(build, options, grace_s)
    main_process = os.getpid()
    try:
        _Arbiter(application).run()
    except SystemExit as end:
        if os.getpid() != main_process:
            raise  # the worker, on its way out
        if failure := application.failure.read():
            raise CannotServe(failure) from None
        if end.code:
            raise CannotServe("the server could not go on; its log says why") from None


class _Failure:
    """Carries the reason why a worker could not load to the process that will say it."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def write(self, reason: str) -> None:
        os.write(self._write_end, reason.encode("utf-8", "replace")[: select.PIPE_BUF])

    def pending(self) -> bool:
        return bool(select.select([self._read_end], [], [], 0)[0])

    def read(self) -> str:
        if not self.pending():
            return ""
        return os.read(self._read_end, select.PIPE_BUF).decode("utf-8", "replace")


class _Application(BaseApplication):
    """Gunicorn's view of a service that does not exist before its worker does."""

    def __init__(
        self, build: Callable[[], Service], options: Mapping[str, object], grace_s: int
    ) -> None:
        self.failure = _Failure()
        self.service: Service | None = None
        self.grace_s = grace_s
        self._build = build
        self._options = {
            **options,
            "workers": 1,
            "worker_class": _Worker,
            "timeout": BOOT_S,
            "graceful_timeout": grace_s,
            "limit_request_line": 8190,  # the path of a document with a long name, encoded
            "logger_class": _logger_for(self.failure),
            "loglevel": "warning",
            "control_socket_disable": True,
            "worker_exit": lambda _arbiter, _worker: self._close(),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application. Runs in the worker."""
        try:
            self.service = self._build()
        except RagError as error:
            self.failure.write(str(error))
            sys.exit(Arbiter.APP_LOAD_ERROR)
        return self.service.app

    def _close(self) -> None:
        if self.service is not None:
            self.service.close()
            self.service = None


class _Worker(gthread.ThreadWorker):
    """Tells the service that the end is near, and leaves Ctrl-C to the arbiter."""

    def init_signals(self) -> None:
        super().init_signals()
        # Browsers open connections in advance. Gunicorn lets each hold a thread for 5 s, and
        # a server that is to stop waits for them; after this time they wait in the poller.
        gthread.DEFAULT_WORKER_DATA_TIMEOUT = FIRST_BYTES_S  # type: ignore[misc]  # read, not Final
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.app
        if self.alive and isinstance(app, _Application) and app.service is not None:
            app.service.drain(max(app.grace_s - CUT_S, 0.5))
        super().handle_exit(sig, frame)


class _Arbiter(Arbiter):
    """Ends in order on Ctrl-C as on SIGTERM."""

    def handle_int(self) -> NoReturn:
        raise StopIteration


def _logger_for(failure: _Failure) -> type[Logger]:
    """Gunicorn's log as part of ours, without what a told reason makes superfluous."""

    class Quiet(Logger):
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            self.error_log.handlers.clear()
            self.error_log.propagate = True
            self.error_log.addFilter(lambda _: not failure.pending())

    return Quiet
