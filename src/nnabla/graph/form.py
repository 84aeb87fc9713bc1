"""The form of a graph: all that a plan depends on, but for the objects that it works on.

Graphs of one form are run by one plan: a network that is built anew in each iteration, as dynamic ones are, is compiled
once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from .._array_view import shown_by
from .._nd_array import NdArray
from .function import Function
from .variable import Variable

# What is said of a variable that no function made, by its need_grad. Types tell the entries of a form apart: numbers
# are of buffers, tuples have the flags of variables.
_LEAF = {None: "leaf", True: "trained leaf", False: "fixed leaf"}


def form_of(order: Sequence[Function], roots: Sequence[Variable], readers: bool) -> tuple[Hashable, bool]:
    """The form of the graph of `roots`, and whether other graphs may have it.

    They may not where an operator has no prototype: it is then the operator itself that the form holds.

    Args:
        order: all functions that lead to the roots.
        roots: what is asked for.
        readers: whether it matters who else reads the variables of the graph.
    """
    shared = True
    # Buffers and arrays by the order in which they are met; variables by how often functions of the graph read them.
    numbers: dict[int, int] = {}
    reads: dict[int, int] = {}
    held: list[Variable] = []
    form: list[Any] = []
    add = form.append
    for function in order:
        operator = function._operator
        prototype = operator.prototype
        if prototype is None:
            shared = False
            add(operator)
            add(tuple([v._buffers.data._shape for v in function._inputs]))
        else:
            add(prototype)
        add(function._needs_grad)
        for v in function._inputs:
            buffers = v._buffers
            found = numbers.get(id(buffers))
            if found is None:
                _add_buffers(form, numbers, buffers)
            else:
                add(found)
            if id(v) in reads:
                reads[id(v)] += 1
            elif v._parent is None and not v._persistent and not v._recompute:
                add(_LEAF[v._need_grad])
            else:
                add(_flags(v))
        for buffers, reference in zip(function._outputs, function._output_refs, strict=True):
            found = numbers.get(id(buffers))
            if found is None:
                _add_buffers(form, numbers, buffers)
            else:
                add(found)
            output = reference()
            if output is None:
                add(None)
            else:
                held.append(output)
                reads[id(output)] = 0
                add(_flags(output))
    form += [numbers[id(v._buffers)] for v in roots]
    if readers:
        form += [_is_read_elsewhere(v, reads[id(v)], order) for v in held]
    return tuple(form), shared


def _flags(v: Variable) -> tuple[bool | None, ...]:
    return v._parent is None, v._need_grad, v._inherited_need_grad, v._persistent, v._recompute


def _add_buffers(form: list[Any], numbers: dict[int, int], buffers: Any) -> None:
    """Buffers met for the first time. Their number follows from the place; their array may have been met before."""
    array = buffers.data
    numbers[id(buffers)] = len(numbers)
    form.append(numbers.setdefault(id(array), len(numbers)))
    if type(array) is not NdArray:
        form.append((type(array), numbers.setdefault(id(shown_by(array)), len(numbers))))


def _is_read_elsewhere(variable: Variable, reads: int, order: Sequence[Function]) -> bool:
    """Whether functions outside of `order` read a variable that those within read `reads` times."""
    if len(variable._consumers) == reads:
        return False
    members = set(order)
    return any([function not in members for function in variable.function_references])
