"""A graph with nodes put in, and without what nothing reads any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


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
