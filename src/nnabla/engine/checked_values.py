"""What is where while a program is gone through without computing: the account that `checking` keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.function import Function
from ..graph.operator import Kind
from .frame import CONSTANT, LEAF, SLOT
from .liveness import block_of
from .program import ANY_TYPE, NOTHING, Argument, Cast, JoinedGradient, Program, place_of, values_of

# Stands for the memory that a tensor may share with others: a number for each tensor that was ever made.
Memory = frozenset[int]


class State:
    """What is there between records and between programs."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        # By where it is found, see `place_of`, the memory that it may share.
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


class CheckedValues:
    """The values of one program: which of them are there, on which memory, and in which types.

    Args:
        program: that is checked.
        state: what the programs before it have left.

    Attributes:
        now: which record it is at.
    """

    def __init__(self, program: Program, state: State) -> None:
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

    # ---- what functions read and write -------------------------------------------------------------------

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
