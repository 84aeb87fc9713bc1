"""Backward: gradients of a graph compiled into a plan."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .._nd_array import MOVES, NdArray, moves
from ..errors import GraphError, ShapeError
from ..graph.derivative import below_autograd
from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import combined, function_post_hooks, function_pre_hooks, is_watched
from ..graph.setup import with_gaps
from ..graph.variable import Hook, Variable
from .compiling import made_plan
from .frame import ARRAY, INPUT_ARRAY
from .immediate import given_tensors
from .plan import BoundPlan, Plan, Read, take_up
from .plan_cache import plan_cache
from .program import ANY_TYPE
from .record_backward import may_share, record_backward
from .steps import CastSlot

# Most losses are numbers, and nobody writes to what stands for the gradient of all graphs of a form.
_one = lru_cache(maxsize=64)(torch.ones)


class BackwardPlan(Plan):
    """A plan that starts from a gradient given from outside.

    Attributes:
        seed: number of the slot that the gradient of the root is put into.
        root: which output of the last function that is.
        passes_seed_on: whether other variables may receive it as their gradient.
        read: numbers of the arrays with values that were computed before, and the type and the device to find them in;
            None for any type.
    """

    seed: int
    read: list[tuple[int, torch.dtype | None, torch.device]]
    root: int
    passes_seed_on: bool

    def bind(self, order: Sequence[Function]) -> BoundBackwardPlan:
        return BoundBackwardPlan(self, order)


class BoundBackwardPlan(BoundPlan):
    __slots__ = ("_moves", "ones", "passes_seed_on", "seed")

    plan: BackwardPlan
    _largest = 0

    def __init__(self, plan: BackwardPlan, order: Sequence[Function]) -> None:
        super().__init__(plan, order)
        self.seed: CastSlot = self.frame[plan.seed]
        self.passes_seed_on = plan.passes_seed_on
        self._moves = -1
        for i, _, _ in plan.read:
            self.frame[i]._followed |= MOVES
        # What `grad=1` puts there.
        maker = order[-1]
        operator = maker._operator
        shape = maker._outputs[plan.root].data._shape
        make = _one if len(shape) == 0 else torch.ones
        self.ones = make(shape, dtype=operator.compute_dtype, device=operator.device)
        self.seed.constant = self.ones

    def differentiated(self) -> list[Function]:
        """The functions whose gradients are computed, and those that are computed again."""
        return [function for function in (*self.functions, *self._also) if function is not None]

    def take_up(self) -> None:
        """See what became of the values since they were computed."""
        if self._moves != moves.value:
            if not self._is_as_computed():
                for function in self.differentiated():
                    take_up(_read_by_gradient(function))
            self._moves = moves.value

    def _is_as_computed(self) -> bool:
        """Whether all that was computed before is there, as it was computed: asked for each graph that is built."""
        frame = self.frame
        for i, dtype, device in self.plan.read:
            tensor = frame[i]._tensor
            if tensor is None or tensor.device != device or (dtype is not None and tensor.dtype is not dtype):
                return False
        return True

    def _read_by(self, function: Function) -> list[Read]:
        grads = [b._grad for b in function._outputs if b._grad is not None and b._grad._has_values()]
        return [*_read_by_gradient(function), *[(grad, function) for grad in grads]]

    def _made_by(self, function: Function) -> list[Read]:
        inputs = [v for v in function._inputs if v._parent is not None and v._buffers._grad is not None]
        return [(v._buffers.grad, v._parent) for v in inputs if v._parent is not None]

    def _separate(self, function: Function) -> None:
        if may_share(function._operator):
            for variable in function._inputs:
                grad = variable._buffers._grad
                if variable._parent is not None and grad is not None and grad._tensor is not None:
                    grad._tensor = grad._tensor.clone(memory_format=torch.contiguous_format)


def run_backward(
    root: Variable,
    grad: Any,
    clear_buffer: bool,
    communicator_callbacks: Any,
    pre_hook: Hook | None,
    post_hook: Hook | None,
) -> None:
    """Propagate gradients from `root`; see `Variable.backward`."""
    plans = root._plans
    watched = is_watched(pre_hook, post_hook, communicator_callbacks)
    key = ("backward", clear_buffer, "watched") if watched else ("backward", clear_buffer)
    cache = None if plans is None else plans.get(key)
    plan: BoundBackwardPlan
    if cache is not None and cache.epoch == epoch.value:
        plan = cache.bound
    else:
        cache = plan_cache((root,), key, "backward", "propagate to")
        plan = cache.find((root,), key, lambda order: compile_backward(order, root, clear_buffer, watched))
    if not plan.steps:
        return
    if root._buffers.data._tensor is None and root._buffers.data._fill is None:
        _require_values(plan)
    seed = plan.seed
    # A result that depends on data may have another shape in each forward.
    if type(grad) is int and grad == 1 and plan.ones.shape == root._buffers.data._shape:
        tensor = plan.ones
    else:
        tensor = _seed(root, grad)
    seed._tensor = tensor.clone() if plan.passes_seed_on else tensor
    plan.take_up()
    if not watched:
        plan.run()
    else:
        _run_with_callbacks(plan, communicator_callbacks, pre_hook, post_hook)
    seed._tensor = None


def _run_with_callbacks(
    plan: BoundPlan, communicator_callbacks: Any, pre_hook: Hook | None, post_hook: Hook | None
) -> None:
    callbacks = _callbacks(communicator_callbacks)
    pre = combined(pre_hook, function_pre_hooks, before=True)
    post = combined(post_hook, function_post_hooks)
    may_write = pre is not None or post is not None
    for callback in callbacks:
        may_write = may_write or getattr(callback, "may_write", True)
        getattr(callback, "on_start_backward", _nothing)(plan.functions)
        post = combined(post, {"": callback.on_finish_function_backward})
    plan.run_with_hooks(pre, post, may_write)
    for callback in callbacks:
        callback.on_finish_backward()


def _nothing(functions: Any) -> None:
    """For callbacks that want to know nothing at the start."""


def _require_values(plan: BoundBackwardPlan) -> None:
    """Make sure that what gradients read is there, also for functions that were made since forward ran.

    What such a function leaves behind for its gradient follows from its inputs.

    Raises:
        GraphError: values are missing.
    """
    for function in plan.differentiated():
        if any([v is not None and v._recompute for v in [ref() for ref in function._output_refs]]):
            continue
        operator = function._operator
        if any([array._tensor is None and array._fill is None for array, _ in _read_by_gradient(function)]):
            raise GraphError(f"backward: {operator.declaration.type_name} has no values yet; run forward() first")
        if operator.keeps and operator.kept is None and operator.grad is not None:
            with below_autograd():
                operator.recompute(*with_gaps(operator, given_tensors(operator, [v.data for v in function._inputs])))


def _read_by_gradient(function: Function) -> list[Read]:
    """The values that the gradient of a function reads, of what functions made."""
    inputs = [(i, v) for i, v in enumerate(function._inputs) if v._parent is not None]
    read = [(v._buffers.data, v._parent) for i, v in inputs if v._parent is not None and function._reads("x", i)]
    return read + [(b.data, function) for i, b in enumerate(function._outputs) if function._reads("y", i)]


def _callbacks(given: Any) -> list[Any]:
    if given is None:
        return []
    callbacks = list(given) if isinstance(given, (list, tuple)) else [given]
    for callback in callbacks:
        if not hasattr(callback, "on_finish_function_backward"):
            raise TypeError(
                "backward: communicator_callbacks must be CommunicatorBackwardCallback objects, "
                f"not {type(callback).__name__}"
            )
    return callbacks


def _seed(root: Variable, grad: Any) -> torch.Tensor:
    """The gradient to start from, as a tensor of the root's shape."""
    assert root._parent is not None
    operator = root._parent._operator
    dtype, device = operator.compute_dtype, operator.device
    if type(grad) is int or type(grad) is float:
        return torch.full(root.shape, grad, dtype=dtype, device=device)
    if grad is None:
        return root._buffers.grad._as(dtype, device)
    if isinstance(grad, NdArray):
        array = grad
    elif isinstance(grad, (str, bytes)):
        raise TypeError(f"backward: grad must be a number, an array or None, not {grad!r}")
    else:
        values = np.asarray(grad)
        if values.ndim == 0:
            return torch.full(root.shape, float(values), dtype=dtype, device=device)
        array = NdArray.from_numpy_array(values)
    if array.shape != root.shape:
        raise ShapeError(f"backward: grad must have shape {root.shape}, not {array.shape}")
    return array._as(dtype, device)


def compile_backward(
    order: Sequence[Function], root: Variable, clear_buffer: bool, one_by_one: bool = False
) -> BackwardPlan:
    """Make steps for all functions that have a gradient, one for each if asked; free what the options allow."""
    plan, program = made_plan(BackwardPlan, record_backward(order, root, clear_buffer), (root,), one_by_one)
    (plan.seed,) = program.roots
    plan.read = [
        (number, None if value.dtype is ANY_TYPE else value.dtype, order[value.position]._operator.device)
        for number, value in enumerate(program.values)
        if value.source in (ARRAY, INPUT_ARRAY)
    ]
    plan.reads += [*[number for number, _, _ in plan.read], plan.seed]
    plan.reads_kept = True
    maker = order[-1]
    outputs = [b.data for b in maker._outputs]
    # A variable whose parent the user has set is not among them. Its gradient is not propagated further.
    plan.root = outputs.index(root._buffers.data) if root._buffers.data in outputs else 0
    # Leaves copy what they are given; whoever writes to an expanded tensor copies it first.
    plan.passes_seed_on = (
        may_share(maker._operator)
        and not clear_buffer
        and any([id(v._buffers.data) in program.hidden and v.size == root.size for v in maker._inputs])
    )
    return plan
