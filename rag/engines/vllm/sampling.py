"""Where each sampling value comes from: the request, the settings, the model, or a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpus.settings import GenerationSettings
from rag.answers import Sampling, SamplingValue

_DEFAULTS: dict[str, object] = {"temperature": 0.0, "top_p": 1.0}
_OF_THE_MODEL = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What vLLM takes from a generation config, max_new_tokens left out: ours is kept free."""


def resolve(
    asked: Sampling, settings: GenerationSettings, generation_config: Mapping[str, Any]
) -> dict[str, SamplingValue]:
    """Every value by vLLM's name for it, with who set it: the first of four who says.

    A model whose generation config says ``do_sample: false`` is taken at its word: its
    temperature is 0.
    """
    model = {
        name: generation_config[name]
        for name in _OF_THE_MODEL
        if isinstance(generation_config.get(name), int | float)
    }
    if generation_config.get("do_sample") is False:
        model["temperature"] = 0.0
    sources: tuple[tuple[str, Mapping[str, object]], ...] = (
        (
            "request",
            {
                "temperature": asked.temperature,
                "top_p": asked.top_p,
                "seed": asked.seed,
                "max_tokens": asked.max_tokens,
                "stop": list(asked.stop) or None,
            },
        ),
        (
            "settings",
            {
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "seed": settings.seed,
                "max_tokens": settings.max_tokens,
            },
        ),
        ("model", model),
        ("default", _DEFAULTS),
    )
    resolved: dict[str, SamplingValue] = {}
    for origin, values in sources:
        for name, value in values.items():
            if value is not None:
                resolved.setdefault(name, SamplingValue(value, origin))
    return resolved
