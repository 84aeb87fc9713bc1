"""Forward: a graph compiled into a plan; and a single function run at once, forward or backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import get_num_threads

from .._array_view import LinkedArray, shown_by
from .._nd_array import NdArray
from .._threads import choice_for
from ..errors import ArgumentError, GraphError, ShapeError
from .binder import Binder
from .callback import Callback
from .derivative import derived_grad
from .epoch import epoch
from .frame import CALL, KERNEL
from .function import Function
from .hooks import combined, function_post_hooks, function_pre_hooks
from .kernels import ForwardKernel, kernel_of, open_to_users, python_forward
from .liveness import exposed_arrays, freed_after_forward, unshared
from .meeting import are_linked, described, wanted_inputs, with_gaps
from .operator import Kind, Operator
from .plan import Plan, plan_cache, setup_again
from .steps import call_step, copied, forward_step, linked_step, reshaping_step, take_shape
from .variable import Buffers, Hook, Variable
from .wiring import call_grad


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
        plan = cache.bound
    else:
        cache = plan_cache(roots, key, "forward", "compute")
        options = "forward", clear_buffer, clear_no_need_grad
        plan = cache.find(roots, options, lambda order: compile_forward(order, roots, clear_buffer, clear_no_need_grad))
    if pre_hook is None and post_hook is None and not function_pre_hooks and not function_post_hooks:
        plan.run()
    else:
        pre = combined(pre_hook, function_pre_hooks, before=True)
        plan.run_with_hooks(pre, combined(post_hook, function_post_hooks))


def forward_all(
    variables: Variable | Iterable[Variable],
    clear_buffer: bool = False,
    clear_no_need_grad: bool = False,
    function_pre_hook: Hook | None = None,
    function_post_hook: Hook | None = None,
) -> None:
    """Compute several variables at once; what they share is computed once.

    Args:
        variables: one or several; none of them is freed by the clear options. One that no function made has its values
            already.
        clear_buffer: as in `Variable.forward`.
        clear_no_need_grad: as in `Variable.forward`.
        function_pre_hook: as in `Variable.forward`.
        function_post_hook: as in `Variable.forward`.
    """
    variables = [variables] if isinstance(variables, Variable) else list(variables)
    for i, root in enumerate(variables):
        if not isinstance(root, Variable):
            raise TypeError(f"forward_all: variables[{i}] must be a Variable, not {type(root).__name__}")
    roots = tuple([v for v in variables if v._parent is not None])
    if roots:
        run_forward(roots, clear_buffer, clear_no_need_grad, function_pre_hook, function_post_hook)


def compile_forward(
    order: Sequence[Function], roots: Sequence[Variable], clear_buffer: bool, clear_no_need_grad: bool
) -> Plan:
    """Make one step for each function, and free what the options allow."""
    binder = Binder(order)
    freed = freed_after_forward(order, roots, clear_buffer, clear_no_need_grad)
    exposed = exposed_arrays(order, roots)
    sole = unshared(order)
    for position, function in enumerate(order):
        operator = function._operator
        keep = function._needs_grad and not clear_buffer
        overwrites = False
        if operator.overwrite is not None and function._inputs[0].shape == function._outputs[0].data._shape:
            first = function._inputs[0]._buffers.data
            overwrites = id(first) in sole and any(first is array for array in freed.get(position, ()))
        add_forward_step(binder, position, exposed, ForwardKernel(keep, overwrites=overwrites))
        # What a gradient derived from forward would need is not recorded here.
        free_operator = [binder.operator(position)] if operator.keeps and not keep and operator.grad is not None else []
        binder.free(binder.memory(freed.get(position, ())), free_operator)
    binder.flush()
    return Plan(binder)


def add_forward_step(binder: Binder, position: int, exposed: set[int], chosen: ForwardKernel) -> None:
    """Add the step that computes the outputs of a function.

    Args:
        binder: collects the steps.
        position: of the function.
        exposed: addresses of arrays that share no memory with others, see `exposed_arrays`.
        chosen: what computes them.
    """
    function = binder.order[position]
    operator = function._operator
    if isinstance(operator, Callback):
        binder.add(call_step(binder.entry(KERNEL, position, more=python_forward)), position)
        binder.produce(position)
        return
    arrays = [buffers.data for buffers in function._outputs]
    if are_linked(operator, [v._buffers.data for v in function._inputs], arrays):
        if operator.write is None or chosen.repeats:
            moves = type(arrays[0]) is LinkedArray and binder.is_produced(arrays[0])
            binder.produce(position)
            binder.add(linked_step(binder.data(arrays[0]) if moves else None), position)
            return
        chosen = chosen._replace(writes=True)
    slots = binder.inputs(position)
    given = [v._buffers.data for v in function._inputs]
    may_share = all([binder.is_produced(array) for array in given])
    binder.produce(position)
    if operator.view and (not may_share or any([id(shown_by(array)) in exposed for array in [*given, *arrays]])):
        chosen = chosen._replace(copies=True)
    kernel = binder.entry(KERNEL, position, more=chosen.of)
    step = forward_step(kernel, slots, [binder.data(array) for array in arrays])
    if operator.dynamic_shape:
        # Where this is a repetition, the functions behind it have their shapes already.
        end = position + 1 if chosen.repeats else None
        functions = binder.entry(CALL, more=lambda order, frame: order[position:end])
        step = reshaping_step(
            step, lambda frame: frame[functions][0]._outputs, lambda frame: setup_again(frame[functions][1:])
        )
    binder.add(step, position)
    binder.free([], [], [s for s in slots if s in binder.casts])


# ---- one function at once ----------------------------------------------------------------------------------------


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
        choice = operator.prototype.threads
        if choice is None:
            choice = operator.prototype.threads = choice_for([a.size for a in (*arrays, *results)])
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


def run_imperative(operator: Operator, arrays: Sequence[NdArray], results: Sequence[NdArray]) -> None:
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
    if isinstance(operator, Callback):
        with open_to_users([v._buffers.data for v in outputs]):
            operator.user.forward_impl(list(inputs), list(outputs))
    else:
        kernel: Any = operator.recompute if recompute else kernel_of(operator, inputs, keep)
        arrays, results = [v._buffers.data for v in inputs], [v._buffers.data for v in outputs]
        if are_linked(operator, arrays, results):
            kernel = None if recompute else operator.write
        if kernel is not None:
            _run(operator, arrays, results, kernel)
        if operator.dynamic_shape:
            for variable in outputs:
                take_shape(variable._buffers)
    if hooked:
        for hook in [*function_post_hooks.values()]:
            hook(function)


def run_function_backward(
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
