"""Forward: a graph compiled into a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .._array_view import LinkedArray, shown_by
from ..graph.callback import Callback
from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import combined, function_post_hooks, function_pre_hooks
from ..graph.setup import are_linked
from ..graph.variable import Hook, Variable
from .binder import Binder
from .frame import CALL, KERNEL
from .kernel_choice import ForwardKernel, python_forward
from .liveness import exposed_arrays, freed_after_forward, unshared
from .plan import Plan
from .plan_cache import plan_cache, setup_again
from .steps import call_step, forward_step, linked_step, reshaping_step


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
