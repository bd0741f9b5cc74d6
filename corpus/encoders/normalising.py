"""Normalisation that leaves its gain and its shift to what reads it.

OpenVINO normalises a tensor in one pass, and multiplies it by the gain and adds the shift in
another. In a layer of a transformer two read what comes out: products in eight bits, which multiply
it by their smoothing anyway, and a sum, which adds a product and its bias. There the gain and the
shift cost nothing, and their pass is left out (a hundredth of the model, docs/log.md).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.encoders.rebuilding import Array, add_constant, constants, makers, rebuild

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def gains_to_readers(path: Path) -> Path:
    """Let what is read by a smoothing and by a sum be normalised only, in the file of a graph.

    :param path: an ONNX model of :func:`corpus.encoders.quantising.quantise`.
    """
    import onnx

    model = onnx.load(str(path))
    gains = _Gains(model)
    for node in list(model.graph.node):
        if node.op_type == "LayerNormalization":
            gains.move(node)
    rebuild(model, gains.before)
    onnx.save(model, str(path))
    return path


class _Gains:
    """The graph in which they are moved."""

    def __init__(self, model: ModelProto) -> None:
        self._model, self._known = model, constants(model)
        self._made = makers(model)
        self._given = {one.name for one in model.graph.output}
        self._readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            if node.op_type != "Shape":  # which stays the same
                for name in node.input:
                    self._readers[name].append(node)
        self.before: dict[str, list[NodeProto]] = {}

    def move(self, norm: NodeProto) -> None:
        """Move gain and shift, where one smoothing and one sum read what is normalised."""
        normed = norm.output[0]
        kinds = {node.op_type: node for node in self._readers[normed]}
        if kinds.keys() != {"Add", "Mul"} or not self._is_read(normed, 2) or len(norm.input) != 3:
            return
        smoothing, summed = kinds["Mul"], kinds["Add"]
        product = next((name for name in summed.input if name != normed), "")
        biased = self._made.get(product)
        if biased is None or biased.op_type != "Add" or not self._is_read(product, 1):
            return
        by, bias = self._constant_of(smoothing), self._constant_of(biased)
        if by and bias:
            gain, shift = (self._known[name] for name in norm.input[1:])
            self._smooth(smoothing, normed, gain * self._known[by], shift * self._known[by])
            self._sum(summed, normed, gain, product)
            shifted = self._constant(f"{bias}/shifted", self._known[bias] + shift)
            biased.input[list(biased.input).index(bias)] = shifted
            norm.input[1] = self._constant(f"{norm.name}/one", np.ones_like(gain))
            norm.input[2] = self._constant(f"{norm.name}/none", np.zeros_like(shift))

    def _is_read(self, name: str, often: int) -> bool:
        """Whether a tensor is read so often, and not by who computes the graph."""
        return len(self._readers[name]) == often and name not in self._given

    def _smooth(self, smoothing: NodeProto, normed: str, gain: Array, shift: Array) -> None:
        """Let a multiplication by a constant become one by the gain, and the shift be added."""
        gained = self._gained(f"{smoothing.output[0]}/gained", normed, gain)
        self.before[smoothing.name] = [gained]
        smoothing.op_type = "Add"
        smoothing.input[:] = [
            *gained.output,
            self._constant(f"{smoothing.output[0]}/shift", shift),
        ]

    def _sum(self, summed: NodeProto, normed: str, gain: Array, product: str) -> None:
        """Let a sum multiply by the gain: in this order OpenVINO does it as it adds."""
        gained = self._gained(f"{normed}/gained", normed, gain)
        self.before[summed.name] = [gained]
        summed.input[:] = [*gained.output, product]

    def _gained(self, name: str, normed: str, gain: Array) -> NodeProto:
        from onnx import helper

        return helper.make_node("Mul", [normed, self._constant(f"{name}/gain", gain)], [name])

    def _constant(self, name: str, value: Array) -> str:
        return add_constant(self._model, name, value.astype(np.float32))

    def _constant_of(self, node: NodeProto) -> str | None:
        """The constant among what a node reads."""
        return next((name for name in node.input if name in self._known), None)
