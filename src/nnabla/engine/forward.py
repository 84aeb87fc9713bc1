"""Forward: a graph compiled into a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import combined, function_post_hooks, function_pre_hooks, is_watched
from ..graph.variable import Hook, Variable
from .compiling import made_plan
from .plan import Plan
from .plan_cache import plan_cache
from .record_forward import record_forward


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
    watched = is_watched(pre_hook, post_hook)
    if watched:
        key = (*key, "watched")
    plans = first._plans
    cache = None if plans is None else plans.get(key)
    if cache is not None and cache.epoch == epoch.value:
        plan = cache.bound
    else:
        cache = plan_cache(roots, key, "forward", "compute")
        options = "forward", clear_buffer, clear_no_need_grad, watched
        plan = cache.find(
            roots, options, lambda order: compile_forward(order, roots, clear_buffer, clear_no_need_grad, watched)
        )
    if not watched:
        plan.run()
    else:
        # Hooks see each function, and what it makes.
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
    order: Sequence[Function],
    roots: Sequence[Variable],
    clear_buffer: bool,
    clear_no_need_grad: bool,
    one_by_one: bool = False,
) -> Plan:
    """Make steps for all functions, one for each if asked; free what the options allow."""
    return made_plan(Plan, record_forward(order, roots, clear_buffer, clear_no_need_grad), roots, one_by_one)[0]
