"""Which engines there are, and whether the settings can have the one that they name."""

from __future__ import annotations

from corpus.errors import SettingsError
from corpus.settings import Settings

EXTRACTIVE, VLLM = "extractive", "vllm"
ENGINES = (EXTRACTIVE, VLLM)


def wants_vllm(settings: Settings) -> bool:
    """Whether the generative engine is asked for, or a server for it is named.

    :raises SettingsError: when there is no such engine, or it lacks what it needs.
    """
    engine = settings.answer.engine
    if engine not in ENGINES:
        raise SettingsError(
            f"there is no engine {engine!r} (answer.engine); this version has {', '.join(ENGINES)}"
        )
    if engine == VLLM and not settings.vllm.urls and not settings.generation.model:
        raise SettingsError(
            "the engine vllm needs a model: --model google/gemma-2-9b-it, say, or a folder "
            "(generation.model); or --vllm-url, a server that runs already (vllm.urls)"
        )
    return engine == VLLM or bool(settings.vllm.urls)
