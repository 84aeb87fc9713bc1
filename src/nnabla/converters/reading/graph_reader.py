"""`GraphReader`: what a model of another framework computes, in functions of NNabla, while it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph.operator import Operator, registry
from ...graph.setup import set_up
from ...graph.variable import Variable
from ..obstacles import NotKnown, Unsupported

Shape = tuple[int, ...]

# Numbers of types, which are ONNX's.
FLOAT, INT64, BOOL, FLOAT16, DOUBLE, BFLOAT16 = 1, 7, 9, 10, 11, 16
FLOATS = (FLOAT, DOUBLE, FLOAT16, BFLOAT16)
# Integers of 8, 16, 32, 64, 4 and 2 bits, and truth values.
WHOLE = (2, 3, 4, 5, 6, INT64, BOOL, 12, 13, 21, 22, 25, 26)
_LARGEST_NDIM = 64


@dataclasses.dataclass(eq=False)
class Edge:
    """An array of the network that is being read.

    Args:
        shape: lengths of the axes.
        array: the elements, where they are known while reading; it becomes a parameter if a function reads it.
        name: what the model calls it, if it does.
        learned: whether it is an initializer of the model as it stands there, which training may change.
        open_size: whether the number of elements is known only when the network has run; `shape` is the largest.
    """

    shape: Shape
    array: np.ndarray | None = None
    name: str = ""
    learned: bool = False
    open_size: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """What a name of the model stands for.

    Args:
        edge: the array.
        dtype: number of its type. The network holds all in float32: truth values as 0 and 1.
    """

    edge: Edge
    dtype: int

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.edge.shape

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.edge.shape)

    @property
    def array(self) -> np.ndarray | None:
        """The elements, where they are known."""
        return self.edge.array

    @property
    def is_float(self) -> bool:
        """Whether the elements have a fraction."""
        return self.dtype not in WHOLE

    def typed(self, dtype: int) -> Value:
        """The same elements, said to be of another type."""
        return Value(self.edge, dtype)


@dataclasses.dataclass(eq=False)
class Call:
    """A function of the network.

    Args:
        operator: with its arguments.
        inputs, outputs: what it reads and computes.
    """

    operator: Operator
    inputs: list[Edge]
    outputs: list[Edge]

    @property
    def type_name(self) -> str:
        """Of the function."""
        return self.operator.declaration.type_name


class Budget:
    """How much may be allocated and done while a file is read; it grows with what the file really holds.

    Args:
        size: of the file in bytes.
    """

    def __init__(self, size: int) -> None:
        self.bytes_left = (32 << 20) + 4 * size
        self.nodes_left = 8_000 + size // 8

    def allows(self, count: int) -> bool:
        """Whether an array of so many elements may be worked out; if so, it is counted."""
        if not 0 <= 8 * count <= self.bytes_left:
            return False
        self.bytes_left -= 8 * count
        return True

    def node(self) -> None:
        """Count a node.

        Raises:
            Unsupported: there are more than a file of this size explains: functions or loops that are written out.
        """
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise Unsupported("functions or loops, written out, are too large")


class GraphReader:
    """The network under construction.

    Calling it adds a function: ``reader("ReLU", x)`` is the value of its output.

    Args:
        budget: for arrays that are worked out.

    Attributes:
        calls: the functions so far, in order.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.calls: list[Call] = []
        # So that what two nodes share remains one parameter.
        self._views: dict[tuple[Any, ...], Edge] = {}

    def __call__(self, type_name: str, *inputs: Value | None, outputs: int = 1, **args: Any) -> Any:
        """Add a function of the network.

        Args:
            type_name: of the function.
            inputs: ``None`` for an optional input that is left out.
            outputs: how many.
            args: values of its arguments; missing ones take their default.

        Returns:
            The value of the output, or a list of them, of the type of the first input.

        Raises:
            ShapeError, ArgumentError: the function does not take these inputs.
            Unsupported: the size of an input is known only when the network has run.
        """
        self.budget.node()
        given = [x for x in inputs if x is not None]
        if any(x.edge.open_size for x in given):
            raise Unsupported("the shape of an input is known only when the network has run")
        operator = registry[type_name](**args)
        sources = [None if x is None else Variable(x.shape) for x in inputs]
        found = set_up(operator, sources, [x for x in sources if x is not None], outputs)
        results = [Edge(tuple(shape)) for shape in found[:outputs]]
        self.calls.append(Call(operator, [x.edge for x in given], results))
        dtype = given[0].dtype if given else FLOAT
        values = [Value(edge, dtype) for edge in results]
        return values[0] if outputs == 1 else values

    # ---- values ------------------------------------------------------------------------------------------

    def input(self, name: str, shape: Shape, dtype: int) -> Value:
        """An input of the network.

        Raises:
            Unsupported: arrays have no such shape.
        """
        if len(shape) > _LARGEST_NDIM:
            raise Unsupported(f"input {name!r} has {len(shape)} axes")
        return Value(Edge(shape, None, name), dtype)

    def constant(self, array: Any, dtype: int = FLOAT, name: str = "", learned: bool = False) -> Value:
        """A value that is known."""
        held = np.asarray(array)
        return Value(Edge(held.shape, held, name, learned), dtype)

    def count(self, length: int, rank: int, axis: int) -> Value:
        """0, 1, 2, ... along one axis of an array that has `rank` axes.

        Raises:
            Unsupported: there are too many for a file of this size.
        """
        if not self.budget.allows(length):
            raise Unsupported(f"an axis of length {length} is too large")
        line = np.arange(length).reshape([-1 if a == axis else 1 for a in range(rank)])
        return self.constant(line, INT64)

    def frozen(self, x: Value) -> Value:
        """The same values, said to be none that training changes."""
        return x if x.array is None else self._view(x, x.array, "frozen", learned=False)

    def known(self, x: Value | None, what: str) -> np.ndarray:
        """The elements of an input that must be known while reading.

        Raises:
            NotKnown: they follow from the inputs of the model.
        """
        if x is None or x.array is None:
            raise NotKnown(f"{what} must be known before it runs")
        return x.array

    def ints(self, x: Value | None, what: str) -> list[int]:
        """The same as a list of integers."""
        return [int(v) for v in self.known(x, what).ravel()]

    def single(self, x: Value | None) -> float | None:
        """The number in a value of one element that is known, else ``None``."""
        if x is None or x.array is None or x.array.size != 1:
            return None
        return float(x.array.ravel()[0])

    # ---- shapes ------------------------------------------------------------------------------------------

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """`x` in another shape."""
        target = tuple([int(d) for d in shape])
        if target == x.shape:
            return x
        if x.array is not None:
            return self._view(x, x.array.reshape(target), target)
        y: Value = self("Reshape", x, shape=list(target))
        return y

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """`x` with its axes in another order."""
        if list(axes) == list(range(x.rank)):
            return x
        if x.array is not None:
            return self._view(x, x.array.transpose(axes), "axes", *axes)
        y: Value = self("Transpose", x, axes=list(axes))
        return y

    def _view(self, x: Value, array: np.ndarray, *how: Any, learned: bool = True) -> Value:
        # Still what the model calls it and may learn, if only its axes are put differently.
        key = (x.edge, *how)
        if key not in self._views:
            self._views[key] = Edge(array.shape, array, x.edge.name, x.edge.learned and learned)
        return Value(self._views[key], x.dtype)

    def expand(self, x: Value, shape: Sequence[int]) -> Value:
        """`x` broadcast to a shape."""
        target = tuple([int(d) for d in shape])
        if target == x.shape:
            return x
        y: Value = self("Broadcast", self.reshape(x, (1,) * (len(target) - x.rank) + x.shape), shape=list(target))
        return y

    def cut(self, x: Value, cuts: dict[int, tuple[int, int | None, int]]) -> Value:
        """The part from first to end by steps along some axes; an end of ``None`` is beyond the last, or the first."""
        cuts = {a: c for a, c in cuts.items() if c not in ((0, None, 1), (0, x.shape[a], 1))}
        if not cuts:
            return x
        if x.array is not None:
            part = x.array[tuple([slice(*cuts[a]) if a in cuts else slice(None) for a in range(x.rank)])]
            return Value(Edge(part.shape, part), x.dtype)
        bounds = [cuts.get(a, (0, d, 1)) for a, d in enumerate(x.shape)]
        start, stop, step = ([b[i] for b in bounds] for i in range(3))
        y: Value = self("Slice", x, start=start, stop=stop, step=step)
        return y

    def pad(self, x: Value, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Value:
        """`x` with a border of a number."""
        if not any(before) and not any(after):
            return x
        widths = [int(w) for pair in zip(before, after, strict=True) for w in pair]
        y: Value = self("Pad", x, pad_width=widths, mode="constant", constant_value=value)
        return y

    def join(self, values: Sequence[Value], axis: int) -> Value:
        """Values side by side along an axis."""
        if len(values) == 1:
            return values[0]
        arrays = [x.array for x in values if x.array is not None]
        if len(arrays) == len(values):
            learned = all(x.edge.learned for x in values)
            return self.constant(np.concatenate(arrays, axis), values[0].dtype, values[0].edge.name, learned)
        y: Value = self("Concatenate", *values, axis=axis)
        return y

    def same_rank(self, *xs: Value) -> list[Value]:
        """Values with as many axes as the one with most, new ones in front."""
        rank = max(x.rank for x in xs)
        return [self.reshape(x, (1,) * (rank - x.rank) + x.shape) for x in xs]

    def broadcast(self, *xs: Value) -> list[Value]:
        """Values in the shape that all of them broadcast to."""
        shape = common_shape(*[x.shape for x in xs])
        return [self.expand(x, shape) for x in xs]

    # ---- what several rules need -------------------------------------------------------------------------

    def add(self, a: Value, b: Value | float) -> Value:
        """A sum."""
        y: Value = self.two("Add2", a, b) if isinstance(b, Value) else self("AddScalar", a, val=b)
        return y

    def sub(self, a: Value, b: Value) -> Value:
        """A difference."""
        return self.two("Sub2", a, b)

    def mul(self, a: Value, b: Value | float) -> Value:
        """A product."""
        if not isinstance(b, Value):
            y: Value = a if b == 1 else self("MulScalar", a, val=b)
            return y
        return self.two("Mul2", a, b)

    def div(self, a: Value, b: Value) -> Value:
        """A quotient."""
        return self.two("Div2", a, b)

    def two(self, type_name: str, a: Value, b: Value) -> Value:
        """A function of two inputs that broadcast against each other."""
        y: Value = self(type_name, *self.same_rank(a, b))
        return y

    def reduce(self, type_name: str, x: Value, axes: Sequence[int], keep_dims: bool = True, **args: Any) -> Value:
        """``Sum``, ``Mean``, ``Max``, ... over some axes; none: `x` itself."""
        if not axes:
            return x
        y: Value = self(type_name, x, axes=list(axes), keep_dims=keep_dims, **args)
        return y

    def clip(self, x: Value, low: float | None, high: float | None) -> Value:
        """`x`, at least `low` and at most `high`."""
        if low is not None:
            x = self("MaximumScalar", x, val=low)
        return x if high is None else self("MinimumScalar", x, val=high)

    def truncated(self, x: Value) -> Value:
        """`x` without what comes after the point."""
        return self.mul(self("Sign", x, alpha=0.0), self("Floor", self("Abs", x)))

    def round_to_even(self, x: Value) -> Value:
        """`x` rounded, to even where two integers are equally near; NNabla's Round goes away from zero."""
        half = self("EqualScalar", self.sub(x, self("Floor", x)), val=0.5)
        y: Value = self("Where", half, self.mul(self("Round", self.mul(x, 0.5)), 2.0), self("Round", x))
        return y

    def counted_from_start(self, indices: Value, length: int) -> Value:
        """Indices, of which negative ones count from the end, as NNabla's functions take them."""
        if indices.array is not None:
            places = np.asarray(indices.array, np.int64)
            if places.size and not -length <= int(places.min()) <= int(places.max()) < length:
                raise Unsupported(f"an index is out of range for an axis of length {length}")
            if places.size and places.min() < 0:
                return self.constant(np.where(places < 0, places + length, places), indices.dtype, indices.edge.name)
            return indices
        y: Value = self("Where", self("LessScalar", indices, val=0), self.add(indices, float(length)), indices)
        return y


def common_shape(*shapes: Shape) -> Shape:
    """The shape that all broadcast to.

    Raises:
        Unsupported: there is none.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise Unsupported(f"shapes {', '.join(map(str, shapes))} do not broadcast") from None
