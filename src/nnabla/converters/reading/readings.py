"""`Reading`: what was read of a model for one size of the batch, and how two of them become one that leaves it open."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...graph.operator import registry
from ..obstacles import Unsupported
from .graph_reader import Call, Edge, GraphReader, Value


@dataclasses.dataclass(eq=False)
class Reading:
    """A network, before it has names.

    Args:
        inputs: of the model, in order.
        outputs: of the model in order; no two are the same array, and none is an input or known.
        calls: the functions that these need, in order.
        batch: size of the batch, if inputs leave it open.
        open_axes: axes of arrays that are the batch's, if it stays open.
        open_args: arguments of functions by their number, where they leave the batch open.
    """

    inputs: list[Edge]
    outputs: list[Edge]
    calls: list[Call]
    batch: int | None = None
    open_axes: dict[Edge, list[int]] = dataclasses.field(default_factory=dict)
    open_args: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)


def needed(reader: GraphReader, outputs: list[Value], inputs: list[Edge]) -> tuple[list[Edge], list[Call]]:
    """The arrays of the outputs, each computed by a function of its own, and the functions that they need."""
    read = {id(edge) for call in reader.calls for edge in call.inputs}
    computed = {id(edge) for call in reader.calls for edge in call.outputs}
    ends = [value.edge for value in outputs]
    found: list[Edge] = []
    for edge in ends:
        if id(edge) not in computed or id(edge) in read or ends.count(edge) > 1:
            # Also one that others read would be no output of the network.
            operator = registry["Identity"]()
            operator.present = (True,)
            copy = Edge(edge.shape, None, "", open_size=edge.open_size)
            reader.calls.append(Call(operator, [edge], [copy]))
            edge = copy
        found.append(edge)
    wanted = {id(edge) for edge in found}
    calls = []
    for call in reversed(reader.calls):
        if any(id(edge) in wanted for edge in call.outputs):
            wanted.update(id(edge) for edge in call.inputs)
            calls.append(call)
    return found, calls[::-1]


def opened(first: Reading, second: Reading) -> Reading:
    """A reading that leaves the size of the batch open, from those of two sizes, of which the second is larger by 1.

    What differs between them follows the batch. Arrays that are known and have it along one axis, with the same
    elements all along, are repeated by a function instead.

    Raises:
        Unsupported: they differ in what NNabla does not leave open.
    """
    return _Opening(first, second).result()


class _Opening:
    def __init__(self, first: Reading, second: Reading) -> None:
        assert first.batch is not None
        self.batch = first.batch
        self.twins: dict[Edge, Edge] = {}
        self.replaced: dict[Edge, Edge] = {}
        self.calls: list[Call] = []
        self.args: dict[int, dict[str, Any]] = {}
        self.axes: dict[Edge, list[int]] = {}
        self.first, self.second = first, second

    def result(self) -> Reading:
        first, second = self.first, self.second
        for a, b in zip(first.inputs, second.inputs, strict=True):
            self._pair(a, b)
        if [c.type_name for c in first.calls] != [c.type_name for c in second.calls]:
            raise Unsupported("which functions it has depends on the size of the batch")
        for a_call, b_call in zip(first.calls, second.calls, strict=True):
            self._call(a_call, b_call)
        outputs = [self.replaced.get(edge, edge) for edge in first.outputs]
        return Reading(first.inputs, outputs, self.calls, self.batch, self.axes, self.args)

    def _pair(self, a: Edge, b: Edge) -> None:
        self.twins[a] = b
        both = (self.batch, self.batch + 1)
        self.axes[a] = [axis for axis, pair in enumerate(zip(a.shape, b.shape, strict=True)) if pair == both]

    def _call(self, a: Call, b: Call) -> None:
        for x, y in zip(a.inputs, b.inputs, strict=True):
            if x.array is not None:
                self._known(x, y)
            elif self.twins.get(x) is not y:
                raise Unsupported("how its functions hang together depends on the size of the batch")
        for x, y in zip(a.outputs, b.outputs, strict=True):
            self._pair(x, y)
        inputs = [self.replaced.get(x, x) for x in a.inputs]
        args, twin = a.operator.arguments, b.operator.arguments
        differ = [name for name in args if not _same(args[name], twin[name])]
        if not differ:
            self._append(Call(a.operator, inputs, a.outputs))
        elif a.type_name == "Broadcast" and differ == ["shape"]:
            self._broadcast(a, inputs, _place(args["shape"], twin["shape"]))
        else:
            self._append(Call(a.operator, inputs, a.outputs), _open_args(a, b, differ))

    def _append(self, call: Call, args: dict[str, Any] | None = None) -> None:
        if args is not None:
            self.args[len(self.calls)] = args
        self.calls.append(call)

    def _broadcast(self, call: Call, inputs: list[Edge], place: int) -> None:
        (x,), (y,) = inputs, call.outputs
        shape = y.shape
        if shape[place] != self.batch or len(x.shape) != len(shape):
            raise Unsupported("an array is repeated along an axis that is not only the batch's")
        if x.shape[place] == 1:
            self._repeat(x, y, place)
        elif place == 0:
            self._append(Call(call.operator, inputs, call.outputs), {"shape": [-1, *shape[1:]]})
        else:
            raise Unsupported("an array is repeated along another axis than the batch's, which is not the first")

    def _known(self, x: Edge, y: Edge) -> None:
        """An array that is known for both sizes."""
        if x in self.replaced or self.twins.get(x) is y:
            return
        a, b = x.array, y.array
        assert a is not None and b is not None
        self.twins[x] = y
        if a.shape == b.shape:
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                raise Unsupported("numbers that it computes with depend on the size of the batch")
            return
        place = _place(a.shape, b.shape)
        one, other = np.take(a, [0], place), np.take(b, [0], place)
        same = np.array_equal(one, other) and (a == one).all() and (b == other).all()
        if a.shape[place] != self.batch or b.shape[place] != self.batch + 1 or not same:
            raise Unsupported("an array that it computes with depends on the size of the batch")
        repeated = Edge(a.shape)
        self._repeat(Edge(one.shape, one, x.name), repeated, place)
        self.replaced[x] = repeated

    def _repeat(self, x: Edge, y: Edge, place: int) -> None:
        """Functions that repeat an array along one axis for each sample; that must come first for NNabla."""
        order = [place, *[a for a in range(len(y.shape)) if a != place]]
        back = sorted(range(len(order)), key=order.__getitem__)
        source, target = x, y
        if place:
            target = Edge(tuple([y.shape[a] for a in order]))
            if x.array is not None:
                front = x.array.transpose(order)
                source = Edge(front.shape, front, x.name)
            else:
                source = Edge(tuple([x.shape[a] for a in order]))
                self._append(_call("Transpose", [x], [source], axes=order))
        self.axes[y], self.axes[target] = [place], [0]
        self._append(
            _call("Broadcast", [source], [target], shape=list(target.shape)), {"shape": [-1, *target.shape[1:]]}
        )
        if place:
            self._append(_call("Transpose", [target], [y], axes=back))


def _call(type_name: str, inputs: list[Edge], outputs: list[Edge], **args: Any) -> Call:
    operator = registry[type_name](**args)
    operator.present = (True,) * len(inputs)
    return Call(operator, inputs, outputs)


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (a != a and b != b)


def _place(a: Any, b: Any) -> int:
    """The only axis whose length differs."""
    if len(a) != len(b):
        raise Unsupported("how many axes an array has depends on the size of the batch")
    places = [i for i, (m, n) in enumerate(zip(a, b, strict=True)) if m != n]
    if len(places) != 1:
        raise Unsupported("several lengths of an array depend on the size of the batch")
    return places[0]


def _open_args(a: Call, b: Call, differ: list[str]) -> dict[str, Any]:
    """The arguments of a function that has other ones for another size of the batch."""
    args, twin = a.operator.arguments, b.operator.arguments
    if a.type_name == "Reshape" and differ == ["shape"]:
        place = _place(args["shape"], twin["shape"])
        if a.outputs[0].shape and 0 not in a.outputs[0].shape:
            return {"shape": [-1 if i == place else d for i, d in enumerate(args["shape"])]}
    elif a.type_name == "Slice" and differ == ["stop"]:
        place = _place(args["stop"], twin["stop"])
        whole = args["start"][place] == 0 and args["step"][place] == 1
        ends = [(call.operator.arguments["stop"][place], call.inputs[0].shape[place]) for call in (a, b)]
        if whole and all(stop >= length for stop, length in ends):
            return {"stop": [None if i == place else d for i, d in enumerate(args["stop"])]}
    raise Unsupported(f"{', '.join(differ)} of {a.type_name} depends on the size of the batch")
