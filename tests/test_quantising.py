"""Products in eight bits: near those of floats though a channel sticks out, here or there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from corpus.encoders.products import DescribedProducts, IntegerProducts, Products
from corpus.encoders.quantising import quantise
from corpus.encoders.rounding import LARGEST, compensated, nearest, scales
from corpus.encoders.tables import halve, narrow

INNER = 240


@pytest.mark.parametrize("written", [DescribedProducts, IntegerProducts])
def test_what_sticks_out_inside_a_feed_forward_network_is_divided_among_copies(
    tmp_path: Path, written: type[Products]
) -> None:
    graph, seen = _network(tmp_path / "in")

    made = quantise(graph, [{"x": seen[:4000]}], tmp_path / "out", written)

    first, second = _matrices(made)
    assert (first.data_type, second.data_type) == (onnx.TensorProto.INT8, onnx.TensorProto.INT8)
    assert (first.dims[1], second.dims[0]) == (INNER + INNER // 48,) * 2
    assert _moved(made, graph, seen[4000:]) < 0.05


def test_a_channel_that_is_read_elsewhere_too_has_no_copies(tmp_path: Path) -> None:
    graph, seen = _network(tmp_path / "in", also_read="before")

    made = quantise(graph, [{"x": seen[:4000]}], tmp_path / "out", DescribedProducts)

    assert {one.dims[-1] for one in _matrices(made)} == {INNER, 32}
    assert _moved(made, graph, seen[4000:]) < 0.05


def test_a_product_adds_its_bias_itself_unless_the_product_is_read_without_it(
    tmp_path: Path,
) -> None:
    graph, seen = _network(tmp_path / "in")
    other, _ = _network(tmp_path / "other", also_read="product")

    made = quantise(graph, [{"x": seen[:4000]}], tmp_path / "out", IntegerProducts)
    both = quantise(other, [{"x": seen[:4000]}], tmp_path / "both", IntegerProducts)

    assert "Add" not in _operators(made)
    assert _operators(both).count("Add") == 1
    assert _moved(both, other, seen[4000:]) < 0.05


def test_attention_takes_whole_numbers_and_stays_near_that_of_floats(tmp_path: Path) -> None:
    graph, seen = _attention(tmp_path / "in")

    made = quantise(graph, [{"x": seen[:40]}], tmp_path / "out", IntegerProducts)

    assert _operators(made) == ["Mul", "QuantizeLinear", "QAttention"]
    assert _moved(made, graph, seen[40:]) < 0.05


def test_rows_of_a_large_table_are_read_in_eight_bits_and_those_of_a_small_one_as_they_are(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    tables = {
        name: (random.normal(size=(rows, 16)) * 10 ** random.uniform(-4, 2, (rows, 1))).astype("f4")
        for name, rows in (("words", 5000), ("places", 50))
    }
    make, ids = onnx.helper.make_node, np.array([[3, 49, 3]])
    nodes = [
        make("Gather", ["words", "x"], ["y"], name="one"),
        make("Gather", ["words", "x"], ["again"], name="two"),
        make("Gather", ["places", "x"], ["place"], name="three"),
    ]
    shapes = {name: [1, 3, 16] for name in ("y", "again", "place")}
    _save(tmp_path / "graph", nodes, (onnx.TensorProto.INT64, [1, 3]), shapes, tables)

    narrow(tmp_path / "graph")

    read, again, place = _computed(tmp_path / "graph", ids, ["y", "again", "place"])
    largest = np.abs(tables["words"][ids]).max(axis=-1, keepdims=True)
    assert np.all(np.abs(read - tables["words"][ids]) <= largest / LARGEST / 2 * 1.001)
    np.testing.assert_array_equal(again, read)
    np.testing.assert_array_equal(place, tables["places"][ids])
    assert (tmp_path / "graph").stat().st_size < 2 * tables["words"].size


def test_rows_of_tables_are_read_in_bfloat16(tmp_path: Path) -> None:
    tables = {"words": np.random.default_rng(0).normal(size=(500, 16)).astype("f4")}
    nodes = [
        onnx.helper.make_node("Gather", ["words", "x"], [name], name=name) for name in ("y", "more")
    ]
    shapes = {name: [1, 3, 16] for name in ("y", "more")}
    _save(tmp_path / "graph", nodes, (onnx.TensorProto.INT64, [1, 3]), shapes, tables)
    ids = np.array([[3, 499, 3]])

    halve(tmp_path / "graph")

    read, more = _computed(tmp_path / "graph", ids, ["y", "more"])
    np.testing.assert_allclose(read, tables["words"][ids], rtol=2**-8)
    np.testing.assert_array_equal(more, read)
    assert (tmp_path / "graph").stat().st_size < 2.2 * tables["words"].size


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
    outputs = {"y": ["n", 32]} | ({also_read: ["n", INNER]} if also_read else {})
    return _save(path, nodes, (floats, ["n", 32]), outputs, weights), seen


def _attention(path: Path) -> tuple[Path, np.ndarray]:
    """Attention as ONNX Runtime has it, with two heads, over texts of nine tokens."""
    random = np.random.default_rng(0)
    seen = random.normal(size=(60, 9, 32)).astype(np.float32) * random.uniform(0.5, 2, 32)
    weights = {
        "weights": random.normal(size=(32, 96)).astype(np.float32) / 10,
        "bias": random.normal(size=96).astype(np.float32) / 10,
    }
    node = onnx.helper.make_node(
        "Attention", ["x", "weights", "bias"], ["y"], "it", domain="com.microsoft", num_heads=2
    )
    taken = (onnx.TensorProto.FLOAT, ["n", 9, 32])
    return _save(path, [node], taken, {"y": ["n", 9, 32]}, weights), seen.astype(np.float32)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    taken: tuple[int, list[int | str]],
    given: dict[str, list[int | str]],
    known: dict[str, np.ndarray],
) -> Path:
    """A graph that takes ``x``, of this type and shape, and gives tensors of these shapes."""
    graph = onnx.helper.make_graph(
        nodes,
        "of a test",
        [onnx.helper.make_tensor_value_info("x", *taken)],
        [
            onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
            for n, s in given.items()
        ],
        [onnx.numpy_helper.from_array(one, name) for name, one in known.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def _computed(graph: Path, x: np.ndarray, names: list[str]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(names, {"x": x})
    return found


def _operators(graph: Path) -> list[str]:
    """But those that do nothing."""
    nodes = onnx.load(str(graph)).graph.node
    return [node.op_type for node in nodes if node.op_type != "Identity"]


def _matrices(graph: Path) -> list[onnx.TensorProto]:
    return [one for one in onnx.load(str(graph)).graph.initializer if len(one.dims) == 2]


def _moved(made: Path, graph: Path, rows: np.ndarray) -> float:
    """How far the outputs are from those of floats, as a share of them."""
    (found,), (expected,) = _computed(made, rows, ["y"]), _computed(graph, rows, ["y"])
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
