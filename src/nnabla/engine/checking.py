"""Whether a program is right: it is run on no values at all, keeping account of what is where (`checked_values`).

No record may read what is not there yet, was freed, was written over, or has another type; each function must be
carried out once, with its own inputs and outputs; each gradient must arrive where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import GraphError
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.prototype import kind_of
from ..graph.setup import wanted_inputs
from .checked_values import CheckedValues, Memory, State
from .liveness import block_of
from .program import (
    ACCUMULATE,
    ADD,
    ASSIGN,
    NOTHING,
    THROUGH,
    Call,
    Cast,
    Free,
    Fused,
    Gradient,
    Idle,
    JoinedCall,
    JoinedGradient,
    Link,
    Program,
    Put,
    SumCall,
    UserCall,
    UserGradient,
    values_of,
)


class ProgramError(GraphError):
    """A program would compute something wrong."""


def check(*programs: Program) -> None:
    """Check programs that run one after another on one graph.

    Args:
        programs: forward, say, and backward. Before a backward alone everything is there but what is computed again.

    Raises:
        ProgramError: the first fault of each; the message names the record.
    """
    found = faults(*programs)
    if found:
        raise ProgramError("\n".join(found))


def faults(*programs: Program) -> list[str]:
    """What is wrong with programs that run one after another on one graph; none if they are right."""
    state = State()
    if programs and programs[0].way == "backward":
        state.begin_with_backward(programs[0])
    for program in programs:
        _Check(program, state).run()
    return state.faults


class _Check(CheckedValues):
    """What is right for each kind of record."""

    def run(self) -> None:
        if self.program.way == "backward":
            self.state.there[self.place(self.program.roots[0])] = self.state.new()
        for number, record in enumerate(self.program.records):
            self.now = f"record {number}"
            if not isinstance(record, (Cast, Free)):
                self.now += f" ({self.program.order[record.function].name})"
            _RULES[type(record)](self, record)
        self.now = "at the end"
        self.finish()

    # ---- forward -----------------------------------------------------------------------------------------

    def call(self, record: Call) -> None:
        function = self.carry_out(record.function, record.writes)
        operator, kernel = function._operator, record.kernel
        memory = self.check_inputs(function, record.reads)
        if kernel.overwrites:
            if operator.overwrite is None or function._inputs[0].shape != function._outputs[0].data.shape:
                self.fault("cannot write over its input")
            self.spend(record.reads[0])
        is_view = operator.view and not kernel.copies and not kernel.writes
        arrays = [v._buffers.data for v in function._inputs] + [b.data for b in function._outputs]
        if is_view and any(block_of(a) in self.program.exposed or block_of(a) not in self.made for a in arrays):
            self.fault("returns a view of what others write to")
        if not kernel.writes:
            for number in record.writes:
                self.state.there[self.place(number)] = self.state.new() | (memory if is_view else frozenset())
        kept = self.state.new()
        if operator.overwrite is None:
            kept |= memory
        if operator.keeps_output:
            kept = kept.union(*[self.memory(number) for number in record.writes])
        self.state.kept.pop(id(function), None)
        if operator.keeps and (kernel.keep or kernel.repeats):
            self.state.kept[id(function)] = kept

    def fused(self, record: Fused) -> None:
        functions = [self.program.order[position] for position in record.parts]
        for position in record.parts[:-1]:
            self.carried_out[position] = self.carried_out.get(position, 0) + 1
        self.carry_out(record.parts[-1], record.writes)
        before: Function | None = None
        for function, arguments in zip(functions, record.arguments, strict=True):
            given = [number for number in arguments if number != NOTHING]
            if [number != NOTHING for number in arguments] != list(function._operator.present):
                self.fault(f"calls {function.name} with {len(given)} inputs")
                continue
            if given.count(THROUGH) != (before is not None):
                self.fault(f"calls {function.name} with the output of another {given.count(THROUGH)} times")
            for i, (number, v) in enumerate(zip(given, function._inputs, strict=True)):
                if number != THROUGH:
                    self.read(number)
                    if self.origin(number) != ("data", block_of(v._buffers.data)):
                        self.fault(f"reads {self.name(number)} for input {i} of {function.name}")
                    self.check_type(function, i, number)
                elif before is not None and v._buffers.data is not before._outputs[0].data:
                    self.fault(f"hands input {i} of {function.name} what is none")
            before = function
        for function in functions[:-1]:
            block = block_of(function._outputs[0].data)
            if block not in self.program.mortal:
                self.fault(f"leaves out the output of {function.name}, which must stay")
            self.state.there.pop(("data", block), None)
        for number in record.writes:
            self.state.there[self.place(number)] = self.state.new()

    def joined_call(self, record: JoinedCall) -> None:
        functions = [self.program.order[position] for position in record.functions]
        if functions[0]._operator.join is None or len({kind_of(f._operator) for f in functions}) != 1:
            self.fault("cannot be carried out for several functions")
        if not len(functions) == len(record.reads) == len(record.writes):
            self.fault("has not the input and the output of each function")
            return
        for position, x, y in zip(record.functions, record.reads, record.writes, strict=True):
            function = self.carry_out(position, (y,))
            self.check_inputs(function, (x, *record.shared))
            if block_of(function._outputs[0].data) in self.program.exposed:
                self.fault("computes in common what others write to")
        for y in record.writes:
            self.state.there[self.place(y)] = self.state.new()

    def sum_call(self, record: SumCall) -> None:
        function, inner = self.carry_out(record.function, record.writes), self.program.order[record.inner]
        self.carried_out[record.inner] = self.carried_out.get(record.inner, 0) + 1
        if not function._operator.is_sum or inner._operator.add_to is None or len(inner._outputs) != 1:
            self.fault(f"cannot be computed together with {inner.name}")
        array = inner._outputs[0].data
        if self.program.mortal.get(block_of(array), ()) == () or id(array) not in self.made:
            self.fault(f"leaves out the output of {inner.name}, which must stay")
        # What the inner function makes stands for one of the inputs of the sum.
        others = [(i, v._buffers.data) for i, v in enumerate(function._inputs) if v._buffers.data is not array]
        if len(others) != 1 or self.origin(record.reads[0]) != ("data", block_of(others[0][1])):
            self.fault(f"adds what {inner.name} computes to another value than its input")
        else:
            self.check_type(function, others[0][0], record.reads[0])
        self.read(record.reads[0])
        self.check_inputs(inner, record.reads[1:])
        self.state.there.pop(("data", block_of(array)), None)
        for number in record.writes:
            self.state.there[self.place(number)] = self.state.new()

    def link(self, record: Link) -> None:
        self.carry_out(record.function, record.writes)
        for number in record.reads:
            self.read(number)

    def user_call(self, record: UserCall) -> None:
        self.carry_out(record.function, record.writes)
        for number in record.reads:
            self.read(number)
        for number in record.writes:
            self.state.there[self.place(number)] = self.state.new()

    def cast(self, record: Cast) -> None:
        # Where it has that type already, it stays what it is.
        memory = self.read(record.source)
        if self.program.values[record.target].dtype is not record.dtype:
            self.fault("converts to another type than its readers want")
        self.state.there[self.place(record.target)] = self.state.new() | memory

    # ---- backward ----------------------------------------------------------------------------------------

    def check_derived(self, record: Gradient) -> None:
        """Check that the derived gradient of a function is called with all that the function is."""
        dys = list(record.dys)
        if list(record.arguments[: len(dys)]) != dys:
            self.fault("is not called with the gradients of its outputs")
        function = self.program.order[record.function]
        self.check_inputs(function, [a for a in record.arguments[len(dys) :] if type(a) is int])

    def check_puts(self, position: int, puts: Sequence[Put]) -> None:
        function = self.program.order[position]
        self.carried_out[position] = self.carried_out.get(position, 0) + 1
        wants = wanted_inputs(function._operator, function._inputs)
        joined = self.joined.get(position, ())
        if sorted(put.input for put in puts) != [i for i, want in enumerate(wants) if want and i not in joined]:
            self.fault("does not compute the gradients that are wanted")

    def put(self, function: Function, put: Put, memory: Memory) -> None:
        v = function._inputs[put.input]
        operator = function._operator
        place = self.place(put.value)
        is_made = id(v._buffers.data) in self.outputs
        right = ("gradient" if is_made else "leaf gradient", id(v._buffers))
        if place != right:
            self.fault(f"puts the gradient of its input {put.input} into {self.name(put.value)}")
        if place in self.used:
            self.fault(f"adds to {self.name(put.value)}, which was used before")
        how = ACCUMULATE if not is_made else ADD if place in self.came else ASSIGN
        if put.how != how:
            words = "assigns", "adds", "accumulates"
            self.fault(f"{words[put.how]} the gradient of its input {put.input} where it {words[how]}")
        if put.how == ADD and not self.memory(put.value):
            self.fault(f"adds to {self.name(put.value)}, which is not there")
        if not isinstance(operator, Callback):
            summed = operator.broadcast and v.shape != function._outputs[0].data.shape
            if (put.sum_to if summed else v.shape) != v.shape or (put.sum_to is None) == summed:
                self.fault(f"leaves the gradient of its input {put.input} in another shape")
            if is_made:
                (dtype,) = {
                    f._operator.compute_dtype
                    for f in self.program.order
                    for b in f._outputs
                    if b.data is v._buffers.data
                }
                if (put.dtype or operator.compute_dtype) is not dtype:
                    self.fault(f"leaves the gradient of its input {put.input} in another type")
            may_share = operator.grad_aliases or operator.grad is None
            if may_share != put.shares:
                self.fault(f"says wrongly whether the gradient of its input {put.input} shares memory")
            is_hidden = id(v._buffers.data) in self.program.hidden
            if may_share and not put.own and put.sum_to is None and not is_hidden:
                self.fault(f"gives the gradient of its input {put.input} memory that others have")
            fresh = put.own or not may_share
            memory = self.state.new() | (frozenset() if fresh else memory)
        else:
            memory = self.state.new()
        self.came.add(place)
        self.state.there[place] = self.state.new() if put.how == ADD else memory

    def gradient(self, record: Gradient) -> None:
        function = self.program.order[record.function]
        operator = function._operator
        self.check_puts(record.function, record.puts)
        memory: Memory = frozenset()
        for number in values_of(record.arguments):
            memory |= self.read(number)
        self.check_output_gradients(function, record.dys)
        if record.kernel.derived:
            self.check_derived(record)
        else:
            self.check_arguments(function, record.dys, record.arguments)
        if record.kernel.derived != (operator.grad is None):
            self.fault("derives a gradient that is declared, or the other way round")
        if operator.keeps and operator.grad is not None:
            kept = self.state.kept.get(id(function))
            if kept is None:
                self.fault("needs what forward kept, which was freed")
            elif any(one in self.state.spent for one in kept):
                self.fault("needs what forward kept, which was written over")
        if record.kernel.overwrites:
            if operator.overwrite_grad is None:
                self.fault("cannot write over the gradient of its output")
            self.spend(record.dys[0])
        for put in record.puts:
            self.put(function, put, memory)

    def joined_gradient(self, record: JoinedGradient) -> None:
        functions = [self.program.order[position] for position in record.functions]
        if functions[-1]._operator.join_grad is None or len({kind_of(f._operator) for f in functions}) != 1:
            self.fault("cannot be carried out for several functions")
        if len(record.dys) != len(functions) or any([len(column) != len(functions) for column in record.arguments]):
            self.fault("has not the gradients and arguments of each function")
            return
        for position, function, dys, *given in zip(
            record.functions, functions, record.dys, *record.arguments, strict=True
        ):
            wants = wanted_inputs(function._operator, function._inputs)
            alone = any([want and i not in self.joined[position] for i, want in enumerate(wants)])
            if alone and not self.carried_out.get(position):
                self.fault(f"the gradient of {function.name} that is computed alone was left out")
            self.carried_out[position] = self.carried_out.get(position, 0) + 1
            for number in given:
                self.read(number)
            self.check_output_gradients(function, dys)
            self.check_arguments(function, dys, given)
            for put in record.puts:
                v, same = function._inputs[put.input], functions[-1]._inputs[put.input]
                if v._buffers is not same._buffers or not wants[put.input] or not put.input:
                    self.fault(f"joins gradients of the input {put.input} of several functions, which are not one")
        for put in record.puts:
            self.put(functions[-1], put, frozenset())

    def user_gradient(self, record: UserGradient) -> None:
        function = self.program.order[record.function]
        self.check_puts(record.function, record.puts)
        for number in record.dys:
            self.read(number)
        self.check_output_gradients(function, record.dys)
        for array in function._read_arrays():
            if block_of(array) in self.made and ("data", block_of(array)) not in self.state.there:
                self.fault("reads values that are not there")
        for put in record.puts:
            self.put(function, put, frozenset())

    def idle(self, record: Idle) -> None:
        self.carried_out[record.function] = self.carried_out.get(record.function, 0) + 1

    # ---- memory, and the end -----------------------------------------------------------------------------

    def free(self, record: Free) -> None:
        places = {self.place(number): number for number in record.values}
        for place, number in places.items():
            if (place[0] == "data" and place[1] not in self.program.mortal) or (
                place[0] == "gradient"
                and not any(number in numbers for numbers in self.program.mortal_gradients.values())
            ):
                self.fault(f"frees {self.name(number)}, which must stay")
            elif place[0] not in ("data", "gradient") and number not in self.sources:
                self.fault(f"frees {self.name(number)}, which is no intermediate value")
            self.state.there.pop(place, None)
        for position in record.operators:
            self.state.kept.pop(id(self.program.order[position]), None)

    def finish(self) -> None:
        program, order = self.program, self.program.order
        if program.way == "forward":
            for position, function in enumerate(order):
                if self.carried_out.get(position, 0) != 1:
                    self.fault(f"{function.name} was carried out {self.carried_out.get(position, 0)} times, not once")
            for root in program.roots:
                self.read(root)
        else:
            for position, function in enumerate(order):
                came = any(("gradient", id(b)) in self.came for b in function._outputs)
                wanted = function._needs_grad and any(wanted_inputs(function._operator, function._inputs))
                if came and wanted and not self.carried_out.get(position):
                    self.fault(f"the gradient of {function.name} was left out")
        for (kind, where), memory in [(p, m) for p, m in self.state.there.items() if len(p) == 2]:
            if any(one in self.state.spent for one in memory):
                mortal = kind == "data" and where in program.mortal
                if not mortal:
                    self.fault(f"what is left as {kind} was written over")


_RULES: dict[type, Callable[[_Check, Any], None]] = {
    Call: _Check.call,
    JoinedCall: _Check.joined_call,
    SumCall: _Check.sum_call,
    Link: _Check.link,
    UserCall: _Check.user_call,
    Fused: _Check.fused,
    Cast: _Check.cast,
    Gradient: _Check.gradient,
    JoinedGradient: _Check.joined_gradient,
    UserGradient: _Check.user_gradient,
    Idle: _Check.idle,
    Free: _Check.free,
}
