"""The answering wing as a service: the application, and what runs beside it.

Beside the requests there are a thread that looks for new snapshots and, where the settings
ask for it, a process that refreshes on a schedule. All of it ends with the server.
"""

from __future__ import annotations

import gc
import logging
import threading
from typing import TYPE_CHECKING

from corpus import memory
from corpus.settings import Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.api.app import create_app
from rag.api.context import Context
from rag.jobs import jobs_of
from rag.live import LiveCorpus
from rag.schedule import schedule_of
from rag.server import Service

if TYPE_CHECKING:
    from rag.engines.vllm.generation import Generation

log = logging.getLogger(__name__)

POLL_S = 1.0


def start(
    answerer: Answerer,
    live: LiveCorpus,
    store: Store,
    settings: Settings,
    generation: Generation | None = None,
) -> Service:
    """Start everything that runs while questions are answered.

    Called in the serving process. Opens the current snapshot, if there is one, so that the
    first question does not wait for that.
    """
    jobs, schedule = jobs_of(settings), schedule_of(settings)
    state = generation.state if generation is not None else None
    context = Context(answerer, live, store, jobs, settings, schedule, state)
    if generation is not None:
        generation.start()
    live.poll()
    answerer.warm_up()
    watcher = Watcher(live)
    watcher.start()
    if schedule is not None:
        schedule.start()
    memory.give_back()
    gc.freeze()  # what is loaded now stays; looking through it again takes a quarter of a second

    def close() -> None:
        jobs.end()
        if generation is not None:
            generation.end()
        if schedule is not None:
            schedule.close()
        jobs.close()
        watcher.close()
        if generation is not None:
            generation.close()

    return Service(create_app(context), context.draining.start, close)


class Watcher:
    """Looks for a new snapshot every second, so that no request has to."""

    def __init__(self, live: LiveCorpus, every_s: float = POLL_S) -> None:
        self._live, self._every_s = live, every_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; one look that is under way ends with the process."""
        self._closing.set()

    def _watch(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                self._live.poll()
            except Exception:  # one failed look must not end the looking
                log.exception("looking for a new snapshot failed; trying again")
