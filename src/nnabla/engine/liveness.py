"""What may be freed when: which arrays a gradient reads, and who reads an array last."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, compress

from .._array_view import LinkedArray, shown_by
from .._nd_array import NdArray
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.operator import Kind
from ..graph.variable import Variable


def block_of(array: NdArray) -> int:
    """Address of the array on whose memory this one is."""
    return id(array) if type(array) is NdArray else id(shown_by(array))


def read_by_gradients(order: Iterable[Function]) -> set[int]:
    """Addresses of the data arrays that the gradient of any function reads."""
    needed: set[int] = set()
    for function in order:
        if not function._needs_grad:
            continue
        for array in function._read_arrays():
            needed.add(id(array) if type(array) is NdArray else block_of(array))
        if function._operator.held:
            needed.update([block_of(array) for array in _held(function)])
    return needed


def _held(function: Function) -> list[NdArray]:
    """The arrays of a function that are kept because NNabla keeps them."""
    operator = function._operator
    names = [i.name for i in operator.declaration.inputs]
    given = names * len(function._inputs) if operator.declaration.variadic else compress(names, operator.present)
    found = [v._buffers.data for name, v in zip(given, function._inputs, strict=True) if name in operator.held]
    # Some functions have their last outputs only where they are asked for.
    outputs = zip(operator.outputs, function._outputs, strict=False)
    return found + [buffers.data for name, buffers in outputs if name in operator.held]


def read_by_backward(order: Sequence[Function]) -> set[int]:
    """Addresses of the data arrays that backward reads: for gradients, and to recompute what was freed."""
    needed = read_by_gradients(order)
    for function in reversed(order):
        for reference in function._output_refs:
            variable = reference()
            if variable is not None and variable._recompute and block_of(variable._buffers.data) in needed:
                needed.update([block_of(v._buffers.data) for v in function._inputs])
    return needed


def intermediate(order: Sequence[Function], roots: Sequence[Variable]) -> dict[int, Variable | None]:
    """The arrays that may be freed at all: outputs of functions that are neither asked for nor persistent.

    Nor, as in NNabla, those that somebody holds and no function in `order` reads: the last state of an LSTM, say, with
    which the next sequence begins; nor those that were given to another variable, which begins it.

    Maps the array's address to its variable, or to None where nobody holds the variable any more.
    """
    found: dict[int, Variable | None] = {}
    kept = {id(v._buffers.data) for v in roots}
    inputs = [v._buffers.data for function in order for v in function._inputs]
    read = set(map(id, inputs))
    views = [array for array in inputs if type(array) is not NdArray]
    if views:
        made = {id(buffers.data) for function in order for buffers in function._outputs}
        # What a view of it reads as well.
        kept.update([block_of(array) for array in views if id(array) not in made])
    for function in order:
        if function._operator.protects_inputs:
            kept.update([id(v._buffers.data) for v in function._inputs])
        for i, reference in enumerate(function._output_refs):
            array, variable = function._outputs[i].data, reference()
            address = id(array)
            if array._adopted or (variable is not None and (variable._persistent or address not in read)):
                kept.add(address)
            else:
                found[address] = variable
    for address in kept:
        found.pop(address, None)
    return found


def blocks(order: Sequence[Function], free: dict[int, Variable | None]) -> dict[int, list[NdArray]]:
    """The memory that may be freed: for each array that a function makes all that are on it, that one first.

    Args:
        order: the functions.
        free: the arrays that may be freed, see `intermediate`.
    """
    found: dict[int, list[NdArray]] = defaultdict(list)
    written: set[int] = set()
    for function in order:
        operator = function._operator
        writes = operator.linked is not None and operator.write is not None
        for buffers in function._outputs:
            array = buffers.data
            block = id(array) if type(array) is NdArray else block_of(array)
            found[block].append(array)
            if writes:
                written.add(block)
    # The memory of others belongs to a variable that no function made; what was written over cannot be computed again.
    return {
        block: arrays
        for block, arrays in found.items()
        if block == id(arrays[0])
        and block in free
        and block not in written
        and (len(arrays) == 1 or all([id(array) in free for array in arrays]))
    }


def is_recomputed(block: int, free: dict[int, Variable | None]) -> bool:
    """Whether what is in the memory is given up after forward and computed again for backward."""
    variable = free[block]
    return variable is not None and variable._recompute


def exposed_arrays(order: Sequence[Function], roots: Sequence[Variable]) -> set[int]:
    """Addresses of the arrays that must share memory with no others: users or functions write to them."""
    found = {block_of(v._buffers.data) for v in roots}
    for function in order:
        operator = function._operator
        if isinstance(operator, Callback):
            found.update([block_of(v._buffers.data) for v in function._inputs])
        elif operator.updated:
            kinds = zip(function._inputs, operator.wiring.kinds, strict=True)
            found.update([block_of(v._buffers.data) for v, kind in kinds if kind is Kind.UPDATED])
        written = operator.linked is not None and operator.write is not None
        for i, reference in enumerate(function._output_refs):
            array, variable = function._outputs[i].data, reference()
            is_kept = written or array._adopted or (variable is not None and variable._persistent)
            if is_kept or (type(array) is not NdArray and type(array) is not LinkedArray):
                found.add(block_of(array))
    return found


def held_links(order: Sequence[Function]) -> list[tuple[Function, bool]]:
    """The functions whose output is an input, and whether users hold the variable of either.

    The caller must hold no variables by itself.
    """
    return [
        (function, _holders(function._inputs[i]) > _ALONE or _holders(function._output_refs[0]()) > _ALONE)
        for function in order
        if (i := function._operator.linked) is not None
    ]


def _holders(variable: Variable | None) -> int:
    """How many references there are to a variable, but for those of functions that take it."""
    if variable is None:
        return 0
    return sys.getrefcount(variable) - sum([ref() is not None for ref in variable._consumers])


# Of a variable that nobody holds: those that the count itself takes, which differ between versions of Python.
_ALONE = _holders(Variable())


def _first_root(order: Sequence[Function], roots: Sequence[Variable]) -> dict[int, int]:
    """For each function of `order`, by address, which of the roots it runs for first."""
    if len(roots) == 1:
        return dict.fromkeys(map(id, order), 0)
    where = {id(function): position for position, function in enumerate(order)}
    # The part of the order that a root adds ends with the function that makes the root.
    ends = list(accumulate((where[id(root._parent)] for root in roots), max))
    return {address: bisect_left(ends, position) for address, position in where.items()}


def _is_read_for_one_root(variable: Variable, first_root: dict[int, int]) -> bool:
    functions = [reference() for reference in variable._consumers]
    readers = {first_root.get(id(function)) for function in functions if function is not None}
    return len(readers) < 2 and None not in readers


def mortal_after_forward(
    order: Sequence[Function], roots: Sequence[Variable], clear_buffer: bool, clear_no_need_grad: bool
) -> dict[int, list[NdArray]]:
    """The memory that forward may free once nothing needs it, by its address, with the arrays on it.

    As in NNabla, what functions for more than one root read is kept: a prediction that a loss and an error rate share,
    say, can be looked at after ``loss.forward(clear_buffer=True)`` or `forward_all` of both. So is memory that an input
    and an output share, if users hold one of them: a prediction in another shape, say.

    Whatever the options, what is to be recomputed is freed at once.
    """
    kept = {block_of(function._outputs[0].data) for function, is_held in held_links(order) if is_held}
    free = intermediate(order, roots)
    if not clear_buffer:
        kept.update(read_by_backward(order) if clear_no_need_grad else free)
    first_root = _first_root(order, roots)

    def is_read_once(arrays: list[NdArray]) -> bool:
        variables = [free[id(array)] for array in arrays]
        return all([v is None or _is_read_for_one_root(v, first_root) for v in variables])

    return {
        block: arrays
        for block, arrays in blocks(order, free).items()
        if (block not in kept and is_read_once(arrays)) or is_recomputed(block, free)
    }


def unshared(order: Sequence[Function]) -> set[int]:
    """Addresses of the intermediate arrays whose tensors nothing else holds while a plan runs.

    Not among them: what a view may be of, what may be a view, what an operator may have kept, and an array that one
    function reads twice.
    """
    own: set[int] = set()
    for function in order:
        operator, inputs = function._operator, function._inputs
        is_view = operator.view or operator.linked is not None
        if is_view or (operator.keeps and operator.overwrite is None):
            own.difference_update([id(v._buffers.data) for v in inputs])
        elif len(inputs) > 1:
            read = [id(v._buffers.data) for v in inputs]
            if len(set(read)) < len(read):
                own.difference_update([address for address, count in Counter(read).items() if count > 1])
        if not is_view and not operator.keeps_output:
            for buffers in function._outputs:
                own.add(id(buffers.data))
    return own
