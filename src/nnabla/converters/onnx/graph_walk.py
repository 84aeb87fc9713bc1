"""`GraphWalk`: goes through the nodes of an ONNX model, into its functions and branches, and applies rules to them."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, TypeProto, defs

from ...errors import ArgumentError, ShapeError
from ..obstacles import NotKnown, Unsupported
from ..reading.graph_reader import FLOATS, GraphReader, Value
from . import folding, import_rules, inner_graphs
from .import_rules.registry import Node, schema_of
from .tensors import array_of

# Graphs and functions inside of each other.
_DEEPEST = 24
# What a damaged node makes rules and NumPy raise.
_MISFITS = (ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError, TypeError, RuntimeError)

Names = ChainMap[str, "Value | None"]
"""What names stand for; ``None`` where a node was refused that should have computed it."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where nodes stand.

    Args:
        opsets: numbers of the operator sets by domain.
        depth: how many graphs and functions are around them.
        path: names of the nodes that they are part of, for messages.
        attributes: those that nodes of a function may refer to, by name.
        absent: names of inputs of a function that are not given.
    """

    opsets: Mapping[str, int]
    depth: int = 0
    path: str = ""
    attributes: Mapping[str, AttributeProto] = dataclasses.field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def inside(self, node: NodeProto, **changes: Any) -> Place:
        """The place of the nodes in a graph or function of a node.

        Raises:
            Unsupported: it is too deep.
        """
        if self.depth >= _DEEPEST:
            raise Unsupported(f"graphs and functions are inside of each other more than {_DEEPEST} times")
        path = f"{self.path}{node.name or node.op_type}/"
        return dataclasses.replace(self, depth=self.depth + 1, path=path, **changes)


class GraphWalk:
    """Reads the nodes of a model.

    Args:
        reader: the network under construction.
        functions: of the model.
        folder: of the model, for arrays in files beside it.

    Attributes:
        obstacles: why something cannot be read: by operator and reason, the names of the nodes.
        not_known: whether one of them is that a value follows from an input.
    """

    def __init__(self, reader: GraphReader, functions: Iterable[FunctionProto], folder: str | None) -> None:
        self.reader = reader
        self.obstacles: dict[tuple[str, str], list[str]] = {}
        self.not_known = False
        self._folder = folder
        self._functions = {(domain_of(f.domain), f.name, f.overload): f for f in functions}

    def note(self, what: str, name: str, reason: str) -> None:
        """Note an obstacle."""
        self.obstacles.setdefault((what, reason), []).append(name)

    # ---- graphs ------------------------------------------------------------------------------------------

    def initializers(self, graph: GraphProto, names: Names) -> None:
        """Add the arrays that a graph holds to `names`."""
        for tensor in graph.initializer:
            if tensor.name in names.maps[0]:
                continue
            try:
                value = array_of(tensor, self._folder)
            except Unsupported as reason:
                self.note("initializer", tensor.name, str(reason))
                names[tensor.name] = None
                continue
            names[tensor.name] = self.reader.constant(value, tensor.data_type, tensor.name, tensor.data_type in FLOATS)
        for sparse in graph.sparse_initializer:
            self.note("initializer", sparse.values.name, "sparse arrays are not read")
            names[sparse.values.name] = None

    def nodes(self, nodes: Sequence[NodeProto], names: Names, place: Place) -> None:
        """Read nodes in their order, and add what they compute to `names`."""
        for node in nodes:
            try:
                self.reader.budget.node()
                self._node(_resolved(node, place), names, place)
            except (Unsupported, ShapeError, ArgumentError) as error:
                self.not_known |= isinstance(error, NotKnown)
                reason = str(error).split("\n", 1)[0]
            except _MISFITS as error:
                reason = f"its inputs and attributes do not fit together: {str(error)[:200]}"
            else:
                continue
            self.note(node.op_type, place.path + _shown(node.name or next(iter(node.output), "")), reason)
            names.update(dict.fromkeys([name for name in node.output if name]))

    def graph(self, graph: GraphProto, inputs: Sequence[Value | None], names: Names, place: Place) -> list[Value]:
        """What a graph inside of a node computes.

        Args:
            graph: whose nodes also see `names`.
            inputs: its inputs.
            names: of what is around it.
            place: of its nodes.

        Raises:
            Unsupported: a node of it is refused, or an output is not there.
        """
        if len(inputs) != len(graph.input):
            raise Unsupported(f"a graph of it takes {len(graph.input)} inputs, not {len(inputs)}")
        inner = names.new_child(dict(zip([entry.name for entry in graph.input], inputs, strict=True)))
        self.initializers(graph, inner)
        self.nodes(graph.node, inner, place)
        results = [inner.get(entry.name) for entry in graph.output]
        for entry, result in zip(graph.output, results, strict=True):
            if entry.name not in inner:
                raise Unsupported(f"output {entry.name!r} of a graph of it is computed by nothing")
            if result is None:
                raise Unsupported(f"output {entry.name!r} of a graph of it depends on what is refused")
        return [result for result in results if result is not None]

    # ---- nodes -------------------------------------------------------------------------------------------

    def _node(self, node: NodeProto, names: Names, place: Place) -> None:
        domain = domain_of(node.domain)
        function = self._functions.get((domain, node.op_type, node.overload))
        opset, schema = 0, None
        if function is None:
            if domain not in place.opsets:
                raise Unsupported(f"the model does not say which operators of domain {domain!r} it uses")
            opset = place.opsets[domain]
            schema = _known_schema(node.op_type, opset, domain)
            _refuse_gaps(node, schema)
        inputs: list[Value | None] = []
        for name in node.input:
            if name and name not in names:
                raise Unsupported(f"it reads {name!r}, which nothing before it computes")
            inputs.append(names[name] if name else None)
        if any(name and x is None for name, x in zip(node.input, inputs, strict=True)):
            # What it reads was refused.
            names.update(dict.fromkeys([output for output in node.output if output]))
            return
        # Before anything is written for it: a file may repeat what takes long.
        outputs = [name for name in node.output if name]
        for number, name in enumerate(outputs):
            if name in names.maps[0] or name in outputs[:number]:
                raise Unsupported(f"{name!r} is computed twice")
        results: Sequence[Value | None]
        if function is not None:
            results = self._function(function, node, inputs, place)
        else:
            op = Node(node, opset, schema)
            if domain == "" and node.op_type in inner_graphs.INNER:
                results = inner_graphs.INNER[node.op_type](self, op, node, inputs, names, place)
            elif domain == "" and node.op_type in import_rules.RULES:
                results = self._rule(op, inputs)
            else:
                results = self._definition(schema, node, opset, inputs, place)
        self._enter(node, results, names)

    def _enter(self, node: NodeProto, results: Sequence[Value | None], names: Names) -> None:
        for i, name in enumerate(node.output):
            if not name:
                continue
            if i >= len(results):
                raise Unsupported(f"output {i} has no counterpart")
            result = results[i]
            names[name] = result
            if result is not None and not result.edge.name:
                result.edge.name = name

    def _rule(self, op: Node, inputs: list[Value | None]) -> Sequence[Value | None]:
        folded = folding.fold(op, inputs, self.reader.budget)
        if folded is not None:
            return [self.reader.constant(array, dtype) for array, dtype in folded]
        found = import_rules.RULES[op.op_type](self.reader, op, *inputs)
        return found if isinstance(found, list) else [found]

    def _function(
        self,
        function: FunctionProto,
        node: NodeProto,
        inputs: Sequence[Value | None],
        place: Place,
        opsets: Mapping[str, int] | None = None,
        defaults: Sequence[AttributeProto] = (),
    ) -> list[Value | None]:
        """The outputs of a function of nodes.

        Args:
            function: the function.
            node: that calls it.
            inputs: of the node.
            place: of the node.
            opsets: where the function does not say which operators it uses.
            defaults: of attributes.
        """
        if len(inputs) > len(function.input):
            raise Unsupported(f"it has {len(inputs)} inputs, but the function takes {len(function.input)}")
        given = dict(zip(function.input, inputs, strict=False))
        inner = place.inside(
            node,
            opsets={**(opsets or {}), **{domain_of(each.domain): each.version for each in function.opset_import}},
            attributes={a.name: a for a in (*defaults, *function.attribute_proto, *node.attribute)},
            absent=frozenset([name for name in function.input if given.get(name) is None]),
        )
        names: Names = ChainMap({name: value for name, value in given.items() if value is not None})
        self.nodes(function.node, names, inner)
        for name, wanted in zip(function.output, node.output, strict=False):
            if wanted and name not in names:
                raise Unsupported(f"output {name!r} of the function is computed by nothing")
        return [names.get(name) for name in function.output]

    def _definition(
        self, schema: Any, node: NodeProto, opset: int, inputs: Sequence[Value | None], place: Place
    ) -> list[Value | None]:
        """The outputs of an operator that ONNX defines by other ones."""
        dependent = schema.has_context_dependent_function
        versions = schema.context_dependent_function_opset_versions if dependent else schema.function_opset_versions
        fitting = [version for version in versions if version <= opset]
        if dependent and fitting:
            types = [_type_of(x).SerializeToString() for x in inputs]
            data = schema.get_context_dependent_function_with_opset_version(
                max(fitting), node.SerializeToString(), types
            )
        else:
            data = schema.get_function_with_opset_version(max(fitting)) if fitting else b""
        if not data:
            raise Unsupported("the operator has no counterpart")
        defaults = [a.default_value for a in schema.attributes.values() if a.default_value.type]
        return self._function(FunctionProto.FromString(data), node, inputs, place, place.opsets, defaults)


def _shown(name: str | bytes) -> str:
    """A name in messages; protobuf gives bytes for a text that is not in UTF-8."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def domain_of(domain: str) -> str:
    """The name of a domain; ONNX's own has two."""
    return "" if domain == "ai.onnx" else domain


