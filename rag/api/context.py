"""What the views need: made once, before the first request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from corpus.settings import Settings
from corpus.store import Store
from rag.answerer import Answerer
from rag.api.stream import Draining
from rag.jobs import Jobs
from rag.live import LiveCorpus
from rag.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Context:
    """The rooms that the HTTP service opens a door to."""

    answerer: Answerer
    live: LiveCorpus
    store: Store
    jobs: Jobs
    settings: Settings
    schedule: Schedule | None = None
    generation: Callable[[], dict[str, Any]] | None = None  # how the generative engine stands
    draining: Draining = field(default_factory=Draining)
