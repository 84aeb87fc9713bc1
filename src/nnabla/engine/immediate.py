"""One function run at once, forward or backward: in dynamic and imperative mode, and where users ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import get_num_threads

from .._nd_array import NdArray
from .._threads import OneThread, ThreadChoice, choice_for
from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.callback import Callback
from ..graph.derivative import derived_grad
from ..graph.hooks import function_post_hooks, function_pre_hooks
from ..graph.operator import Kind, Operator
from ..graph.setup import are_linked, described, wanted_inputs, with_gaps
from ..graph.variable import Buffers, Variable
from ..graph.wiring import call_grad
from .kernel_choice import kernel_of, open_to_users
from .steps import copied, take_shape


def given_tensors(operator: Operator, arrays: Sequence[NdArray]) -> list[torch.Tensor]:
    """Tensors of the inputs given, as `operator` wants them."""
    device = operator.device
    dtype = operator.compute_dtype
    if operator.declaration.plain:
        return [a._as(dtype, device) for a in arrays]
    return [given_tensor(operator, array, kind) for array, kind in zip(arrays, operator.wiring.kinds, strict=True)]


def given_tensor(operator: Operator, array: NdArray, kind: Kind) -> torch.Tensor:
    """Tensor of an input, which `operator` reads as `kind` says."""
    if kind is Kind.COMPUTE:
        return array._as(operator.compute_dtype, operator.device)
    if kind is Kind.WHOLE:
        return array._as(array._whole_type() or operator.compute_dtype, operator.device)
    if kind is Kind.INDEX:
        return array._as(torch.int64, operator.device)
    if kind is Kind.AS_IS:
        return array._as_is(operator.device)
    return array._own(operator.input_dtype(kind), operator.device)


def _run(operator: Operator, arrays: Sequence[NdArray], results: Sequence[NdArray], kernel: Callable[..., Any]) -> None:
    tensors = given_tensors(operator, arrays)
    if len(tensors) < len(operator.present):
        tensors = with_gaps(operator, tensors)
    if operator.view:
        kernel = copied(kernel)
    choice, threads = None, get_num_threads()
    if threads > 1 and operator.prototype is not None:
        known = operator.prototype.threads
        if known is ...:
            known = operator.prototype.threads = _choice_for(operator, [a.size for a in (*arrays, *results)])
        choice = known
        if choice is not None:
            choice.start(threads)
    try:
        outputs = kernel(*tensors)
    except (ShapeError, ArgumentError, GraphError) as error:
        raise type(error)(f"{error}{described(operator, arrays)}") from None
    except (RuntimeError, IndexError) as error:
        message = str(error).splitlines()[0] if str(error) else repr(error)
        raise GraphError(f"{operator.declaration.type_name}: {message}{described(operator, arrays)}") from error
    finally:
        if choice is not None:
            choice.stop(threads)
    for result, tensor in zip(results, outputs if len(results) > 1 else (outputs,), strict=True):
        result._tensor = tensor
        result._fill = None
        if operator.dynamic_shape:
            result._shape = tuple(tensor.shape)


def _choice_for(operator: Operator, sizes: Sequence[int]) -> OneThread | ThreadChoice | None:
    choice = choice_for(sizes)
    # To switch takes a microsecond; element-wise kernels divide large arrays only.
    return None if operator.elementwise and isinstance(choice, OneThread) else choice


def compute_arrays(operator: Operator, arrays: Sequence[NdArray], results: Sequence[NdArray]) -> None:
    """Compute `results` from `arrays`; nothing is kept for a gradient."""
    if isinstance(operator, Callback):
        with open_to_users(results):
            operator.user.forward_impl([_variable(a) for a in arrays], [_variable(a) for a in results])
        return
    kernel: Any = operator.infer or operator.forward
    if are_linked(operator, arrays, results):
        if operator.write is None:
            return
        kernel = operator.write
    _run(operator, arrays, results, kernel)
    if operator.keeps:
        operator.kept = None


def compute(
    operator: Operator,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    keep: bool = True,
    recompute: bool = False,
) -> None:
    """Compute the data of `outputs` from that of `inputs`.

    Args:
        operator: what to compute.
        inputs: those given.
        outputs: all of them.
        keep: whether a gradient will be asked for.
        recompute: whether this repeats an earlier forward, whose side effects stay as they are.
    """
    function = outputs[0]._parent
    hooked = function is not None and (function_pre_hooks or function_post_hooks)
    if hooked:
        for hook in [*function_pre_hooks.values()]:
            hook(function)
    if isinstance(operator, Callback):
        with open_to_users([v._buffers.data for v in outputs]):
            operator.user.forward_impl(list(inputs), list(outputs))
    else:
        kernel: Any = operator.recompute if recompute else kernel_of(operator, inputs, keep)
        arrays, results = [v._buffers.data for v in inputs], [v._buffers.data for v in outputs]
        if operator.linked is not None and are_linked(operator, arrays, results):
            kernel = None if recompute else operator.write
        if kernel is not None:
            _run(operator, arrays, results, kernel)
        if operator.dynamic_shape:
            for variable in outputs:
                take_shape(variable._buffers)
    if hooked:
        for hook in [*function_post_hooks.values()]:
            hook(function)


def compute_gradients(
    operator: Operator, inputs: Sequence[Variable], outputs: Sequence[Variable], accum: Sequence[bool]
) -> None:
    """Compute gradients of `inputs` with `need_grad` from those of `outputs`; see `Function.backward`."""
    if isinstance(operator, Callback):
        with open_to_users([v._buffers.grad for v in inputs]):
            operator.user.backward_impl(list(inputs), list(outputs), [v.need_grad for v in inputs], list(accum))
        return
    wants = wanted_inputs(operator, inputs)
    grads: Sequence[Any] = ()
    if operator.differentiable and any(wants):
        grads = _gradients_of(operator, inputs, outputs, wants)
    for variable, i, want, accumulate in zip(inputs, operator.wiring.places, wants, accum, strict=True):
        dx = grads[i] if want and grads else None
        if dx is not None:
            _put_gradient(variable, dx, accumulate)
        elif variable.need_grad and not accumulate:
            variable.grad.zero()


def _gradients_of(
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


def _put_gradient(variable: Variable, dx: torch.Tensor, accumulate: bool) -> None:
    if dx.shape != variable.shape:
        dx = dx.sum_to_size(variable.shape)
    if accumulate:
        dx = variable.grad._as(dx.dtype, dx.device) + dx
    variable.grad._set(dx.clone(memory_format=torch.contiguous_format))


def _variable(array: NdArray) -> Variable:
    return Variable._on(Buffers(array))
