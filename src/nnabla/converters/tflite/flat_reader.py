"""`FlatReader`: the network under construction while a TFLite file is read; orders of axes are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..obstacles import Unsupported
from ..reading.graph_reader import BOOL, DOUBLE, FLOAT, FLOAT16, INT64, Budget, Edge, GraphReader, Value
from ..rule_tables import entering
from .flat_graph import Operation, Tensor
from .schema import OPTIONS

# Numbers of types while reading, by NumPy's.
TYPE_NUMBERS = {"float32": FLOAT, "float16": FLOAT16, "float64": DOUBLE, "bool": BOOL, "int64": INT64, "uint8": 2,
                "int8": 3, "int16": 5, "int32": 6}  # fmt: skip

_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class FlatReader(GraphReader):
    """A `GraphReader` that knows which arrays are others with their axes in another order.

    TFLite has the channels of images last, NNabla first. What an operator does to each element is done before axes are
    turned, so that two turns meet and cancel.
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._sources: dict[Edge, tuple[Value, tuple[int, ...]]] = {}
        self._turned: dict[tuple[Edge, tuple[int, ...]], Value] = {}
        self._borders: dict[Edge, tuple[Value, list[int]]] = {}

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """`x` with its axes in another order."""
        if x.array is not None:
            return super().transpose(x, axes)
        if sorted(axes) != list(range(x.rank)):
            raise Unsupported(f"axes {list(axes)[:9]} are no order of {x.rank}")
        source, before = self._sources.get(x.edge, (x, tuple(range(x.rank))))
        order = tuple([before[a] for a in axes])
        if order == tuple(range(x.rank)):
            return source.typed(x.dtype)
        key = (source.edge, order)
        if key not in self._turned:
            y = super().transpose(source, order)
            self._turned[key] = y
            self._sources[y.edge] = (source, order)
        return self._turned[key].typed(x.dtype)

    def first(self, x: Value) -> Value:
        """Images with the channels after the samples.

        Raises:
            Unsupported: it has not four axes.
        """
        if x.rank != 4:
            raise Unsupported(f"images have 4 axes, not {x.rank}")
        return self.transpose(x, _TO_FIRST)

    def last(self, x: Value) -> Value:
        """Images with the channels behind, as TFLite has them."""
        return self.transpose(x, _TO_LAST)

    def pad(self, x: Value, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Value:
        """`x` with a border of a number, whatever the order of axes."""
        if x.edge in self._sources:
            source, order = self._sources[x.edge]
            back = sorted(range(x.rank), key=order.__getitem__)
            inner = self.pad(source.typed(x.dtype), [before[a] for a in back], [after[a] for a in back], value)
            return self.transpose(inner, order)
        y = super().pad(x, before, after, value)
        if value == 0 and y is not x and list(before) == list(after):
            self._borders[y.edge] = (x, list(before))
        return y

    def cut(self, x: Value, cuts: dict[int, tuple[int, int | None, int]]) -> Value:
        """The part from first to end by steps along some axes, whatever the order of axes."""
        if x.edge not in self._sources:
            return super().cut(x, cuts)
        source, order = self._sources[x.edge]
        return self.transpose(super().cut(source.typed(x.dtype), {order[a]: c for a, c in cuts.items()}), order)

    def join(self, values: Sequence[Value], axis: int) -> Value:
        """Values side by side along an axis, whatever the order of axes."""
        found = [self._sources.get(x.edge) for x in values]
        orders = {None if f is None else f[1] for f in found}
        if len(values) < 2 or len(orders) != 1 or found[0] is None:
            return super().join(values, axis)
        order = found[0][1]
        joined = super().join([f[0] for f in found if f is not None], order[axis])
        return self.transpose(joined.typed(values[0].dtype), order)

    def without_border(self, x: Value) -> tuple[Value, list[int]]:
        """What `x` was before it got a border of zeros along axes from the third on; and how wide that is on each."""
        source, widths = self._borders.get(x.edge, (x, [0] * x.rank))
        return (x, [0] * (x.rank - 2)) if any(widths[:2]) else (source.typed(x.dtype), widths[2:])

    def each(self, change: Callable[[Value], Value], x: Value) -> Value:
        """What is done to each element, whatever the order of axes."""
        if x.edge not in self._sources:
            return change(x)
        source, order = self._sources[x.edge]
        return self.transpose(change(source.typed(x.dtype)), order)

    def pair(self, type_name: str, a: Value, b: Value) -> Value:
        """A function of two inputs that broadcast against each other, whatever the order of axes."""
        for x, other in ((a, b), (b, a)):
            if x.edge not in self._sources or other.rank > x.rank:
                continue
            source, order = self._sources[x.edge]
            if self._sources.get(other.edge, (None, None))[1] == order:
                turned = self._sources[other.edge][0]
            elif other.array is not None:
                back = sorted(range(x.rank), key=order.__getitem__)
                turned = super().transpose(self.reshape(other, (1,) * (x.rank - other.rank) + other.shape), back)
            else:
                continue
            pair = (source, turned) if x is a else (turned, source)
            return self.transpose(self.two(type_name, *pair), order).typed(a.dtype)
        return self.two(type_name, a, b)


class Node:
    """An operator as a rule sees it.

    Args:
        operation: as the file has it.
        results: the tensors that it computes, as the file has them.
    """

    def __init__(self, operation: Operation, results: list[Tensor]) -> None:
        self.code = operation.code
        self.results = results
        fields = OPTIONS.get(operation.options, ())
        defaults = {name: [] if letter == "v" else value for name, _, letter, value in fields}
        self._values = defaults | operation.values

    def option(self, name: str) -> Any:
        """The value of an option.

        Raises:
            Unsupported: the operator has no options where it must have them.
        """
        if name not in self._values:
            raise Unsupported(f"its options do not say {name}")
        return self._values[name]

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front.

        Raises:
            Unsupported: there is none such.
        """
        if not -rank <= value < rank:
            raise Unsupported(f"axis {value} is out of range for {rank} axes")
        return int(value) % rank

    def axes(self, values: Sequence[int], rank: int) -> list[int]:
        """Axes counted from the front, in order, each once."""
        return sorted({self.axis(v, rank) for v in values})


Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""By names of operators: ``rule(reader, node, *inputs)`` gives one value or a list."""


def read(*codes: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators of these names."""
    return entering(RULES, codes)
