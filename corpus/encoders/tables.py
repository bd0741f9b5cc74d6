"""Tables of a graph, such as its vectors of words, in fewer bits.

Half of what a model of this size weighs is such a table. In eight bits each row has a scale of its
own, which costs nothing, because a row is read as a whole (:func:`narrow`). Where OpenVINO computes
in bfloat16 it rounds rows to that when it has read them: tables that are kept so give the same,
sooner, and are half as large (:func:`halve`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.encoders.rebuilding import add_constant, rebuild
from corpus.encoders.rounding import LARGEST, Floats

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    _Keep = Callable[[ModelProto, str, Floats], None]  # puts a table, by name, into a graph
    _Read = Callable[[NodeProto], list[NodeProto]]

_ROWS = 4096
"""Tables with fewer rows stay as they are: of places and of kinds of token."""


def narrow(path: Path) -> Path:
    """Let what reads rows of large tables of a graph read eight bits, in its file."""
    return _kept_as(path, _ROWS, _keep_codes, _read_codes)


def halve(path: Path) -> Path:
    """Let what reads rows of tables of a graph read bfloat16, in its file."""
    return _kept_as(path, 1, _keep_half, _read_half)


def _kept_as(path: Path, least: int, keep: _Keep, read: _Read) -> Path:
    """Keep the tables of a graph otherwise.

    :param least: rows of a table for which this is done.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    floats = [one for one in model.graph.initializer if one.data_type == one.FLOAT]
    tables = {one.name: one for one in floats if len(one.dims) == 2 and one.dims[0] >= least}
    reading = [n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in tables]
    for name in dict.fromkeys(node.input[0] for node in reading):
        keep(model, name, numpy_helper.to_array(tables[name]))
    rebuild(model, {node.name: read(node) for node in reading})
    onnx.save(model, str(path))
    return path


def _keep_half(model: ModelProto, table: str, rows: Floats) -> None:
    from onnx import TensorProto, helper

    half = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    add_constant(model, f"{table}/half", rows.astype(half))


def _read_half(node: NodeProto) -> list[NodeProto]:
    """Let a node turn into floats what is read of its table; the node that has to come before."""
    from onnx import TensorProto, helper

    table, rows = node.input
    read = f"{node.output[0]}/half"
    node.op_type = "Cast"
    node.input[:] = [read]
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    return [helper.make_node("Gather", [f"{table}/half", rows], [read])]


def _keep_codes(model: ModelProto, table: str, rows: Floats) -> None:
    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / LARGEST, 1e-12)
    add_constant(model, f"{table}/codes", np.rint(rows / scales).astype(np.int8))
    add_constant(model, f"{table}/scales", scales.astype(np.float32))


def _read_codes(node: NodeProto) -> list[NodeProto]:
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
