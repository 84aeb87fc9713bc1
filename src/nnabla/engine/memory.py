"""How much memory a program takes: which tensors are there after each record, and how large they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple

import torch

from .._array_view import shown_by
from ..graph.function import Function
from ..graph.operator import Operator
from ..graph.setup import with_gaps
from .frame import ARRAY, INPUT_BUFFERS, LEAF, OUTPUT_GRAD, SLOT
from .program import (
    ADD,
    ANY_TYPE,
    ASSIGN,
    Call,
    Cast,
    Free,
    Fused,
    Gradient,
    JoinedCall,
    JoinedGradient,
    Program,
    Put,
    Record,
    SumCall,
    UserCall,
    UserGradient,
    array_of,
    place_of,
)


class Held(NamedTuple):
    """Some memory, and what holds it."""

    bytes: int
    what: str


class Peak(NamedTuple):
    """When a program takes most memory.

    Attributes:
        bytes: of all tensors of the graph that are there: parameters and inputs, too.
        way: "forward" or "backward".
        record: its number there.
        function: its name.
        holders: what is there then, largest first.
    """

    bytes: int
    way: str
    record: int
    function: str
    holders: list[Held]

    def __str__(self) -> str:
        lines = [f"{size_text(self.bytes)} at the peak, in {self.way}, record {self.record} ({self.function})"]
        lines += [f"  {size_text(held.bytes):>10}  {held.what}" for held in self.holders]
        return "\n".join(lines)


def size_text(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    if count < 1 << 10:
        return f"{count} B"
    return f"{count / (1 << 10):.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


class Account:
    """What is there while programs run one after another on one graph.

    A result that may be a view is taken for one. What kernels use within, and what autograd keeps for gradients that
    are derived, is not counted.
    """

    def __init__(self) -> None:
        self._count = 0
        # Sizes of tensors, and what they are called.
        self._tensors: dict[int, Held] = {}
        # What each place holds, see `place_of`.
        self._there: dict[Any, int] = {}
        self._leaves_seen: set[int] = set()

    # ---- tensors -----------------------------------------------------------------------------------------

    def _new(self, place: Any, size: int, what: str) -> None:
        self._count += 1
        self._tensors[self._count] = Held(size, what)
        self._there[place] = self._count

    @property
    def live(self) -> int:
        """Bytes of all that is there."""
        return sum([self._tensors[tensor].bytes for tensor in set(self._there.values())])

    def holders(self) -> list[Held]:
        """What is there, largest first; what is called the same is counted together."""
        sizes: dict[str, int] = {}
        for tensor in set(self._there.values()):
            held = self._tensors[tensor]
            sizes[held.what] = sizes.get(held.what, 0) + held.bytes
        return sorted([Held(size, what) for what, size in sizes.items() if size], reverse=True)

    # ---- programs ----------------------------------------------------------------------------------------

    def run(self, program: Program) -> Iterator[tuple[Record, int]]:
        """Each record, with the bytes that are there after it."""
        self._begin(program)
        for record in program.records:
            if isinstance(record, Call):
                self._call(program, record)
            elif isinstance(record, (Fused, JoinedCall, SumCall, UserCall)):
                for number in record.writes:
                    self._write(program, number)
            elif isinstance(record, Cast):
                self._write(program, record.target)
            elif isinstance(record, Gradient):
                shared = self._there.get(place_of(program, record.dys[0]))
                for put in record.puts:
                    takes_place = record.kernel.overwrites or (put.shares and not put.own)
                    self._put(program, record.function, put, shared if takes_place else None)
            elif isinstance(record, (JoinedGradient, UserGradient)):
                for put in record.puts:
                    self._put(program, record.function, put, None)
            elif isinstance(record, Free):
                for number in record.values:
                    self._there.pop(place_of(program, number), None)
                for position in record.operators:
                    self._there.pop(("kept", id(program.order[position])), None)
            yield record, self.live

    def _begin(self, program: Program) -> None:
        """Inputs and parameters are there, and what the graph holds of gradients of leaves."""
        for number, value in enumerate(program.values):
            place = place_of(program, number)
            if value.source == LEAF:
                array = program.order[value.position]._inputs[value.i]._buffers.data
                name = _input_name(program.order[value.position], value.i)
                kept_as = array._tensor.dtype if array._tensor is not None else value.dtype
                size = array.size * _item_size(kept_as)
                if place not in self._there:
                    self._new(place, size, name)
                if value.dtype is not ANY_TYPE and kept_as is not ANY_TYPE and kept_as is not value.dtype:
                    self._new(("converted", number), array.size * _item_size(value.dtype), f"{name}, converted")
            elif value.source == INPUT_BUFFERS and place not in self._there:
                grad = program.order[value.position]._inputs[value.i]._buffers._grad
                if grad is not None and grad._tensor is not None:
                    self._new(place, grad.size * grad._tensor.element_size(), _leaf_gradient_name(program, number))
        for record in program.records:
            if isinstance(record, Fused):
                function = program.order[record.function]
                operator = function._operator
                size = sum([v.size for v in function._inputs[1:]]) + operator.packed_size
                size *= _item_size(operator.compute_dtype)
                self._new(("folded", id(function)), size, f"folded parameters of {function.name}")
        if program.way == "backward":
            (seed,) = program.roots
            root = program.order[-1]._outputs[0].data
            self._new(
                place_of(program, seed), root.size * _item_size(program.values[seed].dtype), "gradient to start from"
            )

    def _write(self, program: Program, number: int) -> None:
        self._new(place_of(program, number), _size(program, number), name_of(program, number))

    def _call(self, program: Program, record: Call) -> None:
        function = program.order[record.function]
        operator, kernel = function._operator, record.kernel
        if kernel.writes:
            return
        read = [number for number in record.reads if number >= 0]
        shown = self._there.get(place_of(program, read[0])) if read else None
        in_place = kernel.overwrites or (operator.view and not kernel.copies)
        for number in record.writes:
            if in_place and shown is not None:
                self._there[place_of(program, number)] = shown
            else:
                self._write(program, number)
        if operator.keeps and (kernel.keep or kernel.repeats):
            size = kept_bytes(function)
            if size:
                self._new(("kept", id(function)), size, f"kept by {function.name} for its gradient")

    def _put(self, program: Program, position: int, put: Put, shared: int | None) -> None:
        place = place_of(program, put.value)
        if put.how == ASSIGN and shared is not None and put.sum_to is None:
            self._there[place] = shared
        elif put.how == ASSIGN or put.how == ADD:
            self._write(program, put.value)
        elif place not in self._there:
            size = program.order[position]._inputs[put.input].size * _item_size(put.dtype)
            self._new(place, size, _leaf_gradient_name(program, put.value))


def peak_of(*programs: Program) -> Peak:
    """When programs that run one after another take most memory."""
    account = Account()
    best = Peak(-1, "", 0, "", [])
    for program in programs:
        for number, (record, live) in enumerate(account.run(program)):
            if live > best.bytes and not isinstance(record, (Free, Cast)):
                function = program.order[record.function].name
                best = Peak(live, program.way, number, function, account.holders())
    return best


# ---- names and sizes of values -----------------------------------------------------------------------------------


def _size(program: Program, number: int) -> int:
    value = program.values[number]
    array = array_of(program, number)
    if value.source == ARRAY:
        array = shown_by(array)
    return array.size * _item_size(value.dtype)


def _item_size(dtype: Any) -> int:
    return dtype.itemsize if isinstance(dtype, torch.dtype) else 4


def name_of(program: Program, number: int) -> str:
    value = program.values[number]
    function = program.order[value.position]
    if value.source == ARRAY:
        reference = function._output_refs[value.i]()
        name = "" if reference is None else reference.name
        return name or f"output of {function.name}"
    if value.source == OUTPUT_GRAD:
        return f"gradient of {function.name}"
    return (
        f"input of {function.name}, converted" if value.source == SLOT else f"gradient of an input of {function.name}"
    )


def _input_name(function: Function, i: int) -> str:
    variable = function._inputs[i]
    if variable.name:
        return variable.name
    operator = function._operator
    names = [declared.name for declared in operator.declaration.inputs]
    if operator.declaration.variadic:
        return f"input {i} of {function.name}"
    given = [name for name, there in zip(names, operator.present, strict=True) if there]
    return f"{given[i]} of {function.name}"


def _leaf_gradient_name(program: Program, number: int) -> str:
    value = program.values[number]
    return f"gradient of {_input_name(program.order[value.position], value.i)}"


def kept_bytes(function: Function) -> int:
    """Bytes of what an operator keeps for its gradient beside its inputs and outputs.

    Counted if it is there; else worked out by its forward on tensors without memory, where that is possible.
    """
    operator = function._operator
    if operator.grad is None:
        return 0
    kept = operator.kept
    known = {
        array._tensor.untyped_storage().data_ptr()
        for array in [*[v._buffers.data for v in function._inputs], *[b.data for b in function._outputs]]
        if array._tensor is not None
    }
    if kept is None and hasattr(operator, "generator"):
        # No number may be drawn for this. What is kept is one for each element, most often.
        return sum([b.data.size for b in function._outputs]) * _item_size(operator.compute_dtype)
    if kept is None:
        kept, known = _kept_without_memory(operator, function), set()
    sizes = {}
    for number, tensor in enumerate(_tensors_in(kept)):
        storage = tensor.untyped_storage()
        key: Any = number if tensor.device.type == "meta" else storage.data_ptr()
        if key not in known:
            sizes[key] = storage.nbytes()
    return sum(sizes.values())


def _kept_without_memory(operator: Operator, function: Function) -> Any:
    other = copy(operator)
    other.kept = None
    inputs = [
        torch.empty(v.shape, dtype=operator.input_dtype(kind), device="meta")
        for v, kind in zip(function._inputs, operator.wiring.kinds, strict=True)
    ]
    try:
        other.forward(*with_gaps(other, inputs))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    return other.kept


def _tensors_in(kept: Any) -> list[torch.Tensor]:
    if isinstance(kept, torch.Tensor):
        return [kept]
    if isinstance(kept, (tuple, list)):
        return [tensor for part in kept for tensor in _tensors_in(part)]
    return []


def shapes_text(program: Program, numbers: Sequence[int]) -> str:
    """The shapes of values, as in ``(64, 1, 28, 28), (16,)``."""
    return ", ".join([str(array_of(program, number).shape) for number in numbers])
