"""Which kernel a step calls: chosen when a form is compiled, found in each graph of that form by its function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, cast

import torch

from .._nd_array import KEPT, NdArray
from ..graph.callback import Callback
from ..graph.derivative import autograd_on, derived_grad, recorded
from ..graph.function import Function
from ..graph.operator import Operator
from ..graph.setup import wanted_inputs, with_gaps
from ..graph.variable import Buffers, Variable
from .accumulation import adding_to, owning
from .steps import CastSlot, Slot, copied

Kernel = Callable[..., Any]

# ---- forward -----------------------------------------------------------------------------------------------------


def kernel_of(operator: Operator, inputs: Sequence[Variable], keep: bool) -> Kernel:
    """What computes the outputs: `forward`, or `infer` where nothing has to be kept for a gradient.

    Where the gradient is derived from forward, autograd records forward if a gradient will be asked for.
    """
    if not keep:
        return operator.infer or operator.forward
    if operator.grad is None and operator.keeps:
        return recorded(operator, with_gaps(operator, wanted_inputs(operator, inputs), False))
    return operator.forward


class ForwardKernel(NamedTuple):
    """Which kernel computes the outputs of a function.

    Attributes:
        keep: whether a gradient will be asked for.
        overwrites: whether the result takes the place of the first input.
        copies: whether it must have memory of its own.
        repeats: whether this computes again what was computed before.
        writes: whether the result is written to an input, which the output is.
    """

    keep: bool
    overwrites: bool = False
    copies: bool = False
    repeats: bool = False
    writes: bool = False

    def of(self, function: Function) -> Kernel:
        operator = function._operator
        if self.writes:
            assert operator.write is not None
            return operator.write
        if self.overwrites:
            assert operator.overwrite is not None
            return operator.overwrite
        kernel = operator.recompute if self.repeats else kernel_of(operator, function._inputs, self.keep)
        return copied(kernel) if self.copies else kernel


class JoinedForwardKernel(NamedTuple):
    """Computes the outputs of several functions that have all inputs but the first in common."""

    def of(self, function: Function) -> Kernel:
        assert function._operator.join is not None
        return function._operator.join


class SumKernel(NamedTuple):
    """Adds what a function computes to something else."""

    def of(self, function: Function) -> Kernel:
        assert function._operator.add_to is not None
        return function._operator.add_to


@contextmanager
def open_to_users(arrays: Sequence[NdArray]) -> Iterator[None]:
    """Context in which freed arrays may be read: users' code reads arrays in order to write to them."""
    marks = [array._cleared for array in arrays]
    for array in arrays:
        array._cleared = KEPT
    try:
        yield
    finally:
        for array, mark in zip(arrays, marks, strict=True):
            array._cleared = mark


def python_forward(function: Function) -> Callable[[], None]:
    """Calls a user's forward_impl. It may do anything, so autograd's dispatch is back in place meanwhile."""
    assert isinstance(function._operator, Callback)
    user = function._operator.user
    inputs = list(function._inputs)
    # New variables on the outputs' buffers: a plan that held the real ones would hold itself.
    outputs = [Variable._on(buffers) for buffers in function._outputs]
    arrays = [y._buffers.data for y in outputs]

    def call() -> None:
        with autograd_on(), open_to_users(arrays):
            user.forward_impl(inputs, outputs)
        for variable, array in zip(outputs, arrays, strict=True):
            given = variable._buffers.data
            if given is not array:  # The user has replaced it.
                array._set(given._realize().clone())
                variable._buffers.data = array
            elif array._fill is not None:
                array._realize()

    return call


# ---- backward ----------------------------------------------------------------------------------------------------


