"""From variables to slots: where a step finds the tensors that its operator wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .._array_view import shown_by
from .._nd_array import NdArray
from .function import Function, PythonFunction
from .meeting import with_gaps
from .operator import Kind, Operator
from .steps import NO_SLOT, CastSlot, GatheredSlot, LeafSlot, Slot, Step, cast_step, free_step
from .variable import Variable

ANY_TYPE = object()

# Elements; below that a free step costs more time than the memory is worth.
_WORTH_A_STEP = 1 << 16


class Binder:
    """Collects steps, and the slots that they read.

    Args:
        order: functions that have run before; what they produced is read where it is, anything else is a leaf.
    """

    def __init__(self, order: Sequence[Function] = ()) -> None:
        self.steps: list[Step] = []
        self.functions: list[Function | None] = []
        self._leaves: dict[tuple[int, torch.dtype, Kind], LeafSlot] = {}
        # The type that each intermediate array will have; ANY_TYPE where that depends on the leaves.
        self._produced: dict[int, Any] = {}
        self._dying_arrays: list[NdArray] = []
        self._dying_size = 0
        self._dying_operators: list[Operator] = []
        self._dying_slots: list[CastSlot] = []
        for function in order:
            self.produce(function)

    @property
    def leaves(self) -> list[LeafSlot]:
        return list(self._leaves.values())

    def produce(self, function: Function) -> None:
        """Note that the outputs of `function` are there from now on, to be read where they are."""
        operator = function._operator
        for i, buffers in enumerate(function._outputs):
            # A user's code may write values of any type.
            any_type = operator.whole or isinstance(operator, PythonFunction)
            known = ANY_TYPE if any_type else operator.output_types.get(i, operator.compute_dtype)
            self._produced[id(buffers.data)] = known

    def add(self, step: Step, function: Function | None = None) -> None:
        self.steps.append(step)
        self.functions.append(function)

    def free(
        self, arrays: Sequence[NdArray], operators: Sequence[Operator] = (), slots: Sequence[CastSlot] = ()
    ) -> None:
        """Have memory given up here, or a little later: small arrays wait until they are worth a step."""
        if not (arrays or operators or slots):
            return
        self._dying_arrays += arrays
        self._dying_size += sum([a.size for a in arrays])
        self._dying_operators += operators
        self._dying_slots += slots
        # What an operator keeps and a cast makes is about as large as an input; count them as large.
        if operators or slots or self._dying_size >= _WORTH_A_STEP:
            self.flush()

    def flush(self) -> None:
        """Add the step for what `free` has put off."""
        if self._dying_arrays or self._dying_operators or self._dying_slots:
            self.add(free_step(self._dying_arrays, self._dying_operators, self._dying_slots))
            self._dying_arrays, self._dying_operators, self._dying_slots = [], [], []
            self._dying_size = 0

    def is_produced(self, variable: Variable) -> bool:
        """Whether a function of the graph computes the data of `variable`."""
        return id(variable._buffers.data) in self._produced

    def read(self, variable: Variable, operator: Operator, kind: Kind = Kind.COMPUTE) -> Slot:
        """The slot that shows `variable` in the type that `operator` wants; adds a step if it must be converted."""
        wanted = operator.compute_dtype if kind is Kind.COMPUTE else operator.input_dtype(kind)
        array = variable._buffers.data
        produced = self._produced.get(id(shown_by(array)))
        if produced is None:
            key = (id(variable._buffers), wanted, kind)
            slot = self._leaves.get(key)
            if slot is None:
                slot = LeafSlot(variable._buffers, wanted, operator.device, kind)
                self._leaves[key] = slot
            return slot
        if produced is wanted:
            return array
        if kind is Kind.WHOLE and (produced is ANY_TYPE or not produced.is_floating_point):
            return array
        return self.cast(array, wanted)

    def cast(self, source: Slot, dtype: torch.dtype) -> CastSlot:
        """A slot with the tensor of `source` in another type, as of now."""
        target = CastSlot()
        self.add(cast_step(source, target, dtype))
        return target

    def inputs(self, function: Function) -> list[Slot]:
        """The slots of all declared inputs of a function for its forward, `NO_SLOT` for those not given."""
        operator = function._operator
        if operator.declaration.plain:
            return with_gaps(operator, [self.read(v, operator) for v in function._inputs], NO_SLOT)
        slots = [self.read(v, operator, k) for v, k in zip(function._inputs, operator.wiring.kinds, strict=True)]
        return with_gaps(operator, slots, NO_SLOT)

    def arguments_of_grad(self, function: Function, dys: Sequence[Slot]) -> list[Slot]:
        """The slots of what the gradient of a function is called with. What it does not name may be freed."""
        operator = function._operator
        found = operator.wiring
        return found.arguments(
            dys,
            lambda i: self.read(function._inputs[i], operator, found.kinds[i]),
            [buffers.data for buffers in function._outputs],
            NO_SLOT,
            GatheredSlot,
        )
