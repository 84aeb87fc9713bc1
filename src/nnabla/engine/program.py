"""Programs: what a plan does, as data. A flat list of records, and the numbered values that they read and write.

`forward` and `backward` write a program down, plainly; `passes` make it better, each taking a program and giving one;
`lowering` turns the records into the steps of a plan; `checking` says whether a program is right; `display` shows it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch

from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.operator import Shape
from .frame import ARRAY, CONSTANT, INPUT_ARRAY, INPUT_BUFFERS, LEAF, OUTPUT_GRAD, SLOT
from .kernel_choice import ForwardKernel, GradientKernel, JoinedForwardKernel, JoinedKernel, SumKernel
from .liveness import block_of

NOTHING = -1
"""Stands among what is read for an optional input that was not given."""

THROUGH = -2
"""Stands among what a function that others were fused with reads for the output of the one before it."""

ANY_TYPE: Any = "any type"
"""The type of a value that is known only when it has been computed."""


class Value(NamedTuple):
    """A tensor that a program works on; its number is its place in `Program.values`.

    Attributes:
        source, position, i, more: where it is found in a graph, see `frame`.
        dtype: its type.
    """

    source: int
    position: int
    i: int
    more: Any
    dtype: Any


class Present(NamedTuple):
    """A value that must be there: where an input is optional, none would mean that it was not given."""

    value: int


class Gathered(NamedTuple):
    """Several values, read as one: the inputs of a function that takes any number."""

    values: tuple[int, ...]


Argument = int | Present | Gathered


class Put(NamedTuple):
    """Where one of the gradients that a record computes goes.

    Attributes:
        value: the gradient, or the buffers of a leaf.
        input: of the function, by its index among those given.
        how: ASSIGN, ADD or ACCUMULATE.
        sum_to: the shape of an input that was broadcast, which the gradient is summed to; None: as it is.
        dtype: what it is converted to; None: as it is.
        own: whether it must share memory with nothing.
        shares: whether it may share memory with something.
    """

    value: int
    input: int
    how: int
    sum_to: Shape | None
    dtype: torch.dtype | None
    own: bool
    shares: bool


# The first gradient that reaches an intermediate variable, a further one, and any that reaches a leaf.
ASSIGN, ADD, ACCUMULATE = range(3)


class Call(NamedTuple):
    """Compute the outputs of a function."""

    function: int
    kernel: ForwardKernel
    reads: tuple[int, ...]
    writes: tuple[int, ...]

    def with_kernel(self, **flags: bool) -> Call:
        """The same by another kernel: one with these flags."""
        return Call(self.function, self.kernel._replace(**flags), self.reads, self.writes)


class JoinedCall(NamedTuple):
    """Compute the outputs of several functions that have all inputs but the first in common, at once.

    Attributes:
        function: the first of them.
        functions: all of them.
        kernel: is given a list of the first inputs.
        reads: the first input of each.
        shared: the other inputs.
        writes: the output of each.
    """

    function: int
    functions: tuple[int, ...]
    kernel: JoinedForwardKernel
    reads: tuple[int, ...]
    shared: tuple[int, ...]
    writes: tuple[int, ...]


class SumCall(NamedTuple):
    """Compute the sum of one input and of what another function makes of its own inputs, which nobody else wants.

    Attributes:
        function: the sum.
        inner: position of the other function.
        kernel: of the other function.
        reads: the one input, and those of the other function.
        writes: the sum.
    """

    function: int
    inner: int
    kernel: SumKernel
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class Link(NamedTuple):
    """The output of a function is an input: nothing is computed.

    Attributes:
        moves: whether that input is computed in the graph, so that it is another tensor each time.
    """

    function: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    moves: bool


class UserCall(NamedTuple):
    """Call a user's forward_impl."""

    function: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class Fused(NamedTuple):
    """Compute the output of the last of several functions, each of which reads that of the one before: a layer, what
    scales its output maps, a sum, and an activation. All of them may be missing but the layer.

    Attributes:
        parts: the functions.
        arguments: what each is called with.
        writes: the output of the last one.
        scales: how many functions scale the output maps.
        adds: whether there is a sum.
    """

    parts: tuple[int, ...]
    arguments: tuple[tuple[int, ...], ...]
    writes: tuple[int, ...]
    scales: int = 0
    adds: bool = False

    @property
    def function(self) -> int:
        """The first one, a layer."""
        return self.parts[0]

    @property
    def reads(self) -> tuple[int, ...]:
        return tuple([number for numbers in self.arguments for number in numbers if number >= 0])

    @property
    def streams(self) -> tuple[int, ...]:
        """What is no parameter: the layer's input, and what is added."""
        x = self.arguments[0][0]
        if not self.adds:
            return (x,)
        (other,) = [number for number in self.arguments[1 + self.scales] if number != THROUGH]
        return x, other


