"""Whether a program is right: it is run on no values at all, keeping account of what is where.

No record may read what is not there yet, was freed, was written over, or has another type; each function must be
carried out once, with its own inputs and outputs; each gradient must arrive where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import GraphError
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.operator import Kind
from ..graph.setup import wanted_inputs
from .frame import CONSTANT, LEAF, SLOT
from .liveness import block_of
from .program import (
    ACCUMULATE,
    ADD,
    ANY_TYPE,
    ASSIGN,
    NOTHING,
    THROUGH,
    Argument,
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
    place_of,
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
    state = _State()
    if programs and programs[0].way == "backward":
        state.begin_with_backward(programs[0])
    for program in programs:
        _Check(program, state).run()
    return state.faults


# Stands for the memory that a tensor may share with others: a number for each tensor that was ever made.
Memory = frozenset[int]


class _State:
    """What is there between records and between programs."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        # By where it is found, see `_Check.place`, the memory that it may share.
        self.there: dict[Any, Memory] = {}
        # Memory that was written over, and by what.
        self.spent: dict[int, str] = {}
        # What functions kept for their gradient.
        self.kept: dict[int, Memory] = {}
        self._count = 0

    def new(self) -> Memory:
        self._count += 1
        return frozenset([self._count])

    def begin_with_backward(self, program: Program) -> None:
        recomputed = {
            block_of(v._buffers.data)
            for function in program.order
            for v in [ref() for ref in function._output_refs]
            if v is not None and v._recompute and block_of(v._buffers.data) in program.mortal
        }
        for function in program.order:
            self.kept[id(function)] = self.new()
            for buffers in function._outputs:
                if block_of(buffers.data) not in recomputed:
                    self.there.setdefault(("data", block_of(buffers.data)), self.new())


