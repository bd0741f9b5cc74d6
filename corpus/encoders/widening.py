"""Channels of a tensor, computed several times: what sticks out is divided among copies.

A channel that reaches further than all others costs every other one of its few steps, or, once it
is smoothed, takes those of the weights. Of ``n`` copies each may count for an ``n``-th, so that it
reaches no further than the others, and its weights need not grow. Copies come at the price of the
columns that compute them, where the channels are columns of a product that nothing but the same
step for each channel follows, as inside a feed-forward network.

Source: Zhao et al., "Improving Neural Network Quantization without Retraining using Outlier
Channel Splitting", https://arxiv.org/abs/1901.09504.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from corpus.encoders.rebuilding import add_constant, constants, makers

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Counts = npt.NDArray[np.int64]

_BY_CHANNEL = {"Add", "Sub", "Mul", "Div", "Pow", "Erf", "Tanh", "Sigmoid", "Relu"} | {
    "Gelu",
    "FastGelu",
    "BiasGelu",
}
"""What activations consist of, or are."""


class Widening:
    """The graph in which channels get copies."""

    def __init__(self, model: ModelProto) -> None:
        nodes = model.graph.node
        self._model, self._known = model, constants(model)
        self._made = makers(model)
        self._readers = {one.name: [""] for one in model.graph.output}  # read by who computes it
        for node in nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node.output[0])

    def can_copy(self, tensor: str) -> bool:
        """Whether the channels of a tensor are columns of weights, and nobody else reads them."""
        return bool(self._columns(tensor))

    def copy(self, tensor: str, copies: Counts) -> None:
        """Compute each channel so many times, the copies side by side."""
        for node, place in self._columns(tensor):
            values = np.repeat(self._known[node.input[place]], copies, axis=-1)
            node.input[place] = add_constant(self._model, f"{node.input[place]}/copies", values)
            self._known[node.input[place]] = values

    def _columns(self, tensor: str) -> list[tuple[NodeProto, int]]:
        """The inputs that have a column for each channel; none where there are no such."""
        found: list[tuple[NodeProto, int]] = []
        waiting, within = [tensor], set[str]()
        while waiting:
            name = waiting.pop()
            if name in within:
                continue
            within.add(name)
            node = self._made.get(name)
            if node is None or not self._is_by_channel(node):
                return []
            for place, source in enumerate(node.input):
                if source in self._known:
                    found += [(node, place)] if self._known[source].size > 1 else []
                elif node.op_type != "MatMul":
                    waiting.append(source)
        inner = within - {tensor}
        is_read = any(reader not in within for name in inner for reader in self._readers[name])
        sizes = {self._known[node.input[place]].shape[-1] for node, place in found}
        return found if len(sizes) == 1 and not is_read else []

    def _is_by_channel(self, node: NodeProto) -> bool:
        if node.op_type == "MatMul":
            return node.input[1] in self._known
        return node.op_type in _BY_CHANNEL