class GradientKernel(NamedTuple):
    """Which kernel computes the gradients of a function.

    Attributes:
        need: for each declared input, whether its gradient is wanted.
        derived: whether the gradient is derived from forward.
        overwrites: whether the result takes the place of the gradient of the first output.
        adds: for each input given, whether its gradient is added within the kernel to what a leaf has; none: nowhere.
        remembers: whether what it makes of the gradient to start from is the same in every run.
    """

    need: tuple[bool, ...]
    derived: bool = False
    overwrites: bool = False
    adds: tuple[bool, ...] = ()
    remembers: bool = False

    def of(self, function: Function) -> Kernel:
        operator = function._operator
        kernel: Kernel
        if self.derived:
            kernel = derived_grad(operator, self.need)
        elif self.adds:
            leaves = [v._buffers if adds else None for v, adds in zip(function._inputs, self.adds, strict=True)]
            kernel = adding_to(operator, self.need, with_gaps(operator, leaves))
        else:
            grad = operator.overwrite_grad if self.overwrites else operator.grad
            assert grad is not None
            kernel = partial(grad, self.need) if operator.declaration.grad_takes_need else grad
        return kernel


def remembering(kernel: Kernel, seed: CastSlot) -> Kernel:
    """`kernel`, which makes one expanded tensor of a gradient, made to do so once for the constant of `seed`.

    Nobody writes to an expanded tensor without copying it first.
    """
    known: torch.Tensor | None = None

    def call(dy: torch.Tensor) -> torch.Tensor:
        nonlocal known
        if dy is not seed.constant:
            return cast(torch.Tensor, kernel(dy))
        if known is not None:
            return known
        dx: torch.Tensor = kernel(dy)
        if 0 in dx.stride():
            known = dx
        return dx

    return call


class JoinedKernel(NamedTuple):
    """Which kernel computes gradients of what several functions read.

    Attributes:
        need: for each declared input, whether its gradient is wanted.
    """

    need: tuple[bool, ...]

    def of(self, function: Function) -> Kernel:
        assert function._operator.join_grad is not None
        return partial(function._operator.join_grad, self.need)


class OwningKernel(NamedTuple):
    """A kernel whose results share memory with nothing else.

    Attributes:
        kernel: returns gradients.
        places: which of them; None for the one alone.
        dense: for each of them whether it must be contiguous.
    """

    kernel: GradientKernel
    places: Sequence[int] | None
    dense: Sequence[bool]

    def of(self, function: Function) -> Kernel:
        return owning(self.kernel.of(function), self.places, self.dense)


def python_backward(
    function: Function,
    dys: Sequence[Slot],
    wants: list[bool],
    accumulate: list[bool],
    own: Sequence[bool],
    shared: Sequence[int],
    onward: Sequence[tuple[int, Operator]],
) -> Callable[[], None]:
    """Calls a user's backward_impl.

    Args:
        function: of a user.
        dys: slots of the gradients of the outputs.
        wants: for each input whether its gradient is wanted,
        accumulate: and whether it is to be added to what is there.
        own: for each output whether nothing else holds its gradient.
        shared: inputs with gradients that may share memory with others.
        onward: inputs that others go on from, and in whose type.
    """
    assert isinstance(function._operator, Callback)
    user = function._operator.user
    inputs = list(function._inputs)
    outputs = [Variable._on(Buffers(b.data)) for b in function._outputs]
    kept = [variable._buffers.grad for variable in inputs]

    def call() -> None:
        # The user may write to what is shown.
        for output, dy, is_own in zip(outputs, dys, own, strict=True):
            tensor = dy._tensor if is_own else dy._tensor.clone(memory_format=torch.contiguous_format)
            output._buffers.grad = NdArray._new(output.shape, tensor)
        for i in shared:
            kept[i]._tensor = kept[i]._realize().clone(memory_format=torch.contiguous_format)
        for variable, want, accum in zip(inputs, wants, accumulate, strict=True):
            if want and not accum:
                variable._buffers.grad._drop()
        with autograd_on(), open_to_users(kept):
            user.backward_impl(inputs, outputs, wants, accumulate)
        for i, maker in onward:
            buffers = inputs[i]._buffers
            kept[i]._set(buffers.grad._as(maker.compute_dtype, maker.device))
            buffers.grad = kept[i]

    return call
