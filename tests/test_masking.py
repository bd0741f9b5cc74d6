"""Padding that attention leaves out within a product: the same vectors, where it is known how."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel

from corpus.encoders.bulk import inputs
from corpus.encoders.exporting import export_sums
from corpus.encoders.masking import mask_within

TEXTS = [[5, 17, 40, 8, 21, 9, 33, 2, 11, 6], [7, 3, 12, 30], [9, 9]]

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 50,
}


def test_vectors_of_padded_texts_stay_the_same(tmp_path: Path) -> None:
    graph = _exported(BertModel, BertConfig(**SMALL), tmp_path / "in")

    made = mask_within(graph, tmp_path / "out")

    before, after = _computed(graph, TEXTS), _computed(made, TEXTS)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-3)
    for vectors, text in zip(after, TEXTS, strict=True):
        np.testing.assert_allclose(vectors, _computed(made, [text])[0], rtol=1e-4, atol=1e-3)


def test_nothing_but_the_scale_is_left_between_a_product_and_its_softmax(tmp_path: Path) -> None:
    graph = _exported(BertModel, BertConfig(**SMALL), tmp_path / "in")

    nodes = onnx.load(mask_within(graph, tmp_path / "out")).graph.node

    made = {name: node for node in nodes for name in node.output}
    softmaxes = [node for node in nodes if node.op_type == "Softmax"]
    scaled = [made[node.input[0]] for node in softmaxes]
    assert [node.op_type for node in scaled] == ["Mul"] * SMALL["num_hidden_layers"]
    assert {made[node.input[0]].op_type for node in scaled} == {"MatMul"}


def test_attention_of_another_form_stays_as_it_is(tmp_path: Path) -> None:
    graph = _exported(MPNetModel, MPNetConfig(**SMALL), tmp_path / "in")

    made = mask_within(graph, tmp_path / "out")

    before, after = (onnx.load(one).graph.node for one in (graph, made))
    assert list(after) == list(before)


def _exported(kind: Any, config: Any, path: Path) -> Path:
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


def _computed(graph: Path, texts: list[list[int]]) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    read = inputs(texts, max(map(len, texts)), has_parts=True)
    vectors: np.ndarray = session.run(["embedding"], read)[0][:, 0]
    return vectors