def _known_schema(op_type: str, opset: int, domain: str) -> Any:
    schema = schema_of(op_type, opset, domain)
    if schema is None:
        raise Unsupported(f"opset {opset} of domain {domain or 'ai.onnx'} has no such operator")
    known = domain == "" and (op_type in import_rules.RULES or op_type in inner_graphs.INNER)
    if not known and not (schema.has_function or schema.has_context_dependent_function):
        raise Unsupported("the operator has no counterpart")
    return schema


def _refuse_gaps(node: NodeProto, schema: Any) -> None:
    """Refuse a node that leaves out an input which its operator needs."""
    # Up to opset 12 the inputs of Resize stand there as needed, and exporters leave them out all the same.
    if "" not in node.input or node.op_type == "Resize":
        return
    formal = schema.inputs
    for place, name in enumerate(node.input):
        needed = formal[min(place, len(formal) - 1)] if formal else None
        if not name and needed is not None and needed.option != defs.OpSchema.FormalParameterOption.Optional:
            raise Unsupported(f"input {place} is left out, which the operator needs")


def _resolved(node: NodeProto, place: Place) -> NodeProto:
    """A node without references to attributes and inputs of the function that it is in."""
    refers = any(a.ref_attr_name for a in node.attribute)
    if not refers and not (place.absent and place.absent.intersection(node.input)):
        return node
    changed = NodeProto()
    changed.CopyFrom(node)
    for i, name in enumerate(changed.input):
        if name in place.absent:
            changed.input[i] = ""
    if refers:
        del changed.attribute[:]
        for attribute in node.attribute:
            if not attribute.ref_attr_name:
                changed.attribute.add().CopyFrom(attribute)
            elif attribute.ref_attr_name in place.attributes:
                added = changed.attribute.add()
                added.CopyFrom(place.attributes[attribute.ref_attr_name])
                added.name = attribute.name
    while changed.input and not changed.input[-1]:
        del changed.input[-1]
    return changed


def _type_of(x: Value | None) -> TypeProto:
    message = TypeProto()
    if x is not None:
        message.tensor_type.elem_type = x.dtype
        message.tensor_type.shape.SetInParent()
        for length in x.shape:
            message.tensor_type.shape.dim.add(dim_value=length)
    return message
