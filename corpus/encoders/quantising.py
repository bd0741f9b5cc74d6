"""Static int8 for a graph: products of weights as int8 products, with ranges known beforehand.

Both factors of a product are in eight bits: the weights with one scale a column, what comes in with
one range, which it had on some texts (:mod:`corpus.encoders.smoothing`). How that is written hangs
on who computes it (:mod:`corpus.encoders.products`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from corpus.encoders.products import Products, matrices_of
from corpus.encoders.rebuilding import rebuild
from corpus.encoders.smoothing import Seen, Steps
from corpus.encoders.widening import Widening

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Feed = Mapping[str, npt.NDArray[Any]]
"""A batch: the inputs of a graph by name."""

_SPARE = 1 / 48
"""How many copies the channels of a tensor may have, as a share of them. In MiniLM they let the
second products of the feed-forward networks be int8, where a few tokens reach so far that little
was left for all others (docs/log.md)."""


def quantise(graph: Path, feeds: Iterable[Feed], into: Path, written: type[Products]) -> Path:
    """Write a graph with the products of weights in int8, but those that would lose too much.

    :param graph: an ONNX model in float32.
    :param feeds: batches without padding, from which the ranges are learnt.
    :param written: how a product is written.
    """
    import onnx

    model = onnx.load(str(graph))
    products = _products(model, written.operators)
    watched = _watched(model, list(products), feeds)
    chosen: dict[str, Steps] = {}
    widening = Widening(model)
    for source, nodes in products.items():
        spare = int(_SPARE * watched[source].channels) if widening.can_copy(source) else 0
        matrices = matrices_of(model, nodes)
        steps = Steps.choose(watched[source], matrices, spare, written.most_noise)
        if steps is not None:
            chosen[source] = steps
            widening.copy(source, steps.copies)
    writer = written(model)
    before: dict[str, list[NodeProto]] = {}
    for source, steps in chosen.items():
        rows = watched.pop(source).rows
        before |= writer.write(source, products[source], steps, rows)
    rebuild(model, before)
    onnx.save(model, str(into))
    return into


def _products(model: ModelProto, operators: Collection[str]) -> dict[str, list[NodeProto]]:
    """The products with a matrix of weights, by what comes in."""
    matrices = {one.name for one in model.graph.initializer if len(one.dims) == 2}
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type in operators and node.input[1] in matrices:
            found.setdefault(node.input[0], []).append(node)
    return found


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