class _Check:
    def __init__(self, program: Program, state: _State) -> None:
        self.program = program
        self.state = state
        self.now = ""
        # Memory that functions make; an output that is a leaf is on the leaf's.
        self.outputs = {id(b.data) for function in program.order for b in function._outputs}
        self.made = {block_of(b.data) for function in program.order for b in function._outputs} & self.outputs
        self.sources = {r.target: r.source for r in program.records if isinstance(r, Cast)}
        # Inputs of functions whose gradients are computed for several functions at once.
        self.joined: dict[int, set[int]] = {}
        for record in program.records:
            if isinstance(record, JoinedGradient):
                for position in record.functions:
                    self.joined.setdefault(position, set()).update([put.input for put in record.puts])
        # Functions carried out, and gradients that came, by where they are found.
        self.carried_out: dict[int, int] = {}
        self.came: set[Any] = set()
        self.used: set[Any] = set()

    def fault(self, text: str) -> None:
        self.state.faults.append(f"{self.program.way}, {self.now}: {text}")

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

    # ---- values ------------------------------------------------------------------------------------------

    def place(self, number: int) -> Any:
        """Where a value is found."""
        return place_of(self.program, number)

    def name(self, number: int) -> str:
        value = self.program.values[number]
        kind = self.place(number)[0]
        if kind == "slot" and number in self.sources:
            return f"value {number}, a conversion of {self.name(self.sources[number])}"
        if kind == "slot":
            return f"value {number}, the gradient to start from"
        return f"value {number} ({kind} of {self.program.order[value.position].name})"

    def memory(self, number: int) -> Memory:
        """The memory of a value; empty where it is not there."""
        place = self.place(number)
        if place[0] == "data" and place[1] not in self.made and place not in self.state.there:
            self.state.there[place] = self.state.new()  # A leaf is always there.
        if place[0] == "constant":
            return self.state.there.setdefault(place, self.state.new())
        return self.state.there.get(place, frozenset())

    def read(self, number: int) -> Memory:
        memory = self.memory(number)
        if not memory:
            self.fault(f"reads {self.name(number)}, which is not there")
        for one in memory:
            if one in self.state.spent:
                self.fault(f"reads {self.name(number)}, which {self.state.spent[one]} has written over")
                break
        return memory

    def spend(self, number: int) -> None:
        """Note that the memory of a value is written over."""
        place = self.place(number)
        may_go = place[1] in self.program.mortal if place[0] == "data" else place[0] == "slot"
        if place[0] == "gradient":
            may_go = any(number in numbers for numbers in self.program.mortal_gradients.values())
        if not may_go or place in [self.place(root) for root in self.program.roots]:
            self.fault(f"writes over {self.name(number)}, which must stay")
        self.state.spent.update(dict.fromkeys(self.memory(number), self.now))

    def origin(self, number: int) -> Any:
        """Where a value, or what it was converted from, is found."""
        return self.place(self.sources.get(number, number))

    # ---- forward -----------------------------------------------------------------------------------------

    def check_type(self, function: Function, i: int, number: int) -> None:
        operator = function._operator
        kind = operator.wiring.kinds[i]
        value = self.program.values[number]
        if value.source == LEAF:
            right = value.more == (operator.input_dtype(kind), operator.device, kind)
        elif kind is Kind.AS_IS:
            right = number not in self.sources
        elif kind is Kind.WHOLE and (value.dtype is ANY_TYPE or not value.dtype.is_floating_point):
            right = True
        else:
            right = value.dtype is operator.input_dtype(kind)
        if not right:
            self.fault(f"reads {self.name(number)} as {value.dtype}, not in the type that it computes in")

    def check_inputs(self, function: Function, reads: Sequence[int]) -> Memory:
        """Check that these are all inputs of a function; returns the memory that they may share."""
        present = function._operator.present
        given = [number for number in reads if number != NOTHING]
        if len(reads) != len(present) or [number != NOTHING for number in reads] != list(present):
            self.fault(f"is called with {len(given)} inputs, not {sum(present)}")
            return frozenset()
        memory: Memory = frozenset()
        for i, (number, v) in enumerate(zip(given, function._inputs, strict=True)):
            memory |= self.read(number)
            if self.origin(number) != ("data", block_of(v._buffers.data)):
                self.fault(f"reads {self.name(number)} for its input {i}")
            self.check_type(function, i, number)
        return memory

    def carry_out(self, position: int, writes: Sequence[int]) -> Function:
        function = self.program.order[position]
        self.carried_out[position] = self.carried_out.get(position, 0) + 1
        if [self.place(number) for number in writes] != [("data", block_of(b.data)) for b in function._outputs]:
            self.fault("writes to what are not its outputs")
        return function

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
        if functions[0]._operator.join is None or len({id(f._operator.prototype) for f in functions}) != 1:
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

    def check_output_gradients(self, function: Function, dys: Sequence[int]) -> None:
        if len(dys) != len(function._outputs):
            self.fault(f"has {len(function._outputs)} outputs, not {len(dys)}")
            return
        for number, buffers in zip(dys, function._outputs, strict=True):
            place = ("gradient", id(buffers))
            value = self.program.values[number]
            if value.source == CONSTANT and place in self.came:
                self.fault(f"leaves out the gradient of its output, which has come to {self.name(number)}")
            elif value.source not in (CONSTANT, SLOT) and self.place(number) != place:
                self.fault(f"takes {self.name(number)} for the gradient of its output")
            self.used.add(place)

    def check_derived(self, record: Gradient) -> None:
        """Check that the derived gradient of a function is called with all that the function is."""
        dys = list(record.dys)
        if list(record.arguments[: len(dys)]) != dys:
            self.fault("is not called with the gradients of its outputs")
        function = self.program.order[record.function]
        self.check_inputs(function, [a for a in record.arguments[len(dys) :] if type(a) is int])

    def check_arguments(self, function: Function, given: Sequence[int], arguments: Sequence[Argument]) -> None:
        """Check that the kernel is called with what its declaration names."""
        dys = list(given)
        wanted: list[Any] = function._operator.wiring.arguments(
            dys, lambda i: ("x", i), lambda i: ("y", i), NOTHING, lambda found: list(found)
        )
        if len(wanted) != len(arguments):
            self.fault(f"is called with {len(arguments)} arguments, not {len(wanted)}")
            return
        for argument, right in zip(arguments, wanted, strict=True):
            numbers = values_of([argument])
            for number, one in zip(numbers, right if type(right) is list else [right], strict=False):
                self.check_argument(function, number, one)
            if (argument == NOTHING) != (right == NOTHING) or (type(right) is list and len(numbers) != len(right)):
                self.fault("is called with other inputs than it was given")

    def check_argument(self, function: Function, number: int, right: Any) -> None:
        if type(right) is int:
            if number != right:
                self.fault(f"reads {self.name(number)} for the gradient of its output")
            return
        role, i = right
        array = function._inputs[i]._buffers.data if role == "x" else function._outputs[i].data
        if self.origin(number) != ("data", block_of(array)):
            self.fault(f"reads {self.name(number)} for its {'input' if role == 'x' else 'output'} {i}")
        if role == "x":
            self.check_type(function, i, number)

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
        for number in (*record.dys, *values_of(record.arguments)):
            if number in record.dys and number not in values_of(record.arguments):
                continue
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
        if functions[-1]._operator.join_grad is None or len({id(f._operator.prototype) for f in functions}) != 1:
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
        reads = [v._buffers.data for i, v in enumerate(function._inputs) if function._reads("x", i)]
        reads += [b.data for i, b in enumerate(function._outputs) if function._reads("y", i)]
        for array in reads:
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
