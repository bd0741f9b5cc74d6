"""Everything that the engine vllm needs while it runs: servers, a model, maybe a process.

Where the settings name servers, those are used. Where they name none, one is started here
and kept running: it takes a minute, and answers do not wait for it. Nothing blocks, nothing
of vLLM is imported, and whatever is missing is told in :meth:`Generation.problem`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpus.errors import EngineUnavailable, SettingsError
from corpus.settings import Settings
from rag.engines.vllm import address, launch
from rag.engines.vllm.engine import VllmEngine
from rag.engines.vllm.installed import find_vllm
from rag.engines.vllm.process import Status, VllmProcess
from rag.engines.vllm.slot import ModelSlot
from rag.engines.vllm.upstreams import Upstreams
from rag.prompt.model import PromptModel

CONNECT_S = 3.0  # for a server that is asked a single question
_LOOK_S = 0.02
LOG = Path("logs") / "vllm.log"  # below the store


class Generation:
    """The parts of the engine, put together.

    :raises SettingsError: when a setting cannot work: a URL that is none, a file that is not
        there.
    """

    def __init__(self, settings: Settings) -> None:
        generation, vllm = settings.generation, settings.vllm
        self._settings = settings
        self._upstreams = Upstreams([address.parse(url) for url in vllm.urls])
        self._slot = ModelSlot(generation, self._served)
        self._process: VllmProcess | None = None
        self._turn = threading.Lock()
        self._closed = False
        self.engine = VllmEngine(self._slot, self._upstreams, settings, self.problem)

    def start(self) -> None:
        """Begin to watch the servers, or to start one. Returns at once.

        :raises CannotServe: when vLLM must be started and is not installed.
        """
        self._upstreams.start()
        if self._settings.vllm.urls:
            self._slot.start()
            return
        find_vllm(self._settings.vllm.bin, os.environ, Path(sys.executable))
        self._slot.start(self._launch)

    def connect(self) -> None:
        """Have a server at hand that runs already; go on without it after a moment.

        :raises SettingsError: when no server is named: a single question starts none.
        """
        if not self._settings.vllm.urls:
            raise SettingsError(
                "vLLM takes a minute to start, so a single question does not start it: name a "
                "server that runs with --vllm-url, or ask a service that has one with --server"
            )
        self._upstreams.start()
        until = time.monotonic() + CONNECT_S
        while not self._upstreams.ready() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        if self._settings.generation.model or self._upstreams.ready():
            self._slot.load()

    def load_model(self) -> None:
        """Have the model's prompt format at hand; no server is needed where it is named.

        :raises ModelUnusable: when it is not to be had.
        :raises EngineUnavailable: when no server says which model it is.
        """
        if not self._settings.generation.model:
            self.connect()
            if not self._upstreams.ready():
                raise EngineUnavailable(self._upstreams.problem())
        self._slot.load()

    def problem(self) -> str:
        """Why no answer can be generated now; empty where one can."""
        if self._slot.problem:
            return self._slot.problem
        process = self._process.state() if self._process else None
        if process is not None and process.status is not Status.READY:
            what = "vLLM is starting" if process.status is Status.STARTING else "vLLM is not there"
            return f"{process.reason or what} (log: {process.log})"
        return "" if self._upstreams.ready() else self._upstreams.problem()

    def state(self) -> dict[str, Any]:
        """How all of it stands, for an operator."""
        process = self._process.state() if self._process else None
        return {
            "engine": self.engine.name,
            "model": self.engine.model,
            "ready": not self.problem(),
            "problem": self.problem() or None,
            "process": asdict(process) if process else None,
            "servers": self._upstreams.state(),
        }

    def end(self) -> None:
        """Have everything ended. Returns at once."""
        with self._turn:
            self._closed = True
        self._slot.close()
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """Have everything ended, and wait for that."""
        self.end()
        if self._process is not None:
            self._process.close()
        self._upstreams.close()

    def _launch(self, model: PromptModel) -> None:
        """Start vLLM, now that the model's own limits are known."""
        settings = self._settings
        prepared = launch.prepare(
            settings.generation, settings.vllm, os.environ, model.files.config
        )
        log = settings.store / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        process = VllmProcess(prepared, log, on_ready=lambda ready: self._upstreams.set([ready]))
        with self._turn:
            if self._closed:
                process.close()
                return
            self._process = process
            process.start()

    def _served(self) -> str | None:
        """What the servers loaded: a folder or an id that its tokenizer is found by."""
        served = self._upstreams.served()
        return (served[0].root or served[0].id) if served else None
