"""Static int8 for a graph: products of weights as int8 products, with ranges known beforehand.

Both factors of a product are in eight bits: the weights with one scale a column, what comes in with
one range, which it had on some texts (:mod:`corpus.encoders.smoothing`). Written as QuantizeLinear
and DequantizeLinear, which OpenVINO turns into int8 products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from corpus.encoders.rounding import Floats, compensated, scales
from corpus.encoders.smoothing import Seen, Steps
from corpus.encoders.widening import Widening

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Feed = Mapping[str, npt.NDArray[Any]]
"""A batch: the inputs of a graph by name."""

_SPARE = 1 / 24
"""How many copies the channels of a tensor may have, as a share of them. In MiniLM they let five
of the six second products of the feed-forward networks be int8, where a few tokens reach so far
that little was left for all others (docs/log.md)."""


def quantise(graph: Path, feeds: Iterable[Feed], into: Path) -> Path:
    """Write a graph with the products of weights in int8, but those that would lose too much.

    :param graph: an ONNX model in float32.
    :param feeds: batches without padding, from which the ranges are learnt.
    """
    import onnx

    model = onnx.load(str(graph))
    products = _products(model)
    watched = _watched(model, list(products), feeds)
    chosen: dict[str, Steps] = {}
    widening = Widening(model)
    for source, nodes in products.items():
        spare = int(_SPARE * watched[source].channels) if widening.can_copy(source) else 0
        steps = Steps.choose(watched[source], _matrices(model, nodes), spare)
        if steps is not None:
            chosen[source] = steps
            widening.copy(source, steps.copies)
    before: dict[str, list[NodeProto]] = {}
    for source, steps in chosen.items():
        rewriting = _Rewriting(model, source, products[source])
        rewriting.rewrite(steps, watched.pop(source).rows, before)
    _rebuild(model, before)
    onnx.save(model, str(into))
    return into


def _products(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The products with a matrix of weights, by what comes in."""
    matrices = {one.name for one in model.graph.initializer if len(one.dims) == 2}
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in matrices:
            found.setdefault(node.input[0], []).append(node)
    return found


def _matrices(model: ModelProto, nodes: list[NodeProto]) -> list[Floats]:
    """The weights of products, float32 (channels, columns)."""
    from onnx import numpy_helper

    known = {one.name: one for one in model.graph.initializer}
    return [numpy_helper.to_array(known[node.input[1]]) for node in nodes]


def _watched(model: ModelProto, names: list[str], feeds: Iterable[Feed]) -> dict[str, Seen]:
    """Compute the graph on some texts, and look at these tensors."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    outputs = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names]
    watched.graph.output.extend(outputs)
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: dict[str, Seen] = {}
    for feed in feeds:
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            found.setdefault(name, Seen(values.shape[-1])).add(values)
    return found


class _Rewriting:
    """The products of one tensor, rewritten."""

    def __init__(self, model: ModelProto, source: str, nodes: list[NodeProto]) -> None:
        self._model, self._source, self._nodes = model, source, nodes

    def rewrite(self, steps: Steps, rows: Floats, before: dict[str, list[NodeProto]]) -> None:
        """Give the products other inputs; ``before`` gets the nodes that compute these.

        :param rows: some of what comes in, float32 (rows, channels).
        """
        before[self._nodes[0].name] = self._incoming(steps)
        matrices = _matrices(self._model, self._nodes)
        squares = sum(np.square(rows @ one).sum(axis=1, keepdims=True) for one in matrices)
        read = steps.read(rows) / np.sqrt(squares + 1e-12)  # so that each row counts the same
        for node, matrix in zip(self._nodes, matrices, strict=True):
            dequantised = self._weights(f"{node.name}/weights", steps.weights(matrix), read)
            before.setdefault(node.name, []).append(dequantised)
            node.input[:] = [f"{self._source}/read", dequantised.output[0]]

    def _incoming(self, steps: Steps) -> list[NodeProto]:
        from onnx import helper

        name = self._source
        smoothing = np.repeat(steps.smoothing, steps.copies)
        by = self._constant(f"{name}/smoothing", 1 / smoothing)
        how = [
            self._constant(f"{name}/scale", np.float32(steps.scale)),
            self._constant(f"{name}/zero", np.uint8(steps.zero)),
        ]
        smooth, codes = f"{name}/smooth", f"{name}/codes"
        return [
            helper.make_node("Mul", [name, by], [smooth]),
            helper.make_node("QuantizeLinear", [smooth, *how], [codes]),
            helper.make_node("DequantizeLinear", [codes, *how], [f"{name}/read"]),
        ]

    def _weights(self, name: str, matrix: Floats, rows: Floats) -> NodeProto:
        from onnx import helper

        steps = scales(matrix)
        inputs = [
            self._constant(f"{name}/codes", compensated(matrix, rows).astype(np.int8)),
            self._constant(f"{name}/scales", steps),
            self._constant(f"{name}/zeros", np.zeros(len(steps), np.int8)),
        ]
        return helper.make_node("DequantizeLinear", inputs, [name], axis=1)

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self._model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _rebuild(model: ModelProto, before: Mapping[str, list[NodeProto]]) -> None:
    """Put the new nodes where they are needed, and leave out what no node reads any more."""
    graph = model.graph
    nodes = [one for node in graph.node for one in (*before.get(node.name, ()), node)]
    read = {name for node in nodes for name in node.input}
    constants = [one for one in graph.initializer if one.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
