"""From the records of a program to the steps of a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..graph.function import Function
from .accumulation import accumulating, adding, assigning, casting, summing
from .frame import ARRAY, CALL, CONSTANT, INPUT_GRAD, KERNEL, LEAF, OPERATOR, OUTPUT_GRAD, Entry
from .fused_call import FusedCall
from .kernel_choice import OwningKernel, python_backward, python_forward, remembering
from .program import (
    ACCUMULATE,
    ADD,
    NOTHING,
    Argument,
    Call,
    Cast,
    Free,
    Fused,
    Gathered,
    Gradient,
    Idle,
    JoinedCall,
    JoinedGradient,
    Link,
    Present,
    Program,
    Put,
    SumCall,
    UserCall,
    UserGradient,
)
from .steps import (
    NO_SLOT,
    Frame,
    GatheredSlot,
    PresentSlot,
    Receiver,
    Step,
    backward_step,
    call_step,
    cast_step,
    forward_step,
    free_step,
    joined_forward_step,
    joined_step,
    linked_step,
    reshaping_step,
)
from .up_to_date import setup_again


class Lowered(NamedTuple):
    """What a plan consists of.

    Attributes:
        steps: closures that know what they work on by its number.
        positions: for each step the position of the function that it carries out, or None for one in between.
        recipe: how to find in a graph what has these numbers, see `frame`. Values come first, as in the program.
        leaves: numbers of the inputs that no function made.
        freed: numbers of the arrays that steps free.
        also: positions of functions that are carried out in the step of another one.
    """

    steps: list[Step]
    positions: list[int | None]
    recipe: list[Entry]
    leaves: list[int]
    freed: list[int]
    also: list[int]


def lower(program: Program) -> Lowered:
    """The steps of a program. Nothing of the graph stays in them: they serve every graph of the same form."""
    return _Lowering(program).lowered


class _Lowering:
    def __init__(self, program: Program) -> None:
        self.order = program.order
        self.seed = program.roots[0] if program.roots else NOTHING
        values = program.values
        self.recipe: list[Entry] = [value[:4] for value in values]
        self._operators: dict[int, int] = {}
        self._no_slot: int | None = None
        steps: list[Step] = []
        positions: list[int | None] = []
        self.freed: list[int] = []
        self.also: list[int] = []
        for record in program.records:
            step = _STEPS[type(record)](self, record)
            if step is not None:
                steps.append(step)
                positions.append(None if isinstance(record, (Cast, Free)) else record.function)
        seen = (ARRAY, OUTPUT_GRAD, INPUT_GRAD)
        leaves = [number for number, value in enumerate(values) if value.source == LEAF]
        freed = [number for number in self.freed if values[number].source in seen]
        self.lowered = Lowered(steps, positions, self.recipe, leaves, freed, self.also)

    def _entry(self, source: int, position: int, more: Any) -> int:
        self.recipe.append((source, position, 0, more))
        return len(self.recipe) - 1

    # ---- one record --------------------------------------------------------------------------------------

    def call(self, record: Call) -> Step:
        position, kernel, reads, writes = record
        if NOTHING in reads:
            reads = tuple([self._nothing() if number == NOTHING else number for number in reads])
        step = forward_step(self._entry(KERNEL, position, kernel.of), reads, writes)
        if self.order[position]._operator.dynamic_shape:
            # Where this is a repetition, the functions behind it have their shapes already.
            end = position + 1 if kernel.repeats else None
            functions = self._entry(CALL, 0, lambda order, frame: order[position:end])
            step = reshaping_step(
                step, lambda frame: frame[functions][0]._outputs, lambda frame: setup_again(frame[functions][1:])
            )
        return step

    def joined_call(self, record: JoinedCall) -> Step:
        self.also += record.functions[1:]
        shared = tuple([self._nothing() if number == NOTHING else number for number in record.shared])
        kernel = self._entry(KERNEL, record.function, record.kernel.of)
        return joined_forward_step(kernel, record.reads, shared, record.writes)

    def sum_call(self, record: SumCall) -> Step:
        return forward_step(self._entry(KERNEL, record.inner, record.kernel.of), record.reads, record.writes)

    def link(self, record: Link) -> Step:
        return linked_step(record.writes[0] if record.moves else None)

    def user_call(self, record: UserCall) -> Step:
        return call_step(self._entry(KERNEL, record.function, python_forward))

    def fused(self, record: Fused) -> Step:
        def make(order: Sequence[Function], frame: Frame) -> FusedCall:
            return FusedCall(record, order, frame)

        return forward_step(self._entry(CALL, 0, make), record.streams, record.writes)

    def cast(self, record: Cast) -> Step:
        return cast_step(record.source, record.target, record.dtype)

    def gradient(self, record: Gradient) -> Step:
        position, kernel, _, arguments, puts = record
        wiring = self.order[position]._operator.wiring
        owned = [put for put in puts if put.own]
        find: Callable[[Function], Any] = kernel.of
        if owned:
            places = None if wiring.alone else [wiring.places[put.input] for put in owned]
            find = OwningKernel(kernel, places, [put.how == ACCUMULATE for put in owned]).of
        numbers = [number if type(number) is int and number >= 0 else self._argument(number) for number in arguments]
        places = None if wiring.alone else [wiring.places[put.input] for put in puts]
        if kernel.remembers:
            seed = self.seed
            entry = self._entry(CALL, 0, lambda order, frame: remembering(find(order[position]), frame[seed]))
        else:
            entry = self._entry(KERNEL, position, find)
        return backward_step(entry, numbers, [_receiver(put) for put in puts], places)

    def joined_gradient(self, record: JoinedGradient) -> Step:
        self.also += record.functions[:-1]
        wiring = self.order[record.function]._operator.wiring
        places = [wiring.places[put.input] for put in record.puts]
        kernel = self._entry(KERNEL, record.function, record.kernel.of)
        return joined_step(kernel, record.arguments, [_receiver(put) for put in record.puts], places)

    def user_gradient(self, record: UserGradient) -> Step:
        position, dys, puts, own, shared = record
        count = len(self.order[position]._inputs)
        wants, accumulate = [False] * count, [False] * count
        for put in puts:
            wants[put.input] = True
            accumulate[put.input] = put.how >= ADD
        # Inputs whose gradients are propagated further, and the function that made each.
        makers = {id(b.data): at for at, function in enumerate(self.order) for b in function._outputs}
        inputs = self.order[position]._inputs
        onward = [(put.input, makers[id(inputs[put.input]._buffers.data)]) for put in puts if put.how != ACCUMULATE]

        def make(order: Sequence[Function], frame: Frame) -> Callable[[], None]:
            going_on = [(i, order[maker]._operator) for i, maker in onward]
            return python_backward(order[position], [frame[n] for n in dys], wants, accumulate, own, shared, going_on)

        return call_step(self._entry(CALL, 0, make))

    def idle(self, record: Idle) -> None:
        return None

    def free(self, record: Free) -> Step:
        self.freed += record.values
        return free_step(record.values, [self._operator(position) for position in record.operators])

    # ---- what steps work on beside values ----------------------------------------------------------------

    def _argument(self, argument: Argument) -> int:
        if argument == NOTHING:
            return self._nothing()
        if isinstance(argument, Present):
            number = argument.value
            return self._entry(CALL, 0, lambda order, frame: PresentSlot(frame[number]))
        assert isinstance(argument, Gathered)
        numbers = argument.values
        return self._entry(CALL, 0, lambda order, frame: GatheredSlot([frame[n] for n in numbers]))

    def _nothing(self) -> int:
        if self._no_slot is None:
            self._no_slot = self._entry(CONSTANT, 0, NO_SLOT)
        return self._no_slot

    def _operator(self, position: int) -> int:
        found = self._operators.get(position)
        if found is None:
            found = self._operators[position] = self._entry(OPERATOR, position, None)
        return found


def _receiver(put: Put) -> Receiver:
    """Takes a gradient where it belongs."""
    if put.how == ACCUMULATE:
        assert put.dtype is not None
        receiver = accumulating(put.value, put.dtype)
    else:
        receiver = adding(put.value, put.shares) if put.how == ADD else assigning(put.value)
        if put.dtype is not None:
            receiver = casting(receiver, put.dtype)
    return receiver if put.sum_to is None else summing(receiver, put.sum_to)


_STEPS: dict[type, Callable[[_Lowering, Any], Step | None]] = {
    Call: _Lowering.call,
    JoinedCall: _Lowering.joined_call,
    SumCall: _Lowering.sum_call,
    Link: _Lowering.link,
    UserCall: _Lowering.user_call,
    Fused: _Lowering.fused,
    Cast: _Lowering.cast,
    Gradient: _Lowering.gradient,
    JoinedGradient: _Lowering.joined_gradient,
    UserGradient: _Lowering.user_gradient,
    Idle: _Lowering.idle,
    Free: _Lowering.free,
}
