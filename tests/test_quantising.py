"""Products in eight bits: near those of floats though a channel sticks out, here or there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from corpus.encoders.quantising import quantise
from corpus.encoders.rounding import LARGEST, compensated, nearest, scales

INNER = 240


def test_what_sticks_out_inside_a_feed_forward_network_is_divided_among_copies(
    tmp_path: Path,
) -> None:
    graph, seen = _network(tmp_path / "in")

    made = quantise(graph, [{"x": seen[:4000]}], tmp_path / "out")

    first, second = _matrices(made)
    assert (first.data_type, second.data_type) == (onnx.TensorProto.INT8, onnx.TensorProto.INT8)
    assert (first.dims[1], second.dims[0]) == (INNER + INNER // 24,) * 2
    assert _moved(made, graph, seen[4000:]) < 0.05


def test_a_channel_that_is_read_elsewhere_too_has_no_copies(tmp_path: Path) -> None:
    graph, seen = _network(tmp_path / "in", also_read="before")

    made = quantise(graph, [{"x": seen[:4000]}], tmp_path / "out")

    assert {one.dims[-1] for one in _matrices(made)} == {INNER, 32}
    assert _moved(made, graph, seen[4000:]) < 0.05


def test_rounding_with_regard_to_others_changes_products_less_than_to_the_nearest() -> None:
    random = np.random.default_rng(0)
    mixed = random.normal(size=(8, 150)).astype(np.float32)  # channels that go together
    rows = random.normal(size=(2000, 8)).astype(np.float32) @ mixed
    rows += 0.1 * random.normal(size=rows.shape).astype(np.float32)
    weights = random.normal(size=(150, 16)).astype(np.float32)

    codes = compensated(weights, rows[:1000])

    assert np.abs(codes).max() <= LARGEST
    np.testing.assert_array_equal(codes, np.rint(codes))
    by_ours, by_nearest = (
        np.linalg.norm(rows[1000:] @ (one * scales(weights) - weights))
        for one in (codes, nearest(weights))
    )
    assert by_ours < by_nearest / 2


def test_weights_are_rounded_to_the_nearest_where_channels_are_independent() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)

    np.testing.assert_array_equal(
        compensated(weights, np.eye(6, dtype=np.float32)), nearest(weights)
    )


def _network(path: Path, also_read: str | None = None) -> tuple[Path, np.ndarray]:
    """A feed-forward network of which one inner channel reaches far, for a few rows."""
    random = np.random.default_rng(0)
    seen = random.normal(size=(5000, 32)).astype(np.float32)
    seen[:, 0] = 0
    seen[::100, 0] = 100
    first = random.normal(size=(32, INNER)).astype(np.float32) / 5
    first[0] = 0
    first[0, 5] = 4
    weights = {
        "first": first,
        "bias": random.normal(size=INNER).astype(np.float32) / 5,
        "second": random.normal(size=(INNER, 32)).astype(np.float32) / 5,
    }
    make, floats = onnx.helper.make_node, onnx.TensorProto.FLOAT
    nodes = [
        make("MatMul", ["x", "first"], ["product"], name="one"),
        make("Add", ["product", "bias"], ["before"]),
        make("Relu", ["before"], ["inner"]),
        make("MatMul", ["inner", "second"], ["y"], name="two"),
    ]
    outputs = {"y": 32} | ({also_read: INNER} if also_read else {})
    graph = onnx.helper.make_graph(
        nodes,
        "feed forward",
        [onnx.helper.make_tensor_value_info("x", floats, ["n", 32])],
        [onnx.helper.make_tensor_value_info(name, floats, ["n", n]) for name, n in outputs.items()],
        [onnx.numpy_helper.from_array(one, name) for name, one in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path, seen


def _matrices(graph: Path) -> list[onnx.TensorProto]:
    return [one for one in onnx.load(str(graph)).graph.initializer if len(one.dims) == 2]


def _moved(made: Path, graph: Path, rows: np.ndarray) -> float:
    """How far the outputs are from those of floats, as a share of them."""
    found, expected = (
        onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]).run(
            ["y"], {"x": rows}
        )
        for one in (made, graph)
    )
    return float(np.linalg.norm(found[0] - expected[0]) / np.linalg.norm(expected[0]))
