"""Tables of a graph, such as its vectors of words, in fewer bits.

Half of what a model of this size weighs is such a table. In eight bits each row has a scale of its
own, which costs nothing, because a row is read as a whole (:func:`narrow`). Where OpenVINO computes
in bfloat16 it rounds rows to that when it has read them: tables that are kept so give the same,
sooner, and are half as large (:func:`halve`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.encoders.rebuilding import add_constant, rebuild
from corpus.encoders.rounding import LARGEST, Floats

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_ROWS = 4096
"""Tables with fewer rows stay as they are: of places and of kinds of token."""


def narrow(path: Path) -> Path:
    """Rewrite what reads rows of large tables of a graph, in its file."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    large = {name: one for name, one in _tables(model).items() if one.dims[0] >= _ROWS}
    reading = [one for one in model.graph.node if one.op_type == "Gather" and one.input[0] in large]
    for name in {node.input[0] for node in reading}:
        _add(model, name, numpy_helper.to_array(large[name]))
    rebuild(model, {node.name: _rewritten(node) for node in reading})
    onnx.save(model, str(path))
    return path


def halve(path: Path) -> Path:
    """Let what reads rows of tables of a graph read bfloat16, in its file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    tables = _tables(model)
    reading = [n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in tables]
    half = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    for name in {node.input[0] for node in reading}:
        add_constant(model, f"{name}/half", numpy_helper.to_array(tables[name]).astype(half))
    rebuild(model, {node.name: [_read_half(node)] for node in reading})
    onnx.save(model, str(path))
    return path


def _tables(model: ModelProto) -> dict[str, TensorProto]:
    """What has rows of floats, by name."""
    floats = [one for one in model.graph.initializer if one.data_type == one.FLOAT]
    return {one.name: one for one in floats if len(one.dims) == 2}


def _read_half(node: NodeProto) -> NodeProto:
    """Let a node turn into floats what is read of its table; the node that reads."""
    from onnx import TensorProto, helper

    table, rows = node.input
    read = f"{node.output[0]}/half"
    node.op_type = "Cast"
    node.input[:] = [read]
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    return helper.make_node("Gather", [f"{table}/half", rows], [read])


def _rewritten(node: NodeProto) -> list[NodeProto]:
    """Let a node multiply codes with their scales; the nodes that have to come before it."""
    from onnx import TensorProto, helper

    table, rows = node.input
    codes, floats, scales = (f"{node.output[0]}/{part}" for part in ("codes", "floats", "scales"))
    node.op_type = "Mul"
    node.input[:] = [floats, scales]
    del node.attribute[:]
    return [
        helper.make_node("Gather", [f"{table}/codes", rows], [codes]),
        helper.make_node("Cast", [codes], [floats], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{table}/scales", rows], [scales]),
    ]


def _add(model: ModelProto, table: str, rows: Floats) -> None:
    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / LARGEST, 1e-12)
    add_constant(model, f"{table}/codes", np.rint(rows / scales).astype(np.int8))
    add_constant(model, f"{table}/scales", scales.astype(np.float32))
