"""The form of a graph: everything that a plan depends on, except the objects that it works on.

Graphs of one form are run by one plan: a network that is built anew in each iteration, as dynamic ones are, is compiled
once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from .._array_view import shown_by
from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.variable import Variable
from .liveness import held_links

# What is said of a variable that no function made, by its need_grad, and of one that a function made, by whether it has
# inherited that it needs a gradient. Types tell the entries of a form apart: numbers are of buffers, None of those met
# for the first time, words and tuples of the flags of variables.
_LEAF = {None: "leaf", True: "trained leaf", False: "fixed leaf"}
_MADE = {True: "differentiated", False: "made"}


class Fingerprint(NamedTuple):
    """The form of a graph.

    Attributes:
        form: all of it but for the next.
        readers: who else reads the variables of the graph; nothing unless asked for.
        shared: whether other graphs may have this form.
    """

    form: tuple[Hashable, ...]
    readers: tuple[Hashable, ...]
    shared: bool


def fingerprint_of(order: Sequence[Function], roots: Sequence[Variable], readers: bool) -> Fingerprint:
    """The form of the graph of `roots`.

    Other graphs may not have it where an operator has no prototype: it is then the function itself that the form holds.

    Args:
        order: all functions that lead to the roots.
        roots: what is asked for.
        readers: whether it matters who else reads the variables of the graph.
    """
    shared = True
    links = [is_held for _, is_held in held_links(order)] if readers else []
    # Buffers by the order in which they are met, and their arrays in that order.
    numbers: dict[int, int] = {}
    arrays: list[NdArray] = []
    # How often functions of the graph read its intermediate variables.
    reads: dict[int, int] = {}
    held: list[Variable] = []
    # Whether there are arrays that show others, but for outputs that are inputs, as their operators say.
    odd = False
    form: list[Any] = []
    add = form.append
    for function in order:
        prototype = function._operator.prototype
        if prototype is None:
            shared = False
            add(function)
        else:
            add(prototype)
        add(function._needs_grad)
        for v in function._inputs:
            buffers = v._buffers
            found = numbers.get(id(buffers))
            add(found)
            if found is None:
                numbers[id(buffers)] = len(numbers)
                arrays.append(buffers.data)
                if type(buffers.data) is not NdArray:
                    odd = True
            if id(v) in reads:
                reads[id(v)] += 1
            elif v._parent is None and not (v._inherited_need_grad or v._persistent or v._recompute):
                add(_LEAF[v._need_grad])
            else:
                add(_flags(v))
        references = function._output_refs
        for i, buffers in enumerate(function._outputs):
            found = numbers.get(id(buffers))
            add(found)
            if found is None:
                numbers[id(buffers)] = len(numbers)
                arrays.append(buffers.data)
                if type(buffers.data) is not NdArray:
                    if function._is_linked(buffers.data):
                        add("linked")
                    else:
                        odd = True
            if buffers.data._adopted:
                add("adopted")
            output = references[i]()
            if output is None:
                add("dropped")
            else:
                held.append(output)
                reads[id(output)] = 0
                add(_flags(output))
    # None for a variable whose parent the user has set to a function that does not make it.
    form += [(numbers.get(id(v._buffers)), _flags(v)) for v in roots]
    # Users may have given outputs other shapes than their functions did.
    form += [array._shape for array in arrays]
    if odd or len({*map(id, arrays)}) < len(arrays):
        add(_connected(arrays))
    others = (*links, *[_is_read_elsewhere(v, reads[id(v)], order) for v in held]) if readers else ()
    return Fingerprint(tuple(form), others, shared)


def _connected(arrays: Sequence[NdArray]) -> Hashable:
    """Which arrays are the same, or views of the same."""
    numbers: dict[int, int] = {}
    number = numbers.setdefault
    return tuple([(type(a), number(id(a), len(numbers)), number(id(shown_by(a)), len(numbers))) for a in arrays])


def _flags(v: Variable) -> Hashable:
    if v._need_grad is None and not (v._parent is None or v._persistent or v._recompute):
        return _MADE[v._inherited_need_grad]
    return v._parent is None, v._need_grad, v._inherited_need_grad, v._persistent, v._recompute


def _is_read_elsewhere(variable: Variable, reads: int, order: Sequence[Function]) -> bool:
    """Whether functions outside of `order` read a variable that those within read `reads` times."""
    if len(variable._consumers) == reads:
        return False
    members = set(order)
    return any([function not in members for function in variable.function_references])
