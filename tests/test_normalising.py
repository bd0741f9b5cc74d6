"""Gains and shifts that are left to what reads them: the same vectors in one pass less."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

import numpy as np
import onnx
import pytest
from transformers import BertConfig, BertModel

from corpus.encoders.bulk import inputs
from corpus.encoders.normalising import gains_to_readers
from corpus.encoders.products import DescribedProducts
from corpus.encoders.quantising import quantise
from corpus.encoders.rebuilding import Array, constants
from tests.small_graphs import SMALL, TEXTS, computed, exported


def test_vectors_stay_the_same_and_what_is_left_only_normalises(tmp_path: Path) -> None:
    before = _quantised(tmp_path)

    after = gains_to_readers(Path(copy(before, tmp_path / "after")))

    np.testing.assert_allclose(computed(after, TEXTS), computed(before, TEXTS), rtol=0, atol=0.02)
    *within, last = _gains_and_shifts(after)
    assert len(within) == 2 * SMALL["num_hidden_layers"]
    for gain, shift in within:
        assert (gain == 1).all()
        assert not shift.any()
    assert not (last[0] == 1).all(), "it is read by what sums up tokens"


def test_floats_stay_as_they_are(tmp_path: Path) -> None:
    before = exported(BertModel, BertConfig(**SMALL), tmp_path / "in")

    after = gains_to_readers(Path(copy(before, tmp_path / "after")))

    assert list(onnx.load(after).graph.node) == list(onnx.load(before).graph.node)


@pytest.mark.parametrize("also", ["normed", "biased"])
def test_what_somebody_else_reads_stays_as_it_is(tmp_path: Path, also: str) -> None:
    vectors = {"gain": [2, 3], "shift": [1, 1], "by": [1, 2], "bias": [4, 5]}
    names = ["smooth", "summed", also]
    floats = [
        onnx.helper.make_tensor_value_info(one, onnx.TensorProto.FLOAT, ["n", 2])
        for one in ("x", *names)
    ]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("LayerNormalization", ["x", "gain", "shift"], ["normed"]),
            onnx.helper.make_node("Mul", ["normed", "by"], ["smooth"], name="smooth"),
            onnx.helper.make_node("Add", ["x", "bias"], ["biased"]),
            onnx.helper.make_node("Add", ["biased", "normed"], ["summed"], name="summed"),
        ],
        "one sum",
        floats[:1],
        floats[1:],
        [onnx.numpy_helper.from_array(np.array(values, np.float32), name)
         for name, values in vectors.items()],
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph), tmp_path / "graph")

    after = onnx.load(gains_to_readers(tmp_path / "graph")).graph

    assert list(after.node) == list(graph.node)


def _quantised(folder: Path) -> Path:
    graph = exported(BertModel, BertConfig(**SMALL), folder / "in")
    feeds = [inputs([text], len(text), has_parts=True) for text in TEXTS]
    return quantise(graph, feeds, folder / "out", DescribedProducts)


def _gains_and_shifts(graph: Path) -> list[tuple[Array, Array]]:
    model = onnx.load(graph)
    known = constants(model)
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    return [(known[norm.input[1]], known[norm.input[2]]) for norm in norms]
