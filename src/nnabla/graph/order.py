"""The order in which the functions of a graph run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .function import Function
    from .variable import Variable


def topological(roots: Iterable[Variable]) -> list[Function]:
    """All functions that lead to `roots`, each after those it depends on; inputs are followed from first to last.

    Depth first with its own stack: a chain of 10,000 functions does not recurse.
    """
    order: list[Function] = []
    seen: set[Function] = set()
    for root in roots:
        function = root._parent
        if function is None or function in seen:
            continue
        seen.add(function)
        stack = [(function, iter(function._inputs))]
        while stack:
            function, inputs = stack[-1]
            for variable in inputs:
                parent = variable._parent
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    stack.append((parent, iter(parent._inputs)))
                    break
            else:
                order.append(function)
                stack.pop()
    return order
