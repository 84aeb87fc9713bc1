"""The table of rules: how each ONNX operator is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, defs, helper

from ...obstacles import Unsupported
from ...reading.graph_reader import Value
from ...reading.windows import Windows
from ...rule_tables import entering
from ..tensors import array_of

# A rule adds functions to the network and returns the value of the output, or a list of them.
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}

_TYPES = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
}


@lru_cache(1024)
def schema_of(op_type: str, opset: int, domain: str = "") -> Any:
    """What ONNX says about an operator in an operator set; ``None`` where there is none such."""
    try:
        return defs.get_schema(op_type, max_inclusive_version=opset, domain=domain)
    except defs.SchemaError:
        return None


class Node:
    """A node of an ONNX graph as a rule sees it.

    Args:
        message: the node, whose attributes refer to no function.
        opset: number of the operator set.
        schema: what ONNX says about the operator.

    Raises:
        Unsupported: it has not the inputs, outputs and attributes that the operator takes.
    """

    def __init__(self, message: NodeProto, opset: int, schema: Any) -> None:
        self.op_type = message.op_type
        self.opset = opset
        self.inputs = list(message.input)
        self.outputs = list(message.output)
        self._attributes = {a.name: a for a in message.attribute}
        self._schema = schema
        for what, names, least, most in (
            ("inputs", self.inputs, schema.min_input, schema.max_input),
            ("outputs", self.outputs, schema.min_output, schema.max_output),
        ):
            if not least <= len(names) <= most:
                raise Unsupported(f"it has {len(names)} {what}, but the operator takes {least} to {most}")
        if any(not name for name in self.inputs[: schema.min_input]):
            raise Unsupported("an input is left out that the operator needs")
        for name, attribute in self._attributes.items():
            known = schema.attributes.get(name)
            if known is None:
                raise Unsupported(f"the operator has no attribute {name!r} in opset {opset}")
            if int(known.type.value if hasattr(known.type, "value") else known.type) != attribute.type:
                raise Unsupported(f"attribute {name!r} is of another type than the operator takes")
        for name, known in schema.attributes.items():
            if known.required and name not in self._attributes:
                raise Unsupported(f"attribute {name!r} is missing")

    def attr(self, name: str) -> Any:
        """The value of an attribute, or the default that ONNX says, or ``None``; text as `str`, arrays as NumPy's."""
        attribute = self._attributes.get(name)
        if attribute is None:
            known = self._schema.attributes.get(name)
            attribute = known.default_value if known is not None else None
            if attribute is None or not attribute.type:
                return None
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, TensorProto):
            return array_of(value)
        if isinstance(value, (int, float, str, GraphProto)):
            return value
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]

    def tensor_type(self, name: str) -> int:
        """Number of the type of the tensor in an attribute that is given."""
        return int(self._attributes[name].t.data_type)

    def has(self, name: str) -> bool:
        """Whether an attribute is given."""
        return name in self._attributes

    def wants(self, output: int) -> bool:
        """Whether an output has a name."""
        return len(self.outputs) > output and bool(self.outputs[output])

    def refuse_outputs(self, first: int) -> None:
        """Refuse a node of which an output from number `first` on is used.

        Raises:
            Unsupported: it is.
        """
        for i in range(first, len(self.outputs)):
            if self.outputs[i]:
                raise Unsupported(f"output {i} has no counterpart")


def read(*op_types: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators of these types: ``rule(reader, node, *inputs)``."""
    return entering(RULES, op_types)


def windows_of(n: Node, x: Value, kernel: list[int]) -> Windows:
    """The windows over `x` as the attributes of a node say them.

    Raises:
        Unsupported: they do not fit together.
    """
    auto, ceil_mode = n.attr("auto_pad") or "NOTSET", bool(n.attr("ceil_mode"))
    return Windows.over(x, kernel, n.attr("strides"), n.attr("dilations"), n.attr("pads"), auto, ceil_mode)


def axis_of(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` counted from the front.

    Raises:
        Unsupported: there is none such.
    """
    if not -rank <= axis < max(rank, 1):
        raise Unsupported(f"{what} {axis} is out of range for {rank} axes")
    return int(axis % rank) if rank else 0


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """All of them counted from the front, in order.

    Raises:
        Unsupported: there is none such, or one stands twice.
    """
    found = sorted(axis_of(a, rank) for a in axes)
    if len(set(found)) != len(found):
        raise Unsupported(f"axes {list(axes)} name one twice")
    return found


__all__ = ["RULES", "Node", "Value", "axes_of", "axis_of", "read", "schema_of", "windows_of"]
