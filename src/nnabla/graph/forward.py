"""Forward: a graph compiled into a plan, or a single function run at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .._nd_array import NdArray
from ..errors import ArgumentError, GraphError, ShapeError
from .binder import Binder
from .derivative import recorded
from .epoch import epoch
from .function import Function, PythonFunction
from .hooks import combined, function_post_hooks, function_pre_hooks
from .liveness import freed_after_forward, unshared
from .meeting import described, wanted_inputs, with_gaps
from .operator import Kind, Operator
from .plan import Plan, plan_cache, setup_again
from .steps import CastSlot, copied, forward_step, python_forward_step, reshaping_step, take_shape
from .variable import Buffers, Hook, Variable


def run_forward(
    roots: Sequence[Variable],
    clear_buffer: bool = False,
    clear_no_need_grad: bool = False,
    pre_hook: Hook | None = None,
    post_hook: Hook | None = None,
) -> None:
    """Compute `roots`; see `Variable.forward`."""
    first = roots[0]
    key: Any = (clear_buffer, clear_no_need_grad)
    if len(roots) > 1:
        key = (*key, *[v._buffers for v in roots[1:]])
    plans = first._plans
    cache = None if plans is None else plans.get(key)
    if cache is not None and cache.epoch == epoch.value:
        plan = cache.plan
    else:
        cache = plan_cache(roots, key, "forward", "compute")
        plan = cache.find(roots, lambda order: compile_forward(order, roots, clear_buffer, clear_no_need_grad))
    if pre_hook is None and post_hook is None and not function_pre_hooks and not function_post_hooks:
        plan.run()
    else:
        pre = combined(pre_hook, function_pre_hooks, before=True)
        plan.run_with_hooks(pre, combined(post_hook, function_post_hooks))


def forward_all(
    variables: Sequence[Variable],
    clear_buffer: bool = False,
    clear_no_need_grad: bool = False,
    function_pre_hook: Hook | None = None,
    function_post_hook: Hook | None = None,
) -> None:
    """Compute several variables at once; what they share is computed once.

    Args:
        variables: none of them is freed by the clear options. One that no function made has its values already.
        clear_buffer: as in `Variable.forward`.
        clear_no_need_grad: as in `Variable.forward`.
        function_pre_hook: as in `Variable.forward`.
        function_post_hook: as in `Variable.forward`.
    """
    variables = list(variables)
    for i, root in enumerate(variables):
        if not isinstance(root, Variable):
            raise TypeError(f"forward_all: variables[{i}] must be a Variable, not {type(root).__name__}")
    roots = tuple([v for v in variables if v._parent is not None])
    if roots:
        run_forward(roots, clear_buffer, clear_no_need_grad, function_pre_hook, function_post_hook)


def kernel_of(operator: Operator, inputs: Sequence[Variable], keep: bool) -> Callable[..., Any]:
    """What computes the outputs: `forward`, or `infer` where nothing has to be kept for a gradient.

    Where the gradient is derived, autograd records the forward that a gradient will be asked for.
    """
    if not keep:
        return operator.infer or operator.forward
    if operator.grad is None and operator.keeps:
        return recorded(operator, with_gaps(operator, wanted_inputs(operator, inputs), False))
    return operator.forward


def compile_forward(
    order: Sequence[Function], roots: Sequence[Variable], clear_buffer: bool, clear_no_need_grad: bool
) -> Plan:
    """Bind one step to each function, and free what the options allow."""
    binder = Binder()
    freed = freed_after_forward(order, roots, clear_buffer, clear_no_need_grad)
    asked = {id(v._buffers.data) for v in roots}
    sole = unshared(order)
    for position, function in enumerate(order):
        operator = function._operator
        keep = function._needs_grad and not clear_buffer
        kernel = kernel_of(operator, function._inputs, keep)
        if operator.overwrite is not None and function._inputs[0].shape == function._outputs[0].data._shape:
            first = function._inputs[0]._buffers.data
            if id(first) in sole and any(first is array for array in freed.get(position, ())):
                kernel = operator.overwrite
        add_forward_step(binder, function, asked, keep, kernel, order[position + 1 :] if operator.dynamic_shape else ())
        # What a gradient derived from forward would need is not recorded here.
        free_operator = [operator] if operator.keeps and not keep and operator.grad is not None else []
        binder.free(freed.get(position, []), free_operator)
    binder.flush()
    return Plan(binder.leaves, binder.steps, binder.functions)


def add_forward_step(
    binder: Binder,
    function: Function,
    asked: set[int],
    keep: bool,
    kernel: Callable[..., Any],
    following: Sequence[Function] = (),
) -> None:
    """Add the step that computes the outputs of `function` with `kernel`, before those of the functions `following`."""
    operator = function._operator
    if isinstance(operator, PythonFunction):
        # New variables on the outputs' buffers: a plan that held the real ones would hold itself.
        outputs = [Variable._on(buffers) for buffers in function._outputs]
        binder.add(python_forward_step(operator, list(function._inputs), outputs), function)
        binder.produce(function)
        return
    slots = binder.inputs(function)
    arrays = [buffers.data for buffers in function._outputs]
    if operator.view and not (
        all(binder.is_produced(v) and not v._persistent for v in function._inputs)
        and not any(id(a) in asked for a in arrays)
        and not any(v is not None and v._persistent for v in [ref() for ref in function._output_refs])
    ):
        kernel = copied(kernel)
    step = forward_step(kernel, slots, arrays)
    if operator.dynamic_shape:
        step = reshaping_step(step, function._outputs, lambda: setup_again(following))
    binder.add(step, function)
    binder.produce(function)
    binder.free([], [], [s for s in slots if isinstance(s, CastSlot)])


# ---- one function at once ----------------------------------------------------------------------------------------


def given_tensors(operator: Operator, arrays: Sequence[NdArray]) -> list[torch.Tensor]:
    """Tensors of the inputs given, as `operator` wants them."""
    device = operator.device
    dtype = operator.compute_dtype
    if operator.declaration.plain:
        return [a._as(dtype, device) for a in arrays]
    tensors = []
    for array, kind in zip(arrays, operator.wiring.kinds, strict=True):
        if kind is Kind.COMPUTE:
            tensors.append(array._as(dtype, device))
        elif kind is Kind.WHOLE:
            tensors.append(array._as(array._whole_type() or dtype, device))
        elif kind is Kind.INDEX:
            tensors.append(array._as(torch.int64, device))
        else:
            tensors.append(array._own(operator.input_dtype(kind), device))
    return tensors


def _run(operator: Operator, arrays: Sequence[NdArray], results: Sequence[NdArray], kernel: Callable[..., Any]) -> None:
    tensors = given_tensors(operator, arrays)
    if len(tensors) < len(operator.present):
        tensors = with_gaps(operator, tensors)
    if operator.view:
        kernel = copied(kernel)
    try:
        outputs = kernel(*tensors)
    except (ShapeError, ArgumentError) as error:
        raise type(error)(f"{error}{described(operator, arrays)}") from None
    except (RuntimeError, IndexError) as error:
        message = str(error).splitlines()[0] if str(error) else repr(error)
        raise GraphError(f"{operator.declaration.type_name}: {message}{described(operator, arrays)}") from error
    for result, tensor in zip(results, outputs if len(results) > 1 else (outputs,), strict=True):
        result._tensor = tensor
        result._fill = None
        if operator.dynamic_shape:
            result._shape = tuple(tensor.shape)


def run_imperative(operator: Operator, arrays: Sequence[NdArray], results: Sequence[NdArray]) -> None:
    """Compute `results` from `arrays`; nothing is kept for a gradient."""
    if isinstance(operator, PythonFunction):
        operator.forward_impl([_variable(a) for a in arrays], [_variable(a) for a in results])
        return
    _run(operator, arrays, results, operator.infer or operator.forward)
    if operator.keeps:
        operator.kept = None


def run_function(
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
    if isinstance(operator, PythonFunction):
        operator.forward_impl(list(inputs), list(outputs))
    else:
        kernel = operator.recompute if recompute else kernel_of(operator, inputs, keep)
        _run(operator, [v._buffers.data for v in inputs], [v._buffers.data for v in outputs], kernel)
        if operator.dynamic_shape:
            for variable in outputs:
                take_shape(variable._buffers)
    if hooked:
        for hook in [*function_post_hooks.values()]:
            hook(function)


def _variable(array: NdArray) -> Variable:
    return Variable._on(Buffers(array))
