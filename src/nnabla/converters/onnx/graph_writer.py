"""`GraphWriter`: nodes and constants of an ONNX graph, in the forms that an operator set has."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, defs, helper

from ..obstacles import Unsupported

Shape = tuple[int, ...]

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
INT8, UINT8 = TensorProto.INT8, TensorProto.UINT8
# Of the dimension that stands for an open batch size.
BATCH = "batch"
# ONNX's word for "to the end", in either direction.
TO_END, TO_START = 2**63 - 1, -(2**63) + 1


@dataclasses.dataclass
class _Node:
    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class GraphWriter:
    """Collects the nodes and constants of a graph.

    Calling it adds a node: ``writer("Relu", x)`` is the name of the result. Arrays are float32; the functions of a
    network know no other type, so truth values and indices are cast where an operator wants or gives them.

    Args:
        opset: number of the operator set.
        shapes: lengths of the axes of the network's variables by name; -1 where the size of the batch stays open.
        value_of: the values of a parameter of the network, by its name; ``None`` for what is none, or has none.
        results: names of the network's outputs.
        runtime: ``"snpe"`` or ``"tensorrt"`` where the model is for one of these.
    """

    def __init__(
        self,
        opset: int,
        shapes: dict[str, Shape],
        value_of: Callable[[str], np.ndarray | None] = lambda name: None,
        results: Sequence[str] = (),
        runtime: str | None = None,
    ) -> None:
        self.opset = opset
        self.runtime = runtime
        self.value_of = value_of
        self.constants: dict[str, np.ndarray] = {}
        self._shapes = shapes
        self._inner_shapes: dict[str, Shape] = {}
        self._nodes: list[_Node] = []
        self._taken = set(shapes)
        self._counts: dict[str, int] = {}
        self._by_value: dict[Any, str] = {}
        self._truths: dict[str, str] = {}
        self._integers: dict[str, tuple[str, int]] = {}
        self._results = frozenset(results)
        self._producers: dict[str, _Node] = {}
        self._prefix = ""

    # ---- nodes -------------------------------------------------------------------------------------------

    def __call__(self, op_type: str, *inputs: str | None, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node.

        Args:
            op_type: of the operator, of the default domain.
            inputs: names; ``None`` for an optional input that is left out.
            outputs: how many.
            attributes: those that are ``None`` are left out.

        Returns:
            The name of the output, or a tuple of names.

        Raises:
            Unsupported: the operator set does not have the operator, or not with these attributes.
        """
        given = {name: value for name, value in attributes.items() if value is not None}
        self._check(op_type, given)
        names = [self._fresh(op_type) for _ in range(outputs)]
        sources = ["" if x is None else x for x in inputs]
        while sources and not sources[-1]:
            sources.pop()
        node = _Node(op_type, sources, names, given)
        self._nodes.append(node)
        self._producers.update(dict.fromkeys(names, node))
        return names[0] if outputs == 1 else tuple(names)

    def _check(self, op_type: str, attributes: dict[str, Any]) -> None:
        try:
            schema = defs.get_schema(op_type, max_inclusive_version=self.opset, domain="")
        except defs.SchemaError:
            since = min(s.since_version for s in defs.get_all_schemas_with_history() if s.name == op_type)
            raise Unsupported(f"the operator {op_type} is there from opset {since} on") from None
        for name in attributes:
            if name not in schema.attributes:
                raise Unsupported(f"the operator {op_type} has no {name} in opset {self.opset}")

    def _fresh(self, word: str) -> str:
        base = f"{self._prefix}/{word}" if self._prefix else word
        while True:
            count = self._counts.get(base, 0)
            self._counts[base] = count + 1
            name = f"{base}_{count}" if count else base
            if name not in self._taken:
                self._taken.add(name)
                return name

    def begin(self, function: str) -> int:
        """Start the nodes of a function of the network; what `undo` takes to remove them."""
        self._prefix = function
        return len(self._nodes)

    def finish(self, start: int, result: str, name: str) -> None:
        """Give a result of the function begun at node number `start` the name of a variable of the network."""
        node = self._producers.get(result)
        if node is None or result in self._shapes or not any(node is made for made in self._nodes[start:]):
            result = self("Identity", result)
            node = self._producers[result]
        for each in self._nodes[start:]:
            each.inputs = [name if source == result else source for source in each.inputs]
            each.outputs = [name if made == result else made for made in each.outputs]
        self._producers[name] = self._producers.pop(result)
        if result in self._truths:
            self._truths[name] = self._truths.pop(result)
        if result in self._integers:
            self._integers[name] = self._integers.pop(result)

    def node_messages(self) -> list[NodeProto]:
        """The nodes as messages, without those whose results nobody reads and that have no name of a variable.

        What says in float32 what there is as integers goes, too, where only these are read.
        """
        used: set[str] = set(self._shapes) - (self._integers.keys() - self._results)
        kept: list[_Node] = []
        for node in reversed(self._nodes):
            if used.intersection(node.outputs):
                used.update(node.inputs)
                kept.append(node)
        messages = []
        for node in reversed(kept):
            message = NodeProto(op_type=node.op_type, name=node.outputs[0])
            message.input.extend(node.inputs)
            message.output.extend(node.outputs)
            for key, value in node.attributes.items():
                message.attribute.append(helper.make_attribute(key, value))
            messages.append(message)
        used_constants = {source for node in kept for source in node.inputs}
        self.constants = {name: array for name, array in self.constants.items() if name in used_constants}
        return messages

    # ---- constants ---------------------------------------------------------------------------------------

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """The name of an array that the model holds."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        name = self._by_value.get(key)
        if name is None:
            prefix, self._prefix = self._prefix, ""
            name = self._by_value[key] = self._fresh("constant")
            self._prefix = prefix
            self.constants[name] = array
        return name

    def turned(self, matrix: str) -> str | None:
        """The name of a parameter that is a matrix, stored with its axes swapped; ``None`` where it is no parameter."""
        values = self.value_of(matrix)
        if values is None:
            return None
        name = f"{matrix}/transposed"
        self.constants[name] = np.ascontiguousarray(values.reshape(values.shape[0], -1).T)
        return name

    def ints(self, values: Sequence[int] | int) -> str:
        """The name of a constant int64 array."""
        return self.constant(values, np.int64)

    # ---- shapes and types --------------------------------------------------------------------------------

    def shape(self, name: str) -> Shape:
        """Lengths of the axes of a variable of the network; -1 for the batch where its size is open."""
        return self._inner_shapes[name] if name in self._inner_shapes else self._shapes[name]

    def rank(self, name: str) -> int:
        """Number of axes of a variable of the network."""
        return len(self.shape(name))

    def name_shape(self, name: str, shape: Shape) -> None:
        """Make the shape of an intermediate result known, for a rule that is used by another one."""
        self._inner_shapes[name] = shape

    def cast(self, x: str, to: int) -> str:
        """`x` in another type."""
        return self("Cast", x, to=to)

    def truth(self, x: str) -> str:
        """`x` as truth values: whether it is other than 0."""
        if x not in self._truths:
            self._truths[x] = self.cast(x, BOOL)
        return self._truths[x]

    def number(self, condition: str) -> str:
        """Truth values as 0 and 1."""
        y = self.cast(condition, FLOAT)
        self._truths[y] = condition
        return y

    def integers(self, x: str, kind: int) -> str:
        """Integers of that type as float32."""
        y = self.cast(x, FLOAT)
        self._integers[y] = (x, kind)
        return y

    def as_integers(self, x: str) -> tuple[str, int] | None:
        """The integers, and their type, that `x` says in float32; ``None`` where it was not made of any."""
        return self._integers.get(x)

    def index(self, x: str) -> str:
        """`x` as int64; what comes after the point is cut off."""
        return self.cast(x, INT64)

    # ---- forms that differ between operator sets ---------------------------------------------------------

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """`x` in another shape, one length of which may be -1.

        Raises:
            Unsupported: more lengths are open.
        """
        if sum(d < 0 for d in shape) > 1:
            raise Unsupported("with an open batch size, a shape that it needs has two open lengths")
        # 0 would mean the length that x has there.
        allowed = 1 if 0 in shape else None
        if allowed and self.opset < 14:
            raise Unsupported("arrays without elements are reshaped from opset 14 on")
        return self("Reshape", x, self.ints(list(shape)), allowzero=allowed)

    def squeeze(self, x: str, axes: Sequence[int]) -> str:
        """`x` without axes of length 1."""
        if not axes:
            return x
        if self.opset < 13:
            return self("Squeeze", x, axes=list(axes))
        return self("Squeeze", x, self.ints(list(axes)))

    def unsqueeze(self, x: str, axes: Sequence[int]) -> str:
        """`x` with new axes of length 1."""
        if not axes:
            return x
        if self.opset < 13:
            return self("Unsqueeze", x, axes=list(axes))
        return self("Unsqueeze", x, self.ints(list(axes)))

    def reduce(self, op_type: str, x: str, axes: Sequence[int], keep_dims: bool) -> str:
        """``ReduceSum``, ``ReduceMean``, ...; no axes: `x` itself."""
        if not axes:
            return x
        keep = int(keep_dims)
        if self.opset >= (13 if op_type == "ReduceSum" else 18):
            return self(op_type, x, self.ints(list(axes)), keepdims=keep)
        return self(op_type, x, axes=list(axes), keepdims=keep)

    def slice(
        self, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]
    ) -> str:
        """A part of `x`."""
        if not axes:
            return x
        if self.opset < 10:
            if any(step != 1 for step in steps):
                raise Unsupported("slices have steps from opset 10 on")
            return self("Slice", x, starts=list(starts), ends=list(ends), axes=list(axes))
        return self("Slice", x, *[self.ints(list(v)) for v in (starts, ends, axes, steps)])

    def flip(self, x: str, axes: Sequence[int]) -> str:
        """`x` with the order of some axes reversed."""
        n = len(axes)
        return self.slice(x, [-1] * n, [TO_START] * n, axes, [-1] * n)

    def pad(self, x: str, before: Sequence[int], after: Sequence[int], mode: str = "constant", value: float = 0) -> str:
        """`x` with a border."""
        if not any(before) and not any(after):
            return x
        pads = [*before, *after]
        if self.opset < 11:
            return self("Pad", x, mode=mode, pads=pads, value=float(value))
        fill = self.constant(value) if mode == "constant" else None
        return self("Pad", x, self.ints(pads), fill, mode=mode)

    def clip(self, x: str, low: float | None, high: float | None) -> str:
        """`x`, at least `low` and at most `high`."""
        if self.opset < 11:
            # Left out, they would be the largest finite numbers.
            least, most = -math.inf if low is None else float(low), math.inf if high is None else float(high)
            return self("Clip", x, min=least, max=most)
        bounds = [None if bound is None else self.constant(bound) for bound in (low, high)]
        return self("Clip", x, *bounds)

    def transpose(self, x: str, axes: Sequence[int]) -> str:
        """`x` with its axes in another order."""
        return x if list(axes) == sorted(axes) else self("Transpose", x, perm=list(axes))

    def expand(self, x: str, before: Shape, after: Shape) -> str:
        """`x` broadcast to a shape that has as many axes.

        Args:
            before: the shape of `x`, in which lengths may be open.
            after: the shape wanted; open where that of `x` is, too.
        """
        if before == after:
            return x
        if any(a < 0 <= b for a, b in zip(after, before, strict=True)):
            raise Unsupported("with an open batch size, an array would have to be repeated for each sample")
        if self.opset < 8:
            times = [a if b == 1 and a >= 0 else 1 for a, b in zip(after, before, strict=True)]
            return self("Tile", x, self.ints(times))
        return self("Expand", x, self.ints([1 if a < 0 else a for a in after]))

    def softmax(self, op_type: str, x: str, axis: int, rank: int) -> str:
        """``Softmax`` or ``LogSoftmax`` along one axis."""
        if self.opset >= 13 or axis == rank - 1:
            return self(op_type, x, axis=axis)
        # Up to opset 12 all axes from the one given on are taken together.
        order = [a for a in range(rank) if a != axis] + [axis]
        y = self(op_type, self.transpose(x, order), axis=rank - 1)
        return self.transpose(y, sorted(range(rank), key=order.__getitem__))

    def one_hot(self, indices: str, depth: int, rank: int) -> str:
        """Zeros with a 1 at each of the indices, along a new last axis; indices count from the end where negative.

        Args:
            indices: integers with `rank` axes.
            depth: the length of the new axis.
        """
        if self.opset < 9:
            places = self.unsqueeze(indices, [rank])
            hits = [self("Equal", places, self.ints(range(start, start + depth))) for start in (0, -depth)]
            return self.number(self("Or", *hits))
        return self("OneHot", indices, self.ints(depth), self.constant([0, 1]), axis=-1)

    def top_k(self, x: str, k: int, axis: int, largest: bool) -> tuple[str, str]:
        """The k largest or smallest elements, in order, and where they are."""
        if self.opset >= 11:
            values, places = self("TopK", x, self.ints([k]), outputs=2, axis=axis, largest=int(largest))
            return values, places
        source = x if largest else self("Neg", x)
        if self.opset >= 10:
            values, places = self("TopK", source, self.ints([k]), outputs=2, axis=axis)
        else:
            values, places = self("TopK", source, outputs=2, axis=axis, k=k)
        return (values if largest else self("Neg", values)), places

    # ---- what several rules need -------------------------------------------------------------------------

    def add(self, x: str, value: float) -> str:
        """`x` plus a number."""
        return self("Add", x, self.constant(value))

    def mul(self, x: str, value: float) -> str:
        """`x` times a number."""
        return self("Mul", x, self.constant(value))

    def sign(self, x: str) -> str:
        """-1, 0 or 1."""
        if self.opset >= 9:
            return self("Sign", x)
        zero = self.constant(0.0)
        return self("Sub", self.number(self("Greater", x, zero)), self.number(self("Less", x, zero)))

    def extreme(self, op_type: str, x: str, y: str | float) -> str:
        """``Max`` or ``Min`` of two variables of the network, or of anything and a number."""
        if self.opset >= 8:
            return self(op_type, x, y if isinstance(y, str) else self.constant(y))
        if not isinstance(y, str):
            return self.clip(x, y, None) if op_type == "Max" else self.clip(x, None, y)
        # Up to opset 7 these two broadcast nothing.
        shapes = [self.shape(x), self.shape(y)]
        rank = max(map(len, shapes))
        wide = [(1,) * (rank - len(shape)) + shape for shape in shapes]
        common = tuple([b if a == 1 else a for a, b in zip(*wide, strict=True)])
        parts = [self.unsqueeze(v, range(rank - len(shape))) for v, shape in zip((x, y), shapes, strict=True)]
        return self(op_type, *[self.expand(v, shape, common) for v, shape in zip(parts, wide, strict=True)])

    def choose(self, condition: str, then: float, otherwise: float) -> str:
        """One number where truth values are true, else another one."""
        if self.opset >= 9:
            return self("Where", condition, self.constant(then), self.constant(otherwise))
        return self.add(self.mul(self.number(condition), then - otherwise), otherwise)

    def is_nan(self, x: str) -> str:
        """Where an array is NaN, as truth values."""
        if self.opset >= 9:
            return self("IsNaN", x)
        less, greater = self("Less", x, self.constant(math.inf)), self("Greater", x, self.constant(-math.inf))
        return self("Not", self("Or", less, greater))

    def where_equal(self, x: str, value: float, then: str, otherwise: str) -> str:
        """`then` where `x` is a number, else `otherwise`."""
        return self("Where", self.equal(x, self.constant(value)), then, otherwise)

    def equal(self, a: str, b: str) -> str:
        """Where two arrays are equal, as truth values."""
        if self.opset >= 11:
            return self("Equal", a, b)
        # Up to opset 10 numbers with a fraction are not compared by Equal. NaN is neither less nor greater.
        differ = self("Or", self("Less", a, b), self("Less", b, a))
        nan = self("Or", self.is_nan(a), self.is_nan(b))
        return self("Not", self("Or", differ, nan))

    def at_least(self, a: str, b: str) -> str:
        """Where `a` is `b` or greater, as truth values."""
        if self.opset >= 12:
            return self("GreaterOrEqual", a, b)
        return self("Or", self("Less", b, a), self.equal(a, b))

    def round(self, x: str) -> str:
        """`x` rounded, halves away from zero; ONNX rounds them to even."""
        size = self("Abs", x)
        whole = self("Floor", size)
        up = self.number(self.at_least(self("Sub", size, whole), self.constant(0.5)))
        return self("Mul", self.sign(x), self("Add", whole, up))


def total(shape: Sequence[int]) -> int:
    """The number of elements; -1 where a length is open."""
    return -1 if any(d < 0 for d in shape) else math.prod(shape)
