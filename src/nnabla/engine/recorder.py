"""Writing a program down: records one after another, and a number for each value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from .._nd_array import NdArray
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.operator import Kind
from ..graph.setup import are_linked, with_gaps
from .frame import ARRAY, CONSTANT, INPUT_ARRAY, INPUT_BUFFERS, INPUT_GRAD, LEAF, OUTPUT_GRAD, SLOT
from .liveness import block_of
from .program import ANY_TYPE, NOTHING, Argument, Cast, Gathered, Present, Record, Value

# To read a member of an enumeration takes as long as a call.
_COMPUTE = Kind.COMPUTE
_OWN_TYPE = Kind.AS_IS, Kind.WHOLE

# A `Value`, in half the time that calling the class takes.
_value: Callable[[tuple[Any, ...]], Value] = partial(tuple.__new__, Value)


class Recorder:
    """Collects records, and how to find in a graph what they work on.

    Args:
        order: the functions of the graph.
        ran: whether they have run before; what they produced is read where it is, anything else is a leaf.
    """

    def __init__(self, order: Sequence[Function], ran: bool = False) -> None:
        self.order = order
        self.values: list[Value] = []
        self.records: list[Record] = []
        # The numbers of values: of intermediate arrays by address, of their gradients by that of the buffers, of leaves
        # by how they are read, too.
        self._arrays: dict[int, int] = {}
        self._gradients: dict[int, int] = {}
        self._leaves: dict[tuple[int, Any], int] = {}
        self._others: dict[tuple[int, int], int] = {}
        # Where each intermediate array is found: the function that makes it, and which output it is.
        self._made: dict[int, tuple[int, int]] = {}
        # The type that it will have, by memory.
        self._produced: dict[int, Any] = {}
        if ran:
            for position in range(len(order)):
                self.produce(position)

    def produce(self, position: int) -> None:
        """Note that the outputs of a function are there from now on, and are read in place."""
        function = self.order[position]
        operator = function._operator
        # A user's code may write values of any type.
        dtype: Any = ANY_TYPE if operator.whole or isinstance(operator, Callback) else operator.compute_dtype
        if operator.as_is:
            dtype = self._type_of(function._inputs[0]._buffers.data)
        # One that is an input has the type of that, unless it is written to.
        same = (
            operator.linked is not None
            and operator.write is None
            and are_linked(operator, [v._buffers.data for v in function._inputs], [b.data for b in function._outputs])
        )
        for i, buffers in enumerate(function._outputs):
            self._made[id(buffers.data)] = position, i
            if not same:
                self._produced[block_of(buffers.data)] = operator.output_types.get(i, dtype)

    def is_produced(self, array: NdArray) -> bool:
        """Whether a function of the graph computes what is in the memory of `array`."""
        return block_of(array) in self._produced

    def maker(self, array: NdArray) -> int | None:
        """The position of the function that makes `array`."""
        made = self._made.get(id(array))
        return None if made is None else made[0]

    def is_made(self, array: NdArray) -> bool:
        """Whether `array` is that of an output."""
        return id(array) in self._made

    # ---- values ------------------------------------------------------------------------------------------

    def new(self, source: int, position: int = 0, i: int = 0, more: Any = None, dtype: Any = None) -> int:
        """The number of a new value; see `frame`."""
        self.values.append(_value((source, position, i, more, dtype)))
        return len(self.values) - 1

    def _once(self, source: int, thing: Any, position: int, i: int, dtype: Any = ANY_TYPE) -> int:
        """The number of the value that is found in `thing`; there is only one."""
        key = source, id(thing)
        number = self._others.get(key)
        if number is None:
            number = self._others[key] = self.new(source, position, i, None, dtype)
        return number

    def seed(self, dtype: torch.dtype) -> int:
        """The gradient that is given from outside."""
        return self.new(SLOT, dtype=dtype)

    def constant(self, slot: Any, position: int, i: int, dtype: torch.dtype) -> int:
        """The gradient of an output, the same in every graph."""
        return self.new(CONSTANT, position, i, slot, dtype)

    def data(self, array: NdArray) -> int:
        """An array that a function of the graph makes."""
        address = id(array)
        number = self._arrays.get(address)
        if number is None:
            position, i = self._made[address]
            number = self._arrays[address] = self.new(ARRAY, position, i, None, self._type_of(array))
        return number

    def _type_of(self, array: NdArray) -> Any:
        return self._produced.get(id(array) if type(array) is NdArray else block_of(array), ANY_TYPE)

    def output_grad(self, position: int, i: int) -> int:
        """The gradient of an output."""
        function = self.order[position]
        address = id(function._outputs[i])
        number = self._gradients.get(address)
        if number is None:
            dtype = function._operator.compute_dtype
            number = self._gradients[address] = self.new(OUTPUT_GRAD, position, i, None, dtype)
        return number

    def input_grad(self, position: int, i: int) -> int:
        """The gradient of an input that a function of the graph makes."""
        buffers = self.order[position]._inputs[i]._buffers
        number = self._gradients.get(id(buffers))
        if number is not None:
            return number
        made = self._made.get(id(buffers.data))
        if made is not None and self.order[made[0]]._outputs[made[1]] is buffers:
            return self.output_grad(*made)
        dtype = ANY_TYPE if made is None else self.order[made[0]]._operator.compute_dtype
        return self._once(INPUT_GRAD, buffers, position, i, dtype)

    def leaf_buffers(self, position: int, i: int) -> int:
        """Data and gradient of an input."""
        return self._once(INPUT_BUFFERS, self.order[position]._inputs[i]._buffers, position, i)

    def outputs(self, position: int) -> tuple[int, ...]:
        """The arrays that a function makes, which are there from now on."""
        self.produce(position)
        return tuple([self.data(buffers.data) for buffers in self.order[position]._outputs])

    def arrays(self, arrays: Sequence[NdArray]) -> list[int]:
        """Several arrays that functions of the graph make."""
        return [self.data(array) for array in arrays]

    def shown(self, position: int) -> tuple[int, ...]:
        """The inputs of a function as they are: what a user's code is shown, or an output is."""
        found = []
        for i, v in enumerate(self.order[position]._inputs):
            array = v._buffers.data
            found.append(self.data(array) if id(array) in self._made else self._input(array, position, i))
        return tuple(found)

    def _input(self, array: NdArray, position: int, i: int) -> int:
        return self._once(INPUT_ARRAY, array, position, i, dtype=self._type_of(array))

    def read(self, position: int, i: int) -> int:
        """An input of a function in the type that its operator wants; records a cast if it must be converted."""
        function = self.order[position]
        operator = function._operator
        kind = operator.wiring.kinds[i]
        wanted = operator.compute_dtype if kind is _COMPUTE else operator.input_dtype(kind)
        array = function._inputs[i]._buffers.data
        produced = self._produced.get(id(array) if type(array) is NdArray else block_of(array))
        if produced is None:
            return self._leaf(position, i, (wanted, operator.device, kind))
        found = self.data(array) if id(array) in self._made else self._input(array, position, i)
        if produced is wanted or kind is Kind.AS_IS:
            return found
        if kind is Kind.WHOLE and (produced is ANY_TYPE or not produced.is_floating_point):
            return found
        target = self.new(SLOT, position, i, dtype=wanted)
        self.records.append(Cast(found, target, wanted))
        return target

    def _leaf(self, position: int, i: int, read_as: tuple[torch.dtype, torch.device, Kind]) -> int:
        key = id(self.order[position]._inputs[i]._buffers), read_as
        number = self._leaves.get(key)
        if number is None:
            dtype = ANY_TYPE if read_as[2] in _OWN_TYPE else read_as[0]
            number = self._leaves[key] = self.new(LEAF, position, i, read_as, dtype)
        return number

    # ---- what kernels are called with --------------------------------------------------------------------

    def inputs(self, position: int) -> list[int]:
        """All declared inputs of a function for its forward, `NOTHING` for those not given."""
        function = self.order[position]
        numbers = [self.read(position, i) for i in range(len(function._inputs))]
        return with_gaps(function._operator, numbers, NOTHING)

    def arguments_of_grad(self, position: int, dys: Sequence[int]) -> list[Argument]:
        """What the gradient of a function is called with. What it does not name may be freed."""
        function = self.order[position]
        return function._operator.wiring.arguments(
            dys,
            lambda i: self._read_again(position, i),
            lambda i: self.data(function._outputs[i].data),
            NOTHING,
            lambda numbers: Gathered(tuple(numbers)),
        )

    def _read_again(self, position: int, i: int) -> Argument:
        """An input that a gradient reads."""
        number = self.read(position, i)
        function = self.order[position]
        is_optional = function._operator.wiring.optional[i]
        return Present(number) if is_optional and self.is_produced(function._inputs[i]._buffers.data) else number
