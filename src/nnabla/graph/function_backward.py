"""The gradient of a single function, computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .derivative import derived_grad
from .forward import given_tensor, given_tensors
from .function import PythonFunction
from .meeting import wanted_inputs, with_gaps
from .operator import Operator
from .variable import Variable
from .wiring import call_grad


def run_function_backward(
    operator: Operator, inputs: Sequence[Variable], outputs: Sequence[Variable], accum: Sequence[bool]
) -> None:
    """Compute gradients of `inputs` with `need_grad` from those of `outputs`; see `Function.backward`."""
    if isinstance(operator, PythonFunction):
        operator.backward_impl(list(inputs), list(outputs), [v.need_grad for v in inputs], list(accum))
        return
    wants = wanted_inputs(operator, inputs)
    grads: Sequence[Any] = ()
    if operator.differentiable and any(wants):
        grads = _gradients(operator, inputs, outputs, wants)
    for variable, i, want, accumulate in zip(inputs, operator.wiring.places, wants, accum, strict=True):
        dx = grads[i] if want and grads else None
        if dx is not None:
            _put(variable, dx, accumulate)
        elif variable.need_grad and not accumulate:
            variable.grad.zero()


def _gradients(
    operator: Operator, inputs: Sequence[Variable], outputs: Sequence[Variable], wants: Sequence[bool]
) -> Sequence[Any]:
    dtype, device = operator.compute_dtype, operator.device
    need = tuple(with_gaps(operator, wants, False))
    dys = [v.grad._as(dtype, device) for v in outputs]
    if operator.grad is None or (operator.keeps and operator.kept is None):
        xs = given_tensors(operator, [v.data for v in inputs])
        return derived_grad(operator, need)(*dys, *with_gaps(operator, xs))
    kinds = operator.wiring.kinds
    return call_grad(
        operator,
        need,
        dys,
        lambda i: given_tensor(operator, inputs[i].data, kinds[i]),
        lambda i: outputs[i].data._as(dtype, device),
    )


def _put(variable: Variable, dx: torch.Tensor, accumulate: bool) -> None:
    if dx.shape != variable.shape:
        dx = dx.sum_to_size(variable.shape)
    if accumulate:
        dx = variable.grad._as(dx.dtype, dx.device) + dx
    variable.grad._set(dx.clone(memory_format=torch.contiguous_format))
