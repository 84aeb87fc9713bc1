"""The naive interpreter that a plan must equal: one function at a time, nothing bound, nothing freed."""

from __future__ import annotations

import torch

from nnabla.graph.function import Function
from nnabla.graph.variable import Variable


def in_order(root: Variable) -> list[Function]:
    """Functions that lead to `root`, inputs first; by recursion, unlike the engine."""
    order: list[Function] = []

    def follow(variable: Variable) -> None:
        function = variable.parent
        if function is not None and function not in order:
            for x in function.inputs:
                follow(x)
            order.append(function)

    follow(root)
    return order


def interpret(root: Variable, leaves: list[Variable], seed: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Value of `root`, and the gradient of ``sum(seed * root)`` in each leaf.

    Gradients are computed by torch's autograd over the operators' forward, so that this shares with the engine
    neither the order, nor the gradients, nor the bookkeeping.
    """
    tensors: dict[Variable, torch.Tensor] = {}

    def value(variable: Variable) -> torch.Tensor:
        if variable not in tensors:
            tensor = torch.tensor(variable.d.astype("float64"), dtype=torch.float64)
            tensors[variable] = tensor.requires_grad_(variable.need_grad)
        return tensors[variable]

    for function in in_order(root):
        result = function._operator.forward(*[value(x) for x in function.inputs])
        results = (result,) if isinstance(result, torch.Tensor) else tuple(result)
        for y, tensor in zip(function.outputs, results, strict=True):
            tensors[y] = tensor
    y = tensors[root]
    wanted = [tensors[leaf] for leaf in leaves if leaf in tensors]
    found = iter(torch.autograd.grad((y * seed).sum(), wanted, allow_unused=True))
    grads = []
    for leaf in leaves:
        grad = next(found) if leaf in tensors else None
        grads.append(torch.zeros(leaf.shape, dtype=torch.float64) if grad is None else grad)
    return y.detach(), grads
