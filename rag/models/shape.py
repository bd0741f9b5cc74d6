"""What a model is, from its files alone: architecture, number format, context.

``context`` is the number of tokens that the model was made for, by the rules that vLLM
derives its own limit with; how many of them are served is a setting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.models.files import read_json

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_TEXT_PARTS = ("text_config", "language_config", "llm_config")
_SCALED_ALREADY = {
    *(None, "default", "su", "longrope", "llama3"),
    *("yarn", "deepseek_yarn", "deepseek_llama_scaling"),
}
"""Forms of rotary positions whose configuration states the length after scaling."""

_SANE = 1 << 30  # tokens; tokenizers without a limit state 1e30
_MAX_HEADER = 64 << 20  # bytes of a safetensors header
_FORMATS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I8": "int8", "U8": "uint8"},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model is. Empty, or None, where its files do not say."""

    architecture: str = ""
    dtype: str = ""  # of the weights as published
    context: int | None = None  # tokens


def shape_of(folder: Path) -> Shape:
    """Read what a model is.

    :raises corpus.errors.ModelUnusable: when one of its JSON files is damaged.
    """
    adapter = read_json(folder / "adapter_config.json")
    if adapter:
        return Shape(_adapter(adapter), _dtype(adapter, folder))
    config = _writing_part(read_json(folder / "config.json"))
    tokenizer = read_json(folder / "tokenizer_config.json")
    named = config.get("architectures") or [tokenizer.get("tokenizer_class")]
    architecture = named[0] if isinstance(named, list) else None
    tuned = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return Shape(
        architecture if isinstance(architecture, str) else "",
        _dtype(config, folder) if config else "",
        _tokens(tuned) or _context(config, tokenizer),
    )


def _writing_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration; of models that also see or hear, with that of the part that writes."""
    parts = [config[name] for name in _TEXT_PARTS if isinstance(config.get(name), dict)]
    return {**config, **parts[0], **_architectures(config)} if parts else config


def _architectures(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of the whole model, where it is stated: the part that writes is a piece of it."""
    return {key: config[key] for key in ("architectures",) if config.get(key)}


def _adapter(config: Mapping[str, Any]) -> str:
    kind = str(config.get("peft_type") or "adapter").lower()
    rank = config.get("r")
    return f"{kind}, rank {rank}" if isinstance(rank, int) else kind


def _dtype(config: Mapping[str, Any], folder: Path) -> str:
    stated = [config.get("dtype"), config.get("torch_dtype")]
    dtype = next((one for one in stated if isinstance(one, str) and one != "auto"), None)
    dtype = (dtype or _stored(folder)).removeprefix("torch.")
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    return ", ".join(one for one in (dtype, method) if one and isinstance(one, str))


def _stored(folder: Path) -> str:
    """The number format of most tensors in the first file of weights; empty if unreadable."""
    weights = sorted(folder.glob("*.safetensors"))
    header = _header(weights[0]) if weights else {}
    formats = [tensor.get("dtype") for tensor in header.values() if isinstance(tensor, dict)]
    known = [_FORMATS[one] for one in formats if isinstance(one, str) and one in _FORMATS]
    return max(sorted(set(known)), key=known.count, default="")


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, then JSON.

    Source: https://huggingface.co/docs/safetensors, "Format".
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            content = json.loads(file.read(length)) if length <= _MAX_HEADER else None
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _context(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int | None:
    """Tokens: the smallest length that is stated, scaled.

    The tokenizer's limit counts where positions are absolute, or nothing else is stated: of
    models that generate it is often an old default.
    """
    stated = [_tokens(config.get(key)) for key in _LENGTHS]
    whole = _tokens(config.get("model_max_length"))  # stated by Command R beside a smaller one
    length = whole or min((one for one in stated if one is not None), default=None)
    limit = _tokens(tokenizer.get("model_max_length"))
    if length is None:
        return limit
    if limit is not None and config.get("position_embedding_type") == "absolute":
        length = min(length, limit)
    return int(length * _scaling(config))


def _scaling(config: Mapping[str, Any]) -> float:
    """How much further the positions reach than the stated length."""
    rope = config.get("rope_scaling") or config.get("rope_parameters")
    if not isinstance(rope, dict) or "gemma3" in str(config.get("model_type")):
        return 1.0  # Gemma 3 states the length after scaling
    layers = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    return max(map(_factor, layers))


def _factor(rope: Mapping[str, Any]) -> float:
    kind, factor = rope.get("rope_type") or rope.get("type"), rope.get("factor")
    if kind in _SCALED_ALREADY or not isinstance(factor, int | float):
        return 1.0
    return min(max(float(factor), 1.0), 1024.0)


def _tokens(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < _SANE else None
