"""Small models with random weights as graphs, and what they compute."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from corpus.encoders.bulk import inputs
from corpus.encoders.exporting import export_sums

TEXTS = [[5, 17, 40, 8, 21, 9, 33, 2, 11, 6], [7, 3, 12, 30], [9, 9]]

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 50,
}
"""The configuration of a model of the family of BERT."""


def exported(kind: Any, config: Any, path: Path) -> Path:
    """A model as sentence-transformers holds it: the first of a list, asked for its tokens."""

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = kind._from_config(config, attn_implementation="eager").eval()
            for one in self.model.parameters():
                torch.nn.init.normal_(one, std=0.5)  # biases too, and attention far from even

        def forward(self, read: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"token_embeddings": self.model(**read).last_hidden_state}

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's
        return export_sums([Tokens()], path)


def computed(graph: Path, texts: list[list[int]]) -> np.ndarray:
    """The vectors of texts, padded to the longest. float32 (len(texts), dim)."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    read = inputs(texts, max(map(len, texts)), has_parts=True)
    vectors: np.ndarray = session.run(["embedding"], read)[0][:, 0]
    return vectors
