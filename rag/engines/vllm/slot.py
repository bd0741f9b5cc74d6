"""The model that the engine talks to, loaded beside the requests and not within one.

Which model it is follows from the settings, or from what the servers say they serve. Its
files are found and its template tested in a thread of its own; until then, and where it
cannot be, every use is told why.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from corpus.errors import EngineUnavailable, RagError
from corpus.settings import GenerationSettings
from rag.prompt import selftest
from rag.prompt.files import find_files
from rag.prompt.model import PromptModel

log = logging.getLogger(__name__)

RETRY_S = 30.0  # until files that could not be had are looked for again
LOOK_S = 0.5  # until the servers are asked again what they serve


class ModelSlot:
    """Holds the model once it is loaded. Safe to share between threads.

    :param served: names the model that the servers serve, None while none answers; asked
        where the settings name no model.
    """

    def __init__(
        self, settings: GenerationSettings, served: Callable[[], str | None] = lambda: None
    ) -> None:
        self._settings, self._served = settings, served
        self._model: PromptModel | None = None
        self._problem = "the model's tokenizer is being loaded"
        self._turn = threading.Lock()
        self._closing = threading.Event()

    @property
    def name(self) -> str | None:
        """The model, as far as it is known."""
        return self._settings.model or (self._model.name if self._model else self._served())

    @property
    def problem(self) -> str:
        """Why it cannot be used yet; empty where it can."""
        return self._problem

    def get(self) -> PromptModel:
        """The model.

        :raises EngineUnavailable: while there is none, with the reason.
        """
        if self._model is None:
            raise EngineUnavailable(self._problem)
        return self._model

    def load(self) -> PromptModel:
        """Load the model now, if it is not loaded yet.

        :raises ModelUnusable: when it cannot be loaded.
        :raises EngineUnavailable: when it is not known yet which one it is.
        """
        with self._turn:
            if self._model is None:
                self._model = self._loaded()
                self._problem = ""
            return self._model

    def start(self, then: Callable[[PromptModel], None] = lambda _model: None) -> None:
        """Load the model in the background, again and again until that succeeds.

        :param then: called with it, in the same thread.
        """
        threading.Thread(target=self._keep_trying, args=(then,), daemon=True).start()

    def close(self) -> None:
        """Stop trying."""
        self._closing.set()

    def _loaded(self) -> PromptModel:
        settings = self._settings
        name = settings.model or self._served()
        if not name:
            raise EngineUnavailable("no vLLM server has said yet which model it serves")
        model = PromptModel(find_files(name, settings.revision, settings.tokenizer), settings)
        selftest.check(model)
        return model

    def _keep_trying(self, then: Callable[[PromptModel], None]) -> None:
        while not self._closing.is_set():
            try:
                then(self.load())
                return
            except EngineUnavailable as error:
                self._problem, pause = str(error), LOOK_S
            except RagError as error:
                self._problem, pause = str(error), RETRY_S
                log.warning("the model cannot be used: %s", error)
            except Exception:  # one failed try must not end the trying
                self._problem, pause = "loading the model failed; the log says why", RETRY_S
                log.exception("loading the model failed; trying again in %s s", RETRY_S)
            self._closing.wait(pause)
