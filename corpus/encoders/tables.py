"""Large tables of a graph, such as its vectors of words, in eight bits: one scale a row.

A row is read as a whole, so a scale of its own costs nothing, and half of what a model of this size
weighs is such a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corpus.encoders.rounding import LARGEST, Floats

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_ROWS = 4096
"""Tables with fewer rows stay as they are: of places and of kinds of token."""


def narrow(path: Path) -> Path:
    """Rewrite what reads rows of large tables of a graph, in its file."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    tables = {one.name: one for one in graph.initializer if len(one.dims) == 2}
    large = {name: one for name, one in tables.items() if one.dims[0] >= _ROWS}
    nodes: list[NodeProto] = []
    narrowed = set[str]()
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in large:
            nodes.append(node)
            continue
        name = node.input[0]
        nodes += _reading(node, name)
        if name not in narrowed:
            narrowed.add(name)
            _add(model, name, numpy_helper.to_array(large[name]))
    del graph.node[:]
    graph.node.extend(nodes)
    for name in narrowed - {name for node in nodes for name in node.input}:
        graph.initializer.remove(large[name])
    onnx.save(model, str(path))
    return path


def _reading(node: NodeProto, table: str) -> list[NodeProto]:
    """The nodes that give what a node gave."""
    from onnx import TensorProto, helper

    rows, made = node.input[1], node.output[0]
    return [
        helper.make_node("Gather", [f"{table}/codes", rows], [f"{made}/codes"]),
        helper.make_node("Gather", [f"{table}/scales", rows], [f"{made}/scales"]),
        helper.make_node("Cast", [f"{made}/codes"], [f"{made}/floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{made}/floats", f"{made}/scales"], [made]),
    ]


def _add(model: ModelProto, table: str, rows: Floats) -> None:
    from onnx import numpy_helper

    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / LARGEST, 1e-12)
    parts: dict[str, Any] = {
        "codes": np.rint(rows / scales).astype(np.int8),
        "scales": scales.astype(np.float32),
    }
    for part, values in parts.items():
        model.graph.initializer.append(numpy_helper.from_array(values, f"{table}/{part}"))
