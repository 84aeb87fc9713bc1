"""Where gradients go: assigned to an intermediate variable, summed there, or accumulated into a leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from .._nd_array import NdArray
from ..graph.operator import Operator, Shape
from ..graph.variable import Buffers
from .steps import Frame, Receiver


def assigning(grad: int) -> Receiver:
    """The first gradient that reaches an intermediate variable."""

    def put(frame: Frame, dx: torch.Tensor) -> None:
        frame[grad]._tensor = dx

    return put


def adding(number: int, shared: bool) -> Receiver:
    """A further gradient of an intermediate variable. The one before may share memory, so it stays as it is.

    Args:
        number: of the variable's gradient.
        shared: whether the further gradient may share memory with something else; the sum takes its place if not.
    """

    def put(frame: Frame, dx: torch.Tensor) -> None:
        grad: NdArray = frame[number]
        before = grad._tensor
        if before is None:
            grad._tensor = dx
        elif shared or dx.dtype is not before.dtype:
            grad._tensor = before + dx
        else:
            grad._tensor = dx.add_(before)

    return put


def accumulating(number: int, dtype: torch.dtype) -> Receiver:
    """The gradient of a variable that no function made.

    It is added to what is there, or assigned where that is a pending zero; so a solver's `zero_grad` costs nothing.

    Args:
        number: of the variable's buffers; their grad array is there, and may be exchanged at any time.
        dtype: type that the gradient is kept in.
    """

    def put(frame: Frame, dx: torch.Tensor) -> None:
        grad: NdArray = frame[number]._grad
        tensor = grad._tensor
        if tensor is dx:
            return  # Added by the operator itself.
        if tensor is not None:
            if tensor.device == dx.device and tensor.is_floating_point():
                tensor.add_(dx)
            else:
                grad._set(tensor.to(dx.device, dtype).add_(dx))
        elif grad._fill:
            grad._set(dx.to(dtype) + grad._fill)
        else:
            grad._tensor = dx if dx.dtype is dtype else dx.to(dtype)
            grad._fill = None

    return put


def adding_to(operator: Operator, need: Sequence[bool], leaves: Sequence[Buffers | None]) -> Callable[..., Any]:
    """`add_grad` of an operator, with `need`, and with what the gradients of `leaves` hold when it is called.

    Args:
        operator: has an `add_grad`.
        need: for each declared input, whether its gradient is wanted.
        leaves: for each declared input, the variable that its gradient is added to, or None.
    """
    kernel, dtype, device = operator.add_grad, operator.compute_dtype, operator.device
    assert kernel is not None

    def total(buffers: Buffers | None) -> torch.Tensor | None:
        tensor = None if buffers is None or buffers._grad is None else buffers._grad._tensor
        if tensor is None or tensor.dtype is not dtype or tensor.device != device or not tensor.is_contiguous():
            return None
        return tensor

    return lambda *tensors: kernel(need, [total(buffers) for buffers in leaves], *tensors)


def owning(kernel: Callable[..., Any], places: Sequence[int] | None, dense: Sequence[bool]) -> Callable[..., Any]:
    """`kernel`, made to return results that share memory with nothing else, at the given places.

    Args:
        kernel: takes tensors, None and tuples of tensors.
        places: indices into what it returns; None where that is one tensor.
        dense: for each of them whether it must be contiguous. Whoever writes to one that is not copies it first.
    """
    if places is None:
        own = owning(lambda *tensors: (kernel(*tensors),), [0], dense)
        return lambda *tensors: own(*tensors)[0]
    pairs = list(zip(places, dense, strict=True))

    def call(*tensors: Any) -> list[Any]:
        results = list(kernel(*tensors))
        # How many hold each memory: a function of thousands of inputs must not compare each with each.
        holders: dict[int, int] = {}
        _count_holders(holders, tensors)
        _count_holders(holders, results)
        for i, contiguous in pairs:
            dx = results[i]
            if dx is None:
                continue
            memory = dx.untyped_storage().data_ptr()
            if dx.is_contiguous():
                if holders[memory] == 1:
                    continue
            elif not contiguous:
                continue
            holders[memory] -= 1
            results[i] = dx.clone(memory_format=torch.contiguous_format)
        return results

    return call


def _count_holders(holders: dict[int, int], tensors: Iterable[Any]) -> None:
    """Add to `holders`, by the address of the storage, how many of `tensors` (and of tuples in it) are on it."""
    for tensor in tensors:
        if isinstance(tensor, tuple):
            _count_holders(holders, tensor)
        elif tensor is not None:
            memory = tensor.untyped_storage().data_ptr()
            holders[memory] = holders.get(memory, 0) + 1


def casting(receiver: Receiver, dtype: torch.dtype) -> Receiver:
    """Convert the gradient of an intermediate variable to the type that its function computes in."""

    def put(frame: Frame, dx: torch.Tensor) -> None:
        receiver(frame, dx.to(dtype))

    return put


def summing(receiver: Receiver, shape: Shape) -> Receiver:
    """Sum the gradient of a broadcast input over the axes it was broadcast on."""

    def put(frame: Frame, dx: torch.Tensor) -> None:
        receiver(frame, dx.sum_to_size(shape))

    return put