class Cast(NamedTuple):
    """Convert a value for a reader of another type."""

    source: int
    target: int
    dtype: torch.dtype


class Gradient(NamedTuple):
    """Compute gradients of the inputs of a function.

    Attributes:
        dys: gradients of the outputs.
        arguments: what the kernel is called with, those among them that it names.
        puts: where the results go.
    """

    function: int
    kernel: GradientKernel
    dys: tuple[int, ...]
    arguments: tuple[Argument, ...]
    puts: tuple[Put, ...]

    def with_kernel(self, **flags: Any) -> Gradient:
        """The same by another kernel: one with these flags."""
        return Gradient(self.function, self.kernel._replace(**flags), self.dys, self.arguments, self.puts)


class JoinedGradient(NamedTuple):
    """Compute gradients of leaves that several functions read, over all of them at once.

    Attributes:
        function: the last of them.
        functions: all of them.
        kernel: is given a tuple for each argument of `grad`.
        dys: gradients of the outputs of each.
        arguments: for each argument of `grad`, that of each function.
        puts: where the sums go; inputs are those of any of the functions.
    """

    function: int
    functions: tuple[int, ...]
    kernel: JoinedKernel
    dys: tuple[tuple[int, ...], ...]
    arguments: tuple[tuple[int, ...], ...]
    puts: tuple[Put, ...]


class UserGradient(NamedTuple):
    """Call a user's backward_impl.

    Attributes:
        own: for each output, whether nothing else holds its gradient.
        shared: inputs with gradients to be added to that may share memory with others.
    """

    function: int
    dys: tuple[int, ...]
    puts: tuple[Put, ...]
    own: tuple[bool, ...]
    shared: tuple[int, ...]


class Idle(NamedTuple):
    """No gradient comes to a function: nothing is computed, but what it alone needs may go."""

    function: int


class Free(NamedTuple):
    """Let go of values, and of what operators kept for a gradient (by the positions of their functions)."""

    values: tuple[int, ...]
    operators: tuple[int, ...]


Record = (
    Call
    | JoinedCall
    | SumCall
    | Link
    | UserCall
    | Fused
    | Cast
    | Gradient
    | JoinedGradient
    | UserGradient
    | Idle
    | Free
)


def functions_of(record: Record) -> tuple[int, ...]:
    """Positions of the functions that a record carries out."""
    if isinstance(record, (Call, Gradient)):
        return (record.function,)
    if isinstance(record, (Cast, Free)):
        return ()
    if isinstance(record, (JoinedCall, JoinedGradient)):
        return record.functions
    if isinstance(record, Fused):
        return record.parts
    return (record.function, record.inner) if isinstance(record, SumCall) else (record.function,)


def read_by(record: Record) -> Sequence[int]:
    """The values that must be there when a record is carried out; for a link, the input that it shows.

    Not among them are gradients of leaves that are accumulated: nothing need be there yet.
    """
    numbers: Iterable[int]
    if isinstance(record, (Call, SumCall, Link, UserCall)):
        numbers = record.reads
    elif isinstance(record, JoinedCall):
        numbers = chain(record.reads, record.shared)
    elif isinstance(record, Cast):
        return (record.source,)
    elif isinstance(record, Gradient):
        return [*values_of(record.arguments), *_added_to(record.puts)]
    elif isinstance(record, JoinedGradient):
        numbers = chain(*record.arguments)
    elif isinstance(record, UserGradient):
        return [*record.dys, *_added_to(record.puts)]
    else:
        return record.reads if isinstance(record, Fused) else ()
    return [number for number in numbers if number != NOTHING]


