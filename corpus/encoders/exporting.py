"""A sentence-transformers model as an ONNX graph, traced by torch.

Only in a process that compiles: it needs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

OPSET = 17  # the oldest that has LayerNormalization; onnxruntime knows it since 1.12


def export_vectors(model: Any, path: Path) -> Path:
    """The whole pipeline: ``input_ids`` and ``attention_mask`` in, unit vectors out.

    The graph takes int64 (texts, tokens) twice and gives ``embedding``, float32 (texts, dim).
    """
    import torch

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            read = {"input_ids": input_ids, "attention_mask": attention_mask}
            return torch.nn.functional.normalize(self.model(read)["sentence_embedding"], dim=-1)

    return _traced(Pipeline(), {}, path)


def export_sums(model: Any, path: Path) -> Path:
    """What the model makes of the tokens, summed up over parts of each text.

    The graph takes also ``parts``, float32 (texts, parts, tokens), 1 where a token counts, and
    gives ``embedding``, float32 (texts, parts, dim). So a vector of any stretch comes out of one
    computation, and little leaves the graph.
    """
    import torch

    class Sums(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model[0]

        def forward(self, input_ids: Any, attention_mask: Any, parts: Any) -> Any:
            read = {"input_ids": input_ids, "attention_mask": attention_mask}
            return parts @ self.model(read)["token_embeddings"]

    return _traced(Sums(), {"parts": torch.ones(2, 3, 16)}, path)


def _traced(module: Any, more: dict[str, Any], path: Path) -> Path:
    """Trace a module whose inputs are ids, a mask and ``more``; nothing where that was done."""
    import torch

    if path.exists():
        return path
    ids = torch.ones(2, 16, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0  # so that the trace does not take a mask of ones for granted
    texts = {0: "texts"}
    free = {"input_ids": {**texts, 1: "tokens"}, "attention_mask": {**texts, 1: "tokens"}}
    free |= {name: {**texts, 1: "parts", 2: "tokens"} for name in more}
    with torch.inference_mode():
        torch.onnx.export(
            module,
            (ids, mask, *more.values()),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(free),
            output_names=["embedding"],
            dynamic_axes={**free, "embedding": {**texts, 1: "parts"} if more else texts},
        )
    return path
