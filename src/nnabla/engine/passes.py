"""Passes: each takes a program and gives one that computes the same with less memory, less copying or fewer steps.

Any of them can be left out, with the same results to rounding; `without` does so for debugging.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .._array_view import shown_by
from .._nd_array import NdArray
from ..graph.epoch import advance
from ..graph.hooks import function_freed_hooks
from .frame import ARRAY, LEAF, SLOT
from .fusion import fold_scales, fuse_activations, fuse_sums, may_fuse, pack_weights
from .liveness import block_of, unshared
from .passes_constants import keep_first_gradients
from .passes_copies import copy_once
from .passes_joining import join_calls, join_gradients
from .passes_sums import add_products
from .program import (
    ACCUMULATE,
    Call,
    Cast,
    Free,
    Gradient,
    Idle,
    JoinedGradient,
    Program,
    Record,
    UserGradient,
    array_of,
    functions_of,
    read_by,
)

# Elements. For smaller tensors, adding to the sum within the kernel that computes the gradient saves nothing.
_WORTH_ADDING_TO = 1 << 14

# Elements. Below this, a step that frees memory costs more time than the memory is worth.
_WORTH_A_STEP = 1 << 16


def share_memory(program: Program) -> Program:
    """Let results be views, and gradients be other gradients, where nobody writes to either."""
    order, values, exposed, hidden = program.order, program.values, program.exposed, program.hidden
    records: list[Record] = []
    for record in program.records:
        if isinstance(record, Call) and record.kernel.copies:
            function = order[record.function]
            arrays = [v._buffers.data for v in function._inputs]
            arrays += [buffers.data for buffers in function._outputs]
            # What no function made, users write to.
            leaf = any([number >= 0 and values[number].source == LEAF for number in record.reads])
            if not leaf and not any([id(shown_by(array)) in exposed for array in arrays]):
                record = record.with_kernel(copies=False)
        elif isinstance(record, Gradient):
            inputs = order[record.function]._inputs
            shared = [put for put in record.puts if put.own and id(inputs[put.input]._buffers.data) in hidden]
            if shared:
                puts = [put._replace(own=False) if put in shared else put for put in record.puts]
                record = record._replace(puts=tuple(puts))
        records.append(record)
    return program._replace(records=records)


def add_within_kernels(program: Program) -> Program:
    """Let kernels that can do so add to the gradient of a large leaf that several functions read."""
    if program.way != "backward":
        return program
    records = list(program.records)
    able = [
        (place, record)
        for place, record in enumerate(records)
        if isinstance(record, Gradient) and program.order[record.function]._operator.add_grad is not None
    ]
    counts = Counter([put.value for _, record in able for put in record.puts if put.how == ACCUMULATE])
    several = {value for value, count in counts.items() if count > 1}
    for place, record in able if several else ():
        inputs = program.order[record.function]._inputs
        into = {put.input for put in record.puts if put.value in several and inputs[put.input].size >= _WORTH_ADDING_TO}
        if into:
            records[place] = record.with_kernel(adds=tuple([i in into for i in range(len(inputs))]))
    return program._replace(records=records)


_BACKWARD = Gradient, JoinedGradient, UserGradient, Idle


def free_dead(program: Program) -> Program:
    """Free what may be freed behind the last record whose function has to do with it."""
    order = program.order
    waiting, of_gradients = dict(program.mortal), dict(program.mortal_gradients)
    casts = _last_reads_of_casts(program)
    backwards: list[Record] = []
    for place in range(len(program.records) - 1, -1, -1):
        record = program.records[place]
        free: list[int] = casts.get(place, [])
        operators: list[int] = []
        for position in functions_of(record):
            function = order[position]
            if waiting:
                for buffers in [*function._outputs, *[v._buffers for v in function._inputs]]:
                    array = buffers.data
                    block = id(array) if type(array) is NdArray else block_of(array)
                    if block in waiting:
                        free += waiting.pop(block)
            operator = function._operator
            if isinstance(record, Call):
                # What a gradient derived from forward would need is not recorded where no gradient is asked for.
                if program.way == "forward" and operator.keeps and not record.kernel.keep and operator.grad is not None:
                    operators.append(position)
            elif isinstance(record, _BACKWARD):
                if position in of_gradients:
                    free += of_gradients.pop(position)
                if program.clears and operator.keeps:
                    operators.append(position)
        if free or operators:
            backwards.append(Free(tuple(free), tuple(operators)))
        backwards.append(record)
    return program._replace(records=backwards[::-1])


def _last_reads_of_casts(program: Program) -> dict[int, list[int]]:
    """For each place in a program, the converted values that nothing reads later."""
    last: dict[int, int] = {}
    for place, record in enumerate(program.records):
        if isinstance(record, Cast):
            last[record.target] = place
        elif last:
            for number in read_by(record):
                if number in last:
                    last[number] = place
    found: dict[int, list[int]] = {}
    for number, place in last.items():
        found.setdefault(place, []).append(number)
    return found


def overwrite(program: Program) -> Program:
    """Let a result take the place of an input that nothing needs any more, where the operator can do so."""
    records = list(program.records)
    order = program.order
    own: set[int] | None = None
    # Gradients that nothing else holds.
    sole: set[int] = set()
    for place, record in enumerate(records):
        if isinstance(record, Call):
            function = order[record.function]
            if function._operator.overwrite is None or record.kernel.writes or record.kernel.repeats:
                continue
            array = function._inputs[0]._buffers.data
            if array._shape == function._outputs[0].data._shape and _is_freed(array, program, records, place + 1):
                if own is None:
                    own = unshared(order)
                if id(array) in own:
                    records[place] = record.with_kernel(overwrites=True)
        elif isinstance(record, Gradient):
            dy = record.dys[0]
            if (
                order[record.function]._operator.overwrite_grad is not None
                and not record.kernel.derived
                and dy in sole
                and _frees(records, place + 1, dy)
            ):
                records[place] = record.with_kernel(overwrites=True)
            for put in record.puts:
                (sole.discard if put.shares else sole.add)(put.value)
        elif isinstance(record, UserGradient):
            sole.difference_update([put.value for put in record.puts])
    return program._replace(records=records)


def _frees(records: Sequence[Record], place: int, number: int) -> bool:
    record = records[place] if place < len(records) else None
    return isinstance(record, Free) and number in record.values


def _is_freed(array: NdArray, program: Program, records: Sequence[Record], place: int) -> bool:
    """Whether the record at `place` frees the array."""
    record = records[place] if place < len(records) else None
    if not isinstance(record, Free):
        return False
    values = program.values
    return any([array_of(program, number) is array for number in record.values if values[number].source == ARRAY])


def gather_frees(program: Program) -> Program:
    """Put off freeing small arrays until there are enough of them to be worth a step."""
    if function_freed_hooks:
        return program
    order = program.order
    records: list[Record] = []
    waiting: list[int] = []
    size = 0
    for record in program.records:
        if not isinstance(record, Free):
            records.append(record)
            continue
        waiting += record.values
        # What an operator keeps and a cast makes is about as large as an input; count them as large.
        at_once = bool(record.operators)
        for number in () if at_once else record.values:
            value = program.values[number]
            if value.source == SLOT:
                at_once = True
            else:
                array = order[value.position]._outputs[value.i].data
                if value.source != ARRAY or type(array) is NdArray:
                    size += array.size
        if at_once or size >= _WORTH_A_STEP:
            records.append(Free(tuple(waiting), record.operators))
            waiting, size = [], 0
    if waiting:
        records.append(Free(tuple(waiting), ()))
    return program._replace(records=records)


Pass = Callable[[Program], Program]

# These see to it that nothing is computed that nobody sees, in forward without gradients.
FUSIONS: dict[str, Pass] = {made.__name__: made for made in (fold_scales, fuse_sums, fuse_activations, pack_weights)}

# In the order in which they run: what is overwritten must have been freed, and frees must be in place until then.
PASSES: dict[str, Pass] = {
    made.__name__: made
    for made in (
        share_memory,
        copy_once,
        keep_first_gradients,
        join_calls,
        join_gradients,
        add_within_kernels,
        add_products,
        free_dead,
        overwrite,
        gather_frees,
    )
}

# After these, functions are not carried out one by one.
_OVER_SEVERAL = {join_calls.__name__, join_gradients.__name__, add_products.__name__}

_left_out: set[str] = set()


def improved(program: Program, one_by_one: bool = False) -> Program:
    """What all passes make of a program.

    Args:
        program: as it was recorded.
        one_by_one: whether each function must have a record of its own that computes all that it does: for hooks.
    """
    if one_by_one:
        return _applied({name: made for name, made in PASSES.items() if name not in _OVER_SEVERAL}, program)
    if program.way == "forward" and not function_freed_hooks and may_fuse(program):
        program = _applied(FUSIONS, program)
    return _applied(PASSES, program)


def _applied(passes: dict[str, Pass], program: Program) -> Program:
    for name, apply in passes.items():
        if name not in _left_out:
            program = apply(program)
    return program


def left_out() -> frozenset[str]:
    """The passes that are left out at present."""
    return frozenset(_left_out)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Context in which graphs are compiled without some passes.

    Args:
        names: of passes.

    Raises:
        KeyError: there is no such pass.
    """
    for name in names:
        (PASSES | FUSIONS)[name]
    before = set(_left_out)
    _left_out.update(names)
    advance()
    try:
        yield
    finally:
        _left_out.clear()
        _left_out.update(before)
        advance()