def _added_to(puts: Iterable[Put]) -> list[int]:
    return [put.value for put in puts if put.how == ADD]


def written_by(record: Record) -> Sequence[int]:
    """The values that a record computes, gradients of leaves apart; a link writes what it shows."""
    if isinstance(record, (Gradient, JoinedGradient, UserGradient)):
        return [put.value for put in record.puts if put.how != ACCUMULATE]
    if isinstance(record, (Free, Idle)):
        return ()
    return (record.target,) if isinstance(record, Cast) else record.writes


def may_write(program: Program, record: Record | None) -> bool:
    """Whether a record may write to an input of its function: then no other reading of it may be moved past it."""
    if type(record) is not Call:
        return type(record) is UserCall
    function = program.order[record.function]
    operator = function._operator
    if record.kernel.writes or not operator.updated:
        return record.kernel.writes
    # Batch normalization by the running statistics does not move them.
    shapes = [v.shape for v in function._inputs]
    return operator.scales is None or not any([operator.scales(0, axis, shapes) for axis in range(len(shapes[0]))])


def writers(program: Program) -> list[int]:
    """The places of records that may write to inputs, in order."""
    return [place for place, record in enumerate(program.records) if may_write(program, record)]


class Program(NamedTuple):
    """What a plan does in one graph.

    Attributes:
        way: "forward" or "backward".
        order: the functions of the graph; records name them by their positions.
        values: what is read and written.
        records: what happens, in this order.
        mortal: for the address of each memory that may be freed once nothing needs it, the values on it.
        mortal_gradients: for each function the gradients of its outputs that may be freed, once they were used.
        exposed: addresses of arrays that must share memory with no others: users or functions write to them.
        hidden: addresses of the arrays whose gradients nobody sees, backward.
        clears: whether what operators keep may go as soon as it was used.
        roots: what is asked for, forward; backward, what the gradient starts from.
    """

    way: str
    order: Sequence[Function]
    values: Sequence[Value]
    records: Sequence[Record]
    mortal: Mapping[int, Sequence[int]]
    mortal_gradients: Mapping[int, Sequence[int]]
    exposed: set[int]
    hidden: Container[int]
    clears: bool
    roots: tuple[int, ...]


def values_of(arguments: Iterable[Argument]) -> list[int]:
    """The numbers among arguments; those not given are left out."""
    found: list[int] = []
    for argument in arguments:
        if isinstance(argument, Gathered):
            found += argument.values
        else:
            found.append(argument.value if isinstance(argument, Present) else argument)
    return [number for number in found if number != NOTHING]


def array_of(program: Program, number: int) -> NdArray:
    """The array of a value; for a gradient or a conversion, the one of its shape."""
    value = program.values[number]
    function = program.order[value.position]
    if value.source in (ARRAY, OUTPUT_GRAD, CONSTANT):
        return function._outputs[value.i].data
    if number in program.roots:
        return program.order[-1]._outputs[0].data
    return function._inputs[value.i]._buffers.data


def place_of(program: Program, number: int) -> tuple[Any, ...]:
    """Where a value is found: values of the same place are on the same memory, in other programs of the graph, too."""
    value = program.values[number]
    source = value.source
    if source in (SLOT, CONSTANT):
        return "slot" if source == SLOT else "constant", program.way, number
    if source in (ARRAY, LEAF, INPUT_ARRAY):
        return "data", block_of(array_of(program, number))
    function = program.order[value.position]
    if source == INPUT_BUFFERS:
        return "leaf gradient", id(function._inputs[value.i]._buffers)
    return "gradient", id(function._outputs[value.i] if source == OUTPUT_GRAD else function._inputs[value.i]._buffers)
