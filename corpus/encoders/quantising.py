"""Static int8 for a graph: products of weights as int8 products, with ranges known beforehand.

A product ``x @ W`` becomes ``(x / s) @ (s W)``, both factors in eight bits: the weights with one
scale a column, what comes in with one range, which it had on some texts. The smoothing ``s``, a
number for each channel, moves what sticks out of ``x`` into ``W``, where it has a scale to itself;
without it few of the 256 steps are left for all other channels.

Written as QuantizeLinear and DequantizeLinear, which OpenVINO turns into int8 products.

Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", https://arxiv.org/abs/2211.10438.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Feed = Mapping[str, npt.NDArray[Any]]
"""A batch: the inputs of a graph by name."""

Floats = npt.NDArray[np.float32]

_SMOOTHINGS = (0.5, 0.65, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""How much of what sticks out moves into the weights; the paper's alpha. Each tensor has the one
that changes its products least."""

_NOISE = 0.002
"""Of a product, as a share of its square, row by row, at most; one with more stays as it is. In
MiniLM those are the second product of the feed-forward network in four layers of six, where a few
tokens reach so far that little is left for all others (docs/log.md)."""

_EVERY = 8  # rows of a tensor: one in so many is kept, to try these on

_STEPS, _LARGEST = 255, 127  # of what comes in, unsigned; of weights, signed


class _Seen:
    """What was seen of a tensor: how far each channel reaches, and some of its rows."""

    def __init__(self, channels: int) -> None:
        self.least = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self._kept: list[Floats] = []

    def add(self, seen: Floats) -> None:
        rows = seen.reshape(-1, seen.shape[-1])
        np.minimum(self.least, rows.min(axis=0), out=self.least)
        np.maximum(self.largest, rows.max(axis=0), out=self.largest)
        self._kept.append(rows[::_EVERY].copy())

    @property
    def rows(self) -> Floats:
        """float32 (rows, channels)."""
        return np.concatenate(self._kept)


@dataclass(frozen=True, slots=True)
class _Steps:
    """How a tensor is read: each channel divided by a number, and all of them in these steps."""

    smoothing: Floats  # (channels,)
    scale: float
    zero: int

    @classmethod
    def choose(cls, seen: _Seen, weights: list[Floats]) -> _Steps | None:
        """Those that change the products with these weights least; None: all too much."""
        rows = seen.rows
        tried = [cls._smoothed(seen, weights, alpha) for alpha in _SMOOTHINGS]
        noise = [steps._noise(rows, weights) for steps in tried]
        return tried[int(np.argmin(noise))] if min(noise) <= _NOISE else None

    @classmethod
    def _smoothed(cls, seen: _Seen, weights: list[Floats], alpha: float) -> _Steps:
        reach = np.maximum(np.maximum(-seen.least, seen.largest), 1e-5)
        stretch = np.maximum(np.max([np.abs(one).max(axis=1) for one in weights], axis=0), 1e-5)
        logs = alpha * np.log(reach) - (1 - alpha) * np.log(stretch)
        smoothing = np.exp(logs - logs.mean()).astype(np.float32)
        least = min(0.0, float((seen.least / smoothing).min()))
        largest = max(0.0, float((seen.largest / smoothing).max()))
        scale = max(largest - least, 1e-5) / _STEPS
        return cls(smoothing, scale, round(-least / scale))

    def _noise(self, rows: Floats, weights: list[Floats]) -> float:
        """How far products of these rows are from those of floats, as :data:`_NOISE` is."""
        codes = np.clip(np.rint(rows / self.smoothing / self.scale) + self.zero, 0, _STEPS)
        read = ((codes - self.zero) * self.scale).astype(np.float32)
        shares = []
        for matrix in weights:
            codes, scales = _codes(matrix * self.smoothing[:, None])
            product = rows @ matrix
            moved = np.square(read @ (codes * scales) - product).sum(axis=1)
            shares.append(np.mean(moved / (np.square(product).sum(axis=1) + 1e-12)))
        return float(np.mean(shares))


def _codes(matrix: Floats) -> tuple[Floats, Floats]:
    """A matrix as whole numbers of eight bits, and the scale of each column."""
    scales = np.maximum(np.abs(matrix).max(axis=0) / _LARGEST, 1e-12).astype(np.float32)
    return np.rint(matrix / scales), scales


def quantise(graph: Path, feeds: Iterable[Feed], into: Path) -> Path:
    """Write a graph with the products of weights in int8, but those that would lose too much.

    :param graph: an ONNX model in float32.
    :param feeds: batches without padding, from which the ranges are learnt.
    """
    import onnx

    model = onnx.load(str(graph))
    products = _products(model)
    watched = _watched(model, list(products), feeds)
    before: dict[str, list[NodeProto]] = {}
    for source, nodes in products.items():
        rewriting = _Rewriting(model, source, nodes)
        steps = _Steps.choose(watched.pop(source), rewriting.weights)
        if steps is not None:
            rewriting.rewrite(steps, before)
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


def _watched(model: ModelProto, names: list[str], feeds: Iterable[Feed]) -> dict[str, _Seen]:
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
    found: dict[str, _Seen] = {}
    for feed in feeds:
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            found.setdefault(name, _Seen(values.shape[-1])).add(values)
    return found


class _Rewriting:
    """The products of one tensor, rewritten."""

    def __init__(self, model: ModelProto, source: str, nodes: list[NodeProto]) -> None:
        from onnx import numpy_helper

        known = {one.name: one for one in model.graph.initializer}
        self._model, self._source, self._nodes = model, source, nodes
        self.weights = [numpy_helper.to_array(known[node.input[1]]) for node in nodes]

    def rewrite(self, steps: _Steps, before: dict[str, list[NodeProto]]) -> None:
        """Give the products other inputs; ``before`` gets the nodes that compute these."""
        before[self._nodes[0].name] = self._incoming(steps)
        for node, matrix in zip(self._nodes, self.weights, strict=True):
            smoothed = matrix * steps.smoothing[:, None]
            dequantised = self._weights(f"{node.name}/weights", smoothed)
            before.setdefault(node.name, []).append(dequantised)
            node.input[:] = [f"{self._source}/read", dequantised.output[0]]

    def _incoming(self, steps: _Steps) -> list[NodeProto]:
        from onnx import helper

        name = self._source
        by = self._constant(f"{name}/smoothing", 1 / steps.smoothing)
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

    def _weights(self, name: str, matrix: Floats) -> NodeProto:
        from onnx import helper

        codes, scales = _codes(matrix)
        inputs = [
            self._constant(f"{name}/codes", codes.astype(np.int8)),
            self._constant(f"{name}/scales", scales),
            self._constant(f"{name}/zeros", np.zeros(len(scales), np.int8)),
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
