"""Padding that attention leaves out within a product: the same vectors, where it is known how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel

from corpus.encoders.masking import mask_within
from tests.small_graphs import SMALL, TEXTS, computed, exported


def test_vectors_of_padded_texts_stay_the_same(tmp_path: Path) -> None:
    graph = exported(BertModel, BertConfig(**SMALL), tmp_path / "in")

    made = mask_within(graph, tmp_path / "out")

    before, after = computed(graph, TEXTS), computed(made, TEXTS)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-3)
    for vectors, text in zip(after, TEXTS, strict=True):
        np.testing.assert_allclose(vectors, computed(made, [text])[0], rtol=1e-4, atol=1e-3)


def test_nothing_but_the_scale_is_left_between_a_product_and_its_softmax(tmp_path: Path) -> None:
    graph = exported(BertModel, BertConfig(**SMALL), tmp_path / "in")

    nodes = onnx.load(mask_within(graph, tmp_path / "out")).graph.node

    made = {name: node for node in nodes for name in node.output}
    softmaxes = [node for node in nodes if node.op_type == "Softmax"]
    scaled = [made[node.input[0]] for node in softmaxes]
    assert [node.op_type for node in scaled] == ["Mul"] * SMALL["num_hidden_layers"]
    assert {made[node.input[0]].op_type for node in scaled} == {"MatMul"}


def test_attention_of_another_form_stays_as_it_is(tmp_path: Path) -> None:
    graph = exported(MPNetModel, MPNetConfig(**SMALL), tmp_path / "in")

    made = mask_within(graph, tmp_path / "out")

    before, after = (onnx.load(one).graph.node for one in (graph, made))
    assert list(after) == list(before)
