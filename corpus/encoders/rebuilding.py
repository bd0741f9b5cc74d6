"""A graph while it is rewritten: what it knows beforehand, what is put in, what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


Array = npt.NDArray[Any]


def constants(model: ModelProto) -> dict[str, Array]:
    """The tensors that hang on no input, by name: weights, and what nodes have written in them."""
    from onnx import numpy_helper

    known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return known


def makers(model: ModelProto) -> dict[str, NodeProto]:
    """The node that makes each tensor, by the tensor's name."""
    return {name: node for node in model.graph.node for name in node.output}


def add_constant(model: ModelProto, name: str, value: Array | np.generic) -> str:
    """Put a tensor into a graph; its name."""
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def rebuild(model: ModelProto, before: Mapping[str, Sequence[NodeProto]]) -> None:
    """Put nodes into a graph, and leave out constants that no node reads.

    :param before: new nodes, in order, by the name of the node that they come before.
    """
    graph = model.graph
    nodes = [one for node in graph.node for one in (*before.get(node.name, ()), node)]
    read = {name for node in nodes for name in node.input}
    constants = [one for one in graph.initializer if one.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
