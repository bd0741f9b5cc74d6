"""Attention that leaves padding out within the product of queries and keys.

As it is exported, a mask is added to what comes out of that product. OpenVINO is not told how long
it will be, and goes over the product once more for it: a sixth of attention (docs/log.md). Here
every head has a channel more, 1 in queries, 0 in keys, and so low in keys of padding that nothing
is left of them after the softmax. Keys are turned within the product, not before it. What comes
out is the same but for rounding.

Attention that is not written as in BERT stays as it is: there queries and keys have a bias, and
nothing but a scale and a mask comes between their product and the softmax.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.encoders.rebuilding import add_constant, constants, makers, rebuild

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_MASK = "attention_mask"

_LOW = 30_000
"""How low the channel of a key of padding is. The scale of attention, 1/11 for heads of 128
channels, leaves enough of it for the softmax to come to 0. Each attention has another one: what
several would read OpenVINO computes in a pass of its own, not with what it is added to."""

_PADDED = "padded"
"""float32 (texts, tokens, 1): -1 for padding, else 0."""

_HEADS_FIRST = [0, 2, 1, 3]  # from (texts, tokens, heads, channels)
_TURNED = [0, 2, 3, 1]  # heads first, and channels before tokens


def mask_within(graph: Path, into: Path) -> Path:
    """Write a graph whose attention needs no mask after the product of queries and keys.

    :param graph: an ONNX model in float32 with the input ``attention_mask``.
    """
    import onnx

    model = onnx.load(str(graph))
    masking = _Masking(model)
    for node in list(model.graph.node):
        attention = masking.attention(node)
        if attention is not None:
            masking.rewrite(attention)
    rebuild(model, masking.before)
    onnx.save(model, str(into))
    return into


@dataclass(frozen=True, slots=True)
class _Heads:
    """Queries or keys: a product with weights, a bias, and what divides them among heads."""

    turned: NodeProto
    divided: NodeProto
    biased: NodeProto
    product: NodeProto
    count: int
    channels: int  # of a head


@dataclass(frozen=True, slots=True)
class _Attention:
    queries: _Heads
    keys: _Heads
    scaled: NodeProto
    softmax: NodeProto


class _Masking:
    """The graph whose attention is rewritten."""

    def __init__(self, model: ModelProto) -> None:
        nodes = model.graph.node
        self._model, self._known = model, constants(model)
        self._made = makers(model)
        self._readers = Counter(name for node in nodes for name in node.input)
        self._rewritten = 0
        self.before: dict[str, list[NodeProto]] = {}

    def attention(self, softmax: NodeProto) -> _Attention | None:
        """The attention that a softmax belongs to; None where it is written otherwise."""
        added = self._made.get(softmax.input[0]) if softmax.op_type == "Softmax" else None
        if added is None or added.op_type != "Add":
            return None
        for name in added.input:  # one of them is the mask
            match self._path(name, "Mul", "MatMul") or self._path(name, "Div", "MatMul"):
                case [scaled, product]:
                    queries = self._heads(product.input[0], _HEADS_FIRST)
                    keys = self._heads(product.input[1], _TURNED)
                    if queries and keys:
                        return _Attention(queries, keys, scaled, softmax)
        return None

    def rewrite(self, one: _Attention) -> None:
        """Give queries and keys the channel, and leave the mask out."""
        from onnx import helper

        self._widen(one.queries, channel=1.0)
        self._widen(one.keys, channel=0.0)
        keys = one.keys
        masked, first = f"{keys.biased.name}/masked", f"{keys.turned.name}/first"
        lower = helper.make_node("Mul", [_PADDED, self._lowness(keys)], [f"{masked}/lower"])
        add = helper.make_node("Add", [*lower.output, keys.biased.output[0]], [masked])
        turn = helper.make_node("Transpose", [keys.divided.output[0]], [first], perm=_HEADS_FIRST)
        padded = [] if self._rewritten else self._padded()
        self._rewritten += 1
        self.before |= {keys.divided.name: [*padded, lower, add], keys.turned.name: [turn]}
        keys.divided.input[0] = masked
        keys.turned.input[0] = first
        keys.turned.attribute[0].ints[:] = [0, 1, 3, 2]  # OpenVINO takes it into the product
        one.softmax.input[0] = one.scaled.output[0]

    def _heads(self, name: str, order: list[int]) -> _Heads | None:
        """What a tensor of queries or keys comes from; None where it is made otherwise."""
        match self._path(name, "Transpose", "Reshape", "Add", "MatMul"):
            case [turned, divided, biased, product] if product.input[1] in self._known:
                channels = self._channels_of(divided)
                if list(turned.attribute[0].ints) == order and channels > 0:
                    count = self._known[product.input[1]].shape[1] // channels
                    return _Heads(turned, divided, biased, product, count, channels)
        return None

    def _path(self, name: str, *types: str) -> list[NodeProto]:
        """The nodes of these types that a tensor comes from, the last one first; else none.

        What flows between them is read by nobody else, and meets constants only.
        """
        found: list[NodeProto] = []
        for kind in types:
            node = self._made.get(name)
            if node is None or node.op_type != kind or self._readers[name] != 1:
                return []
            flowing = [one for one in node.input if one not in self._known]
            if len(flowing) > 1 and kind not in ("Reshape", types[-1]):
                return []
            found.append(node)
            name = flowing[0]
        return found

    def _channels_of(self, divided: NodeProto) -> int:
        """Of a head, as the shape says that a tensor is given; 0 where it says none."""
        shape = self._made.get(divided.input[1])
        last = self._known.get(shape.input[-1]) if shape and shape.op_type == "Concat" else None
        return 0 if last is None else int(last[-1])

    def _widen(self, heads: _Heads, channel: float) -> None:
        """One channel more for each head, with the same value for all tokens."""
        for node, value in ((heads.product, 0.0), (heads.biased, channel)):
            place = next(i for i, name in enumerate(node.input) if name in self._known)
            values = self._known[node.input[place]]
            values = values.reshape(*values.shape[:-1], -1, heads.channels)
            more = np.full((*values.shape[:-1], 1), value, np.float32)
            wide = np.concatenate([values, more], axis=-1).reshape(*values.shape[:-2], -1)
            node.input[place] = add_constant(self._model, f"{node.name}/wide", wide)
        shape = np.array([0, 0, -1, heads.channels + 1])
        heads.divided.input[1] = add_constant(self._model, f"{heads.divided.name}/wide", shape)

    def _lowness(self, keys: _Heads) -> str:
        """What keys of padding are lower by: :data:`_LOW` in the channel of each head, else 0."""
        row = np.zeros((keys.count, keys.channels + 1), np.float32)
        row[:, -1] = _LOW + self._rewritten
        return add_constant(self._model, f"{keys.biased.name}/low", row.reshape(-1))

    def _padded(self) -> list[NodeProto]:
        """The nodes that tell padding from text."""
        from onnx import TensorProto, helper

        one = add_constant(self._model, f"{_PADDED}/one", np.float32(1))
        axis = add_constant(self._model, f"{_PADDED}/axis", np.array([2]))
        floats, less = f"{_PADDED}/floats", f"{_PADDED}/less"
        return [
            helper.make_node("Cast", [_MASK], [floats], to=TensorProto.FLOAT),
            helper.make_node("Sub", [floats, one], [less]),
            helper.make_node("Unsqueeze", [less, axis], [_PADDED]),
        ]
