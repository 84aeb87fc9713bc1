"""Records of a program carried out on tensors alone, as a function from tensors to tensors: what a compiler is shown.

The kernels are those that steps call, with what they keep for gradients; but nothing of the graph is touched. What
steps find in arrays comes in as arguments, what they would leave there goes out as results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from ..dtypes import whole_numbers
from ..graph.function import Function
from ..graph.tracing import NotTraceableError, tracing
from .frame import ARRAY, CONSTANT, INPUT_ARRAY, LEAF, SLOT
from .program import (
    ACCUMULATE,
    ADD,
    NOTHING,
    Argument,
    Call,
    Cast,
    Free,
    Gathered,
    Gradient,
    Link,
    Present,
    Program,
    Put,
    Record,
    array_of,
    place_of,
    read_by,
    written_by,
)

Place = tuple[Any, ...]


class Interface(NamedTuple):
    """What some records have to do with the rest of a program; values by their numbers, operators by positions.

    Attributes:
        inputs: values that are there before.
        kept_before: operators whose `kept` is read.
        outputs: values that are there afterwards.
        sums: buffers of leaves, and the type of the gradient that is to be accumulated there.
        kept_after: operators whose new `kept` stays.
        moved: arrays that show another one.
        freed: values that are gone afterwards,
        emptied: and operators whose `kept` is.
    """

    inputs: list[int]
    kept_before: list[int]
    outputs: list[int]
    sums: dict[int, torch.dtype]
    kept_after: list[int]
    moved: list[int]
    freed: list[int]
    emptied: list[int]


def place(program: Program, number: int) -> Place:
    """Where a value is found; the same leaf in another type is another one."""
    value = program.values[number]
    if value.source == LEAF:
        return "leaf", id(program.order[value.position]._inputs[value.i]._buffers), value.more
    return place_of(program, number)


def interface(program: Program, records: Sequence[Record], later: Sequence[Record]) -> Interface:
    """The interface of some records to the rest of a program.

    Args:
        program: they are part of.
        records: those.
        later: the ones behind them.
    """
    inputs: dict[Place, int] = {}
    written: dict[Place, int] = {}
    sums: dict[Place, tuple[int, torch.dtype]] = {}
    freed: dict[Place, int] = {}
    kept_before: dict[int, None] = {}
    # Whether what an operator keeps now stays.
    kept: dict[int, bool] = {}
    moved = []
    for record in records:
        if isinstance(record, Link):
            # What it shows is found in the same place.
            if record.moves:
                moved.append(record.writes[0])
            continue
        for number in read_by(record):
            where = place(program, number)
            if where not in written and program.values[number].source != CONSTANT:
                inputs.setdefault(where, number)
        if isinstance(record, Free):
            for number in record.values:
                freed[place(program, number)] = number
                written.pop(place(program, number), None)
            kept.update(dict.fromkeys(record.operators, False))
            continue
        if isinstance(record, Call):
            operator = program.order[record.function]._operator
            if operator.keeps:
                kept[record.function] = operator.grad is not None
        elif isinstance(record, Gradient):
            operator = program.order[record.function]._operator
            if operator.keeps and operator.grad is not None and record.function not in kept:
                kept_before[record.function] = None
            for put in record.puts:
                if put.how == ACCUMULATE:
                    assert put.dtype is not None
                    sums[place(program, put.value)] = put.value, put.dtype
        for number in written_by(record):
            written[place(program, number)] = number
            freed.pop(place(program, number), None)
    wanted = {number for record in later for number in read_by(record)}
    values = program.values
    return Interface(
        list(inputs.values()),
        list(kept_before),
        [number for number in written.values() if values[number].source != SLOT or number in wanted],
        dict(sums.values()),
        [position for position, stays in kept.items() if stays],
        moved,
        list(freed.values()),
        [position for position, stays in kept.items() if not stays],
    )


# ---- what operators keep -----------------------------------------------------------------------------------------


class _Tensor:
    """Stands for a tensor in a form."""


def form_of(kept: Any, tensors: list[torch.Tensor]) -> Any:
    """The form of what an operator keeps, without the tensors in it, which go to `tensors`.

    Raises:
        NotTraceableError: there is something else than tensors and numbers in it.
    """
    if isinstance(kept, torch.Tensor):
        tensors.append(kept)
        return _Tensor
    if type(kept) in (tuple, list):
        return type(kept), [form_of(part, tensors) for part in kept]
    if kept is None or isinstance(kept, (bool, int, float, str)):
        return kept
    raise NotTraceableError("keeps something else than tensors for its gradient")


def filled(form: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """What `form_of` took apart, with other tensors."""
    if form is _Tensor:
        return next(tensors)
    if isinstance(form, tuple):
        kind, parts = form
        return kind([filled(part, tensors) for part in parts])
    return form


# ---- tracing -----------------------------------------------------------------------------------------------------


class Tracer:
    """Carries out records.

    Args:
        program: they are part of.
        records: to be carried out.
        interface: theirs.
        forms: those of what the operators in `interface.kept_before` keep.

    Attributes:
        done: number of records that were carried out when `run` ended.
        forms_after: the forms of what the operators in `interface.kept_after` keep.
        assumes: whether the last result says if what was taken for granted holds.
    """

    def __init__(self, program: Program, records: Sequence[Record], interface: Interface, forms: Sequence[Any]) -> None:
        self._program = program
        self._order = program.order
        self._records = records
        self._interface = interface
        self._forms = forms
        self._there: dict[Place, torch.Tensor] = {}
        self.done = 0
        self.forms_after: list[Any] = []
        self.assumes = False

    def run(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Results of all records.

        Args:
            tensors: the inputs of the interface, then what operators keep.

        Returns:
            The outputs of the interface, the sums, then what operators keep, and at last what was assumed.
        """
        rest = iter(tensors)
        face = self._interface
        self.done = 0
        self._there = {place(self._program, number): next(rest) for number in face.inputs}
        with self._operators_apart(), tracing() as conditions:
            for position, form in zip(face.kept_before, self._forms, strict=True):
                self._order[position]._operator.kept = filled(form, rest)
            for record in self._records:
                _RULES.get(type(record), Tracer._nothing)(self, record)
                self.done += 1
            results = [self._there[place(self._program, number)] for number in (*face.outputs, *face.sums)]
            self.forms_after = [form_of(self._order[position]._operator.kept, results) for position in face.kept_after]
            self.assumes = bool(conditions)
            if conditions:
                results.append(torch.stack(conditions).all())
        self._there = {}
        return results

    @contextmanager
    def _operators_apart(self) -> Iterator[None]:
        """Context in which operators keep nothing; afterwards they are as before."""
        operators = [function._operator for function in self._order]
        states = [operator.__dict__.copy() for operator in operators]
        for operator in operators:
            if operator.keeps:
                operator.kept = None
        try:
            yield
        finally:
            for operator, state in zip(operators, states, strict=True):
                operator.__dict__.clear()
                operator.__dict__.update(state)

    def _read(self, number: int) -> torch.Tensor:
        value = self._program.values[number]
        if value.source == CONSTANT:
            zeros: torch.Tensor = value.more._tensor
            return torch.zeros((), dtype=zeros.dtype, device=zeros.device).expand(zeros.shape)
        tensor = self._there[place(self._program, number)]
        if value.source in (ARRAY, INPUT_ARRAY):
            # An array that shows another one may have another shape.
            shape = array_of(self._program, number)._shape
            return tensor if tensor.shape == shape else tensor.reshape(shape)
        return tensor

    def _write(self, number: int, tensor: torch.Tensor) -> None:
        self._there[place(self._program, number)] = tensor

    # ---- one record --------------------------------------------------------------------------------------

    def _nothing(self, record: Record) -> None:
        pass

    def _call(self, record: Call) -> None:
        function: Function = self._order[record.function]
        operator, kernel = function._operator, record.kernel
        if operator.grad is None and operator.keeps:
            # Autograd's record would not outlive the trace. The gradient, traced, computes forward once more.
            kernel = kernel._replace(keep=False)
        given = [None if number == NOTHING else self._read(number) for number in record.reads]
        results = kernel.of(function)(*given)
        for number, tensor in zip(record.writes, results if len(record.writes) > 1 else (results,), strict=True):
            self._write(number, tensor)
        if operator.keeps and operator.grad is not None:
            form_of(operator.kept, [])

    def _cast(self, record: Cast) -> None:
        tensor = self._read(record.source)
        whole = record.dtype is torch.int64
        self._write(record.target, whole_numbers(tensor) if whole else tensor.to(record.dtype))

    def _free(self, record: Free) -> None:
        for number in record.values:
            self._there.pop(place(self._program, number), None)
        for position in record.operators:
            self._order[position]._operator.kept = None

    def _gradient(self, record: Gradient) -> None:
        function: Function = self._order[record.function]
        results = record.kernel.of(function)(*[self._argument(argument) for argument in record.arguments])
        wiring = function._operator.wiring
        for put in record.puts:
            self._put(put, results if wiring.alone else results[wiring.places[put.input]])

    def _argument(self, argument: Argument) -> Any:
        if isinstance(argument, Present):
            return self._read(argument.value)
        if isinstance(argument, Gathered):
            return tuple([self._read(number) for number in argument.values])
        return None if argument == NOTHING else self._read(argument)

    def _put(self, put: Put, dx: torch.Tensor) -> None:
        if put.own:
            dx = dx.clone(memory_format=torch.contiguous_format)
        if put.sum_to is not None:
            dx = dx.sum_to_size(put.sum_to)
        if put.dtype is not None:
            dx = dx.to(put.dtype)
        where = place(self._program, put.value)
        if put.how in (ADD, ACCUMULATE) and where in self._there:
            dx = self._there[where] + dx
        self._there[where] = dx


_RULES: dict[type, Callable[[Tracer, Any], None]] = {
    Call: Tracer._call,
    Cast: Tracer._cast,
    Free: Tracer._free,
    Gradient: Tracer._gradient,
}
