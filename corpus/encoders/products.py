"""How a product of eight bits is written into a graph, in the words of who computes it.

What comes in is divided by its smoothing and rounded to its steps; the weights are rounded
already. OpenVINO wants that described, as floats that were rounded and read back
(:class:`DescribedProducts`). ONNX Runtime has operators of its own that take the whole numbers,
and one for all that attention computes (:class:`IntegerProducts`): it would find them in what is
described as well, but not attention, and no product with its bias.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from corpus.encoders.rebuilding import add_constant
from corpus.encoders.rounding import Floats, compensated, scales
from corpus.encoders.smoothing import Steps

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_RUNTIME = "com.microsoft"
"""The operators that ONNX Runtime adds to those of ONNX:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md."""


class Products(ABC):
    """Writes the products of a graph, of which the second input is a matrix of weights."""

    operators: ClassVar[frozenset[str]]
    """Which nodes are products."""

    most_noise: ClassVar[float]
    """Of a product, as a share of its square, row by row; one with more stays in floats."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model

    def write(
        self, source: str, nodes: Sequence[NodeProto], steps: Steps, rows: Floats
    ) -> dict[str, list[NodeProto]]:
        """Let the products of one tensor take whole numbers.

        :param nodes: all that take the tensor.
        :param rows: some of what comes in, float32 (rows, channels).
        :return: the nodes that have to come before each, by its name.
        """
        matrices = matrices_of(self._model, nodes)
        squares = sum(np.square(rows @ one).sum(axis=1, keepdims=True) for one in matrices)
        read = steps.read(rows) / np.sqrt(squares + 1e-12)  # so that each row counts the same
        before: dict[str, list[NodeProto]] = defaultdict(list)
        before[nodes[0].name] += self._incoming(source, steps)
        for node, matrix in zip(nodes, matrices, strict=True):
            weights = steps.weights(matrix)
            name = self._weights(node.name, weights, compensated(weights, read))
            before[node.name] += self._rewritten(node, source, name)
        return before

    def _incoming(self, source: str, steps: Steps) -> list[NodeProto]:
        """The nodes that round what comes in."""
        from onnx import helper

        smoothing = np.repeat(steps.smoothing, steps.copies)
        by = add_constant(self._model, f"{source}/smoothing", 1 / smoothing)
        add_constant(self._model, f"{source}/scale", np.float32(steps.scale))
        add_constant(self._model, f"{source}/zero", np.uint8(steps.zero))
        smooth = f"{source}/smooth"
        return [
            helper.make_node("Mul", [source, by], [smooth], name=smooth),
            helper.make_node("QuantizeLinear", [smooth, *_steps(source)], [f"{source}/codes"]),
            *self._read_back(source),
        ]

    def _weights(self, product: str, matrix: Floats, codes: Floats) -> str:
        """Keep the weights of a product, which are in steps of their columns; their name."""
        name, steps = f"{product}/weights", scales(matrix)
        add_constant(self._model, f"{name}/codes", codes.astype(np.int8))
        add_constant(self._model, f"{name}/scale", steps)
        add_constant(self._model, f"{name}/zero", np.zeros(len(steps), np.int8))
        return name

    @abstractmethod
    def _read_back(self, source: str) -> list[NodeProto]:
        """The nodes after the rounding of what comes in."""

    @abstractmethod
    def _rewritten(self, node: NodeProto, source: str, weights: str) -> list[NodeProto]:
        """Change a product, and say what has to come before it."""


class DescribedProducts(Products):
    """QuantizeLinear and DequantizeLinear, around products as they were."""

    operators = frozenset({"MatMul"})
    most_noise = 0.0025

    def _read_back(self, source: str) -> list[NodeProto]:
        from onnx import helper

        inputs = [f"{source}/codes", *_steps(source)]
        return [helper.make_node("DequantizeLinear", inputs, [f"{source}/read"])]

    def _rewritten(self, node: NodeProto, source: str, weights: str) -> list[NodeProto]:
        from onnx import helper

        node.input[:] = [f"{source}/read", weights]
        inputs = [f"{weights}/codes", *_steps(weights)]
        return [helper.make_node("DequantizeLinear", inputs, [weights], axis=1)]


class IntegerProducts(Products):
    """Operators of ONNX Runtime that take whole numbers and give floats, with the bias added."""

    operators = frozenset({"MatMul", "Attention"})
    most_noise = 0.01  # one product in floats takes as long as three in eight bits

    def __init__(self, model: ModelProto) -> None:
        from onnx import helper

        super().__init__(model)
        self._vectors = {one.name for one in model.graph.initializer if len(one.dims) == 1}
        self._given = {one.name for one in model.graph.output}
        self._readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self._readers[name].append(node)
        if _RUNTIME not in {one.domain for one in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(_RUNTIME, 1))

    def _read_back(self, source: str) -> list[NodeProto]:
        return []

    def _rewritten(self, node: NodeProto, source: str, weights: str) -> list[NodeProto]:
        codes, (scale, zero) = [f"{source}/codes", f"{weights}/codes"], _steps(source)
        scale_of_weights, zero_of_weights = _steps(weights)
        node.domain = _RUNTIME
        if node.op_type == "Attention":
            bias, mask = (*node.input[2:4], "", "")[:2]
            kept = [one for one in node.attribute if one.name in ("num_heads", "unidirectional")]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.op_type = "QAttention"
            node.input[:] = [*codes, bias, scale, scale_of_weights, mask, zero, zero_of_weights]
        else:
            node.op_type = "MatMulIntegerToFloat"
            bias = self._take_bias(node)
            node.input[:] = [*codes, scale, scale_of_weights, zero, zero_of_weights, *bias]
        return []

    def _take_bias(self, node: NodeProto) -> list[str]:
        """The vector that nothing but the product is added to: the product adds it itself."""
        product = node.output[0]
        match self._readers[product]:
            case [adding] if adding.op_type == "Add" and product not in self._given:
                bias = [name for name in adding.input if name in self._vectors]
                if bias:
                    node.output[0] = f"{product}/before"
                    adding.op_type = "Identity"
                    adding.input[:] = [node.output[0]]
                return bias
        return []


def matrices_of(model: ModelProto, nodes: Sequence[NodeProto]) -> list[Floats]:
    """The weights of products, float32 (channels, columns)."""
    from onnx import numpy_helper

    known = {one.name: one for one in model.graph.initializer}
    return [numpy_helper.to_array(known[node.input[1]]) for node in nodes]


def _steps(tensor: str) -> list[str]:
    """The names of the size of its steps, and of where zero is."""
    return [f"{tensor}/scale", f"{tensor}/zero"]
