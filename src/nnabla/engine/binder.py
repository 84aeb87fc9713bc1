"""From a graph to numbered steps, and to the recipe for a frame of any graph of the same form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, islice
from typing import Any

import torch

from .._array_view import shown_by
from .._nd_array import NdArray
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.hooks import function_freed_hooks
from ..graph.operator import Kind
from ..graph.setup import are_linked, with_gaps
from .frame import (
    ARRAY,
    CALL,
    CONSTANT,
    INPUT_ARRAY,
    INPUT_BUFFERS,
    INPUT_GRAD,
    LEAF,
    OPERATOR,
    OUTPUT_GRAD,
    SLOT,
    Entry,
)
from .steps import NO_SLOT, GatheredSlot, PresentSlot, Step, cast_step, free_step

ANY_TYPE = object()

# Elements. Below this, a step that frees memory costs more time than the memory is worth.
_WORTH_A_STEP = 1 << 16


class Binder:
    """Collects steps, and how to find in a graph what they work on.

    Args:
        order: the functions of the graph.
        ran: whether they have run before; what they produced is read where it is, anything else is a leaf.
    """

    def __init__(self, order: Sequence[Function], ran: bool = False) -> None:
        self.order = order
        self.steps: list[Step] = []
        # For each step the position in `order` of the function that it carries out, or None for one in between.
        self.positions: list[int | None] = []
        self.recipe: list[Entry] = []
        # Arrays that steps free.
        self.freed: list[int] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._leaf_numbers: dict[tuple[int, Any], int] = {}
        # Where each intermediate array is found: the function that makes it, and which output it is.
        self._made: dict[int, tuple[int, int]] = {}
        # The type that it will have; ANY_TYPE where that depends on the leaves.
        self._produced: dict[int, Any] = {}
        # Entries that hold an input in another type.
        self.casts: set[int] = set()
        self._dying_slots: list[int] = []
        self._dying_size = 0
        self._dying_operators: list[int] = []
        if ran:
            for position in range(len(order)):
                self.produce(position)

    def add(self, step: Step, position: int | None = None) -> None:
        self.steps.append(step)
        self.positions.append(position)

    def produce(self, position: int) -> None:
        """Note that the outputs of a function are there from now on, and are read in place."""
        function = self.order[position]
        operator = function._operator
        # A user's code may write values of any type.
        dtype: Any = ANY_TYPE if operator.whole or isinstance(operator, Callback) else operator.compute_dtype
        if operator.as_is:
            dtype = self._produced.get(id(shown_by(function._inputs[0]._buffers.data)), ANY_TYPE)
        outputs = [buffers.data for buffers in function._outputs]
        # One that is an input has the type of that, unless it is written to.
        same = operator.write is None and are_linked(operator, [v._buffers.data for v in function._inputs], outputs)
        for i, array in enumerate(outputs):
            self._made[id(array)] = position, i
            if not same:
                self._produced[id(shown_by(array))] = operator.output_types.get(i, dtype)

    def is_produced(self, array: NdArray) -> bool:
        """Whether a function of the graph computes what is in the memory of `array`."""
        return id(shown_by(array)) in self._produced

    # ---- entries of a frame ------------------------------------------------------------------------------

    def entry(self, source: int, position: int = 0, i: int = 0, more: Any = None) -> int:
        """The number of a new entry; see `frame`."""
        self.recipe.append((source, position, i, more))
        return len(self.recipe) - 1

    def _once(self, source: int, thing: Any, position: int = 0, i: int = 0, more: Any = None) -> int:
        """The number of the entry for `thing`; there is only one."""
        key = source, id(thing)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.recipe)
            self.recipe.append((source, position, i, more))
        return number

    def constant(self, value: Any) -> int:
        """An entry that is the same in every graph."""
        return self._once(CONSTANT, value, more=value)

    def operator(self, position: int) -> int:
        """The operator of a function."""
        return self._once(OPERATOR, self.order[position], position)

    def data(self, array: NdArray) -> int:
        """An array that a function of the graph makes."""
        return self._once(ARRAY, array, *self._made[id(array)])

    def output_grad(self, position: int, i: int) -> int:
        """The gradient of an output."""
        return self._once(OUTPUT_GRAD, self.order[position]._outputs[i], position, i)

    def input_grad(self, position: int, i: int) -> int:
        """The gradient of an input that a function of the graph makes."""
        buffers = self.order[position]._inputs[i]._buffers
        made = self._made.get(id(buffers.data))
        if made is not None and self.order[made[0]]._outputs[made[1]] is buffers:
            return self.output_grad(*made)
        return self._once(INPUT_GRAD, buffers, position, i)

    def leaf_buffers(self, position: int, i: int) -> int:
        """Data and gradient of an input."""
        return self._once(INPUT_BUFFERS, self.order[position]._inputs[i]._buffers, position, i)

    def read(self, position: int, i: int) -> int:
        """An input of a function in the type that its operator wants; adds a step if it must be converted."""
        operator = self.order[position]._operator
        buffers = self.order[position]._inputs[i]._buffers
        kind = operator.wiring.kinds[i]
        wanted = operator.compute_dtype if kind is Kind.COMPUTE else operator.input_dtype(kind)
        array = buffers.data
        produced = self._produced.get(id(shown_by(array)))
        if produced is None:
            return self._leaf(position, i, (wanted, operator.device, kind))
        made = id(array) in self._made
        found = self.data(array) if made else self._once(INPUT_ARRAY, array, position, i)
        if produced is wanted or kind is Kind.AS_IS:
            return found
        if kind is Kind.WHOLE and (produced is ANY_TYPE or not produced.is_floating_point):
            return found
        target = self.entry(SLOT)
        self.add(cast_step(found, target, wanted))
        self.casts.add(target)
        return target

    def _leaf(self, position: int, i: int, read_as: tuple[torch.dtype, torch.device, Kind]) -> int:
        key = id(self.order[position]._inputs[i]._buffers), read_as
        number = self._leaf_numbers.get(key)
        if number is None:
            number = self._leaf_numbers[key] = self.entry(LEAF, position, i, read_as)
        return number

    @property
    def leaves(self) -> list[int]:
        return list(self._leaf_numbers.values())

    def inputs(self, position: int) -> list[int]:
        """All declared inputs of a function for its forward, `NO_SLOT` for those not given."""
        function = self.order[position]
        numbers = [self.read(position, i) for i in range(len(function._inputs))]
        operator = function._operator
        return numbers if all(operator.present) else with_gaps(operator, numbers, self.constant(NO_SLOT))

    def arguments_of_grad(self, position: int, dys: Sequence[int]) -> list[int]:
        """What the gradient of a function is called with. What it does not name may be freed."""
        function = self.order[position]
        operator = function._operator
        return operator.wiring.arguments(
            dys,
            lambda i: self._read_again(position, i),
            lambda i: self.data(function._outputs[i].data),
            None if all(operator.present) else self.constant(NO_SLOT),
            self._gathered,
        )

    def _read_again(self, position: int, i: int) -> int:
        """An input that a gradient reads."""
        number = self.read(position, i)
        function = self.order[position]
        declared = function._operator.declaration.inputs
        if declared[0].variadic or not self.is_produced(function._inputs[i]._buffers.data):
            return number
        (input_,) = islice(compress(declared, function._operator.present), i, i + 1)
        return self.entry(CALL, more=lambda order, frame: PresentSlot(frame[number])) if input_.optional else number

    def _gathered(self, numbers: list[int]) -> int:
        """One entry for the inputs of a function that takes any number."""
        return self.entry(CALL, more=lambda order, frame: GatheredSlot([frame[n] for n in numbers]))

    # ---- memory ------------------------------------------------------------------------------------------

    def memory(self, arrays: Sequence[NdArray]) -> list[tuple[int, int]]:
        """Numbers of arrays, with what each holds by itself."""
        return [(self.data(array), array.size if type(array) is NdArray else 0) for array in arrays]

    def free(self, arrays: Sequence[tuple[int, int]], operators: Sequence[int] = (), slots: Sequence[int] = ()) -> None:
        """Free memory here, or a little later: small arrays wait until they are worth a step.

        Args:
            arrays: of intermediate variables, with their numbers of elements.
            operators: which kept something.
            slots: others.
        """
        if not (arrays or operators or slots):
            return
        for number, size in arrays:
            self.freed.append(number)
            self._dying_slots.append(number)
            self._dying_size += size
        self._dying_operators += operators
        self._dying_slots += slots
        # What an operator keeps and a cast makes is about as large as an input; count them as large.
        if operators or slots or self._dying_size >= _WORTH_A_STEP or function_freed_hooks:
            self.flush()

    def flush(self) -> None:
        """Add the step for what `free` has put off."""
        if self._dying_slots or self._dying_operators:
            self.add(free_step(self._dying_slots, self._dying_operators))
            self._dying_slots, self._dying_operators = [], []
            self._dying_size = 0
