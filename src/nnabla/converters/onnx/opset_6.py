"""ONNX models of opset 7 as those of opset 6, which says in attributes what is broadcast and what is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, defs, helper, numpy_helper, shape_inference

from ...errors import FormatError
from .graph_writer import BATCH, Shape

# Operators that broadcast their second input, along a run of axes of the first.
_BOTH = ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less")
_EITHER = ("Add", "Mul", "And", "Or", "Xor", "Equal")
_RECURRENT = ("LSTM", "GRU", "RNN")
# Elements of arrays whose values may say a shape.
_SMALL = 64


def to_opset_6(model: ModelProto) -> ModelProto:
    """Make a model of opset 7 one of opset 6 that computes the same; it is changed.

    Raises:
        FormatError: operators that opset 6 does not have, or not so; the message names them all.
    """
    return _Downgrade(model).result()


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of all arrays, as far as they are known; -1 for the open size of the batch."""
    skeleton = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = skeleton.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for array in model.graph.initializer:
        if math.prod(array.dims) <= _SMALL:
            graph.initializer.append(array)
        else:
            graph.input.append(helper.make_tensor_value_info(array.name, array.data_type, list(array.dims)))
    inferred = shape_inference.infer_shapes(skeleton).graph
    found = {array.name: tuple(array.dims) for array in inferred.initializer}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        dims = value.type.tensor_type.shape.dim
        known = all(d.HasField("dim_value") or d.dim_param == BATCH for d in dims)
        if known and value.type.tensor_type.HasField("shape"):
            found[value.name] = tuple([d.dim_value if d.HasField("dim_value") else -1 for d in dims])
    return found


class _Downgrade:
    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.shapes = _shapes(model)
        self.nodes: list[NodeProto] = []
        self.count = 0

    def result(self) -> ModelProto:
        obstacles = []
        for node in self.graph.node:
            try:
                self._node(node)
            except _Missing as reason:
                obstacles.append(f"{node.op_type} {next(iter(node.output), '')!r}: {reason}")
        if obstacles:
            lines = "".join([f"\n  {line}" for line in obstacles])
            raise FormatError(f"network {self.graph.name!r} cannot be written as ONNX with opset 6:{lines}")
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        self.model.opset_import[0].version = 6
        return self.model

    def _node(self, node: NodeProto) -> None:
        try:
            schema = defs.get_schema(node.op_type, max_inclusive_version=6, domain="")
        except defs.SchemaError:
            raise _Missing("the operator is there from opset 7 on") from None
        missing = [a.name for a in node.attribute if a.name not in schema.attributes and helper.get_attribute_value(a)]
        if missing:
            raise _Missing(f"the operator has no {missing[0]} in opset 6")
        kept = [a for a in node.attribute if a.name in schema.attributes]
        del node.attribute[:]
        node.attribute.extend(kept)
        if node.op_type in _BOTH:
            self._broadcast(node)
        elif node.op_type == "PRelu":
            self._slopes(node)
        elif node.op_type == "Gemm" and len(node.input) > 2:
            node.attribute.append(helper.make_attribute("broadcast", 1))
        elif node.op_type in ("BatchNormalization", "Dropout"):
            node.attribute.append(helper.make_attribute("is_test", 1))
        elif node.op_type in _RECURRENT:
            node.attribute.append(helper.make_attribute("output_sequence", 1))
        self.nodes.append(node)

    def _slopes(self, node: NodeProto) -> None:
        x, slope = (self._shape(name) for name in node.input)
        size = math.prod(slope)
        wide = (1,) * (len(x) - len(slope)) + slope
        if size != 1 and (len(x) < 2 or wide[1] != size):
            raise _Missing("in opset 6 slopes are along axis 1")
        node.input[1] = self._shaped(node.input[1], [size])

    def _broadcast(self, node: NodeProto) -> None:
        a, b = (self._shape(name) for name in node.input)
        if a == b:
            return
        common = self._common(a, b)
        if a != common and b == common and node.op_type in _EITHER:
            first, second = node.input
            del node.input[:]
            node.input.extend([second, first])
            a, b = b, a
        if a != common:
            node.input[0] = self._repeated(node.input[0], common)
        wide = (1,) * (len(common) - len(b)) + b
        axes = [i for i, d in enumerate(wide) if d != 1]
        first, last = (axes[0], axes[-1] + 1) if axes else (len(common), len(common))
        if wide[first:last] != common[first:last]:
            node.input[1] = self._repeated(node.input[1], common)
            return
        node.input[1] = self._shaped(node.input[1], list(wide[first:last]))
        node.attribute.append(helper.make_attribute("broadcast", 1))
        if axes:
            node.attribute.append(helper.make_attribute("axis", first))

    @staticmethod
    def _common(a: Shape, b: Shape) -> Shape:
        rank = max(len(a), len(b))
        wide = [(1,) * (rank - len(shape)) + shape for shape in (a, b)]
        return tuple([n if m == 1 else m for m, n in zip(*wide, strict=True)])

    def _shape(self, name: str) -> Shape:
        if name not in self.shapes:
            raise _Missing(f"opset 6 says which axes are broadcast, and the shape of {name!r} is not known")
        return self.shapes[name]

    def _new(self, word: str) -> str:
        self.count += 1
        return f"opset_6/{word}_{self.count}"

    def _ints(self, values: Sequence[int]) -> str:
        name = self._new("shape")
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def _shaped(self, name: str, shape: list[int]) -> str:
        """An array in another shape."""
        if self.shapes[name] == tuple(shape):
            return name
        if sum(d < 0 for d in shape) > 1:
            raise _Missing("with an open batch size, a shape that it needs has two open lengths")
        made = self._new("reshape")
        self.nodes.append(helper.make_node("Reshape", [name, self._ints(shape)], [made]))
        self.shapes[made] = tuple(shape)
        return made

    def _repeated(self, name: str, shape: Sequence[int]) -> str:
        """An array broadcast to a shape."""
        wide = (1,) * (len(shape) - len(self.shapes[name])) + self.shapes[name]
        if any(n < 0 <= d for n, d in zip(shape, wide, strict=True)):
            raise _Missing("with an open batch size, an array would have to be repeated for each sample")
        source, made = self._shaped(name, list(wide)), self._new("tile")
        times = [1 if n == d else n for n, d in zip(shape, wide, strict=True)]
        self.nodes.append(helper.make_node("Tile", [source, self._ints(times)], [made]))
        self.shapes[made] = tuple(shape)
        return made


class _Missing(Exception):
    """Why opset 6 does not have a node."""
