"""Gradients of gradients that need no record of autograd's, as the penalty on a critic's slope asks for them.

Two kinds of functions have them: layers, which are linear in their input and linear in their weight, and functions
whose gradient multiplies each element by a factor that does not change near by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from .function import Function
from .operator import Operator
from .wiring import call_grad


class SecondOrder(NamedTuple):
    """How the gradient of a function is differentiated in turn.

    The inputs of the gradient are the function's output gradient, its inputs and its output.

    Attributes:
        depends: for each of these, whether the derivative in it is not 0 everywhere.
        reads: which of these it is computed from.
        kernel: called with `need` for each of these, the gradients that have come for each input's gradient that is
            wanted, and what it reads; returns a gradient for each of these.
    """

    depends: tuple[bool, ...]
    reads: tuple[int, ...]
    kernel: Callable[..., Any]


def second_order(function: Function, wants: Sequence[bool]) -> SecondOrder | None:
    """How the gradient of `function` in the inputs that `wants` names is differentiated; None: by autograd."""
    operator = function._operator
    if operator.grad is None or operator.keeps or len(function._outputs) != 1:
        return None
    if operator.is_bilinear and not any(wants[2:]):
        return _of_layer(operator, wants)
    return _of_factor(function) if operator.grad_is_steady and len(wants) == 1 else None


def _of_layer(operator: Operator, wants: Sequence[bool]) -> SecondOrder:
    """Of a function that is linear in x and in its weight: its gradients are, too, and each is made of the others.

    A bias has no part in that.
    """
    wants_x, wants_weight = wants[:2]
    count = len(wants) + 2
    rest = (False,) * (len(operator.declaration.inputs) - 2)
    need_x, need_weight = (True, False, *rest), (False, True, *rest)

    def kernel(need: Sequence[bool], *tensors: torch.Tensor) -> list[torch.Tensor | None]:
        assert operator.grad is not None
        arrived = iter(tensors)
        ddx = next(arrived) if wants_x else None
        ddw = next(arrived) if wants_weight else None
        dy = next(arrived)
        x = next(arrived) if wants_weight else None
        weight = next(arrived) if wants_x else None
        found: list[torch.Tensor | None] = [None] * count
        if need[0]:
            terms = [operator.forward(*pair) for pair in ((ddx, weight), (x, ddw)) if pair[0] is not None]
            found[0] = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        if need[1]:
            found[1] = operator.grad(need_x, dy, x, ddw)[0]
        if need[2]:
            found[2] = operator.grad(need_weight, dy, ddx, weight)[1]
        return found

    reads = (0, *([1] if wants_weight else []), *([2] if wants_x else []))
    depends = tuple([i == 0 or (i == 1 and wants_weight) or (i == 2 and wants_x) for i in range(count)])
    return SecondOrder(depends, reads, kernel)


def _of_factor(function: Function) -> SecondOrder:
    """Of a function of one array whose gradient is a factor for each element: so is the gradient of that."""
    operator = function._operator
    reads_x, reads_y = function._reads("x", 0), function._reads("y", 0)

    def kernel(need: Sequence[bool], ddx: torch.Tensor, *read: torch.Tensor) -> list[torch.Tensor | None]:
        xs, ys = read[:reads_x], read[reads_x:]
        return [*call_grad(operator, (True,), [ddx], xs.__getitem__, ys.__getitem__), None, None]

    return SecondOrder((True, False, False), (*([1] if reads_x else []), *([2] if reads_y else [])), kernel)
