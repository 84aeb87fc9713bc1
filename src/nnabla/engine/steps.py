"""Steps: kernel calls that know where their tensors come from and go to.

A *slot* is anything with an attribute ``_tensor``: the NdArray of an intermediate variable, or a `LeafSlot` or
`CastSlot` that presents an array in the type that an operator wants. A *frame* is the list of all that the steps of a
plan work on in one graph: slots, kernels, operators. Steps know them by their numbers, so that they serve every graph
of the same form. The closures below differ in nothing but the number of inputs; spelling out the common ones saves a
list per call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..dtypes import whole_numbers
from ..errors import GraphError
from ..graph.epoch import advance
from ..graph.operator import Kind
from ..graph.variable import Buffers

# What steps work on, by number; Any because reading an attribute of a union of classes is what the hot loop does.
Frame = list[Any]
Step = Callable[[Frame], None]
# Takes a gradient to where it belongs, see `accumulation`.
Receiver = Callable[[Frame, torch.Tensor], None]
# A slot with a tensor.
Slot = Any


class NoSlot:
    """An optional input that was not given."""

    _tensor = None


NO_SLOT = NoSlot()

# Stands for a tensor that no array has.
_NONE_YET: Any = object()


class LeafSlot:
    """A variable that no function of the graph made, in the type and on the device that its readers want."""

    __slots__ = ("_tensor", "buffers", "device", "dtype", "kind", "source")

    def __init__(self, buffers: Buffers, dtype: torch.dtype, device: torch.device, kind: Kind) -> None:
        self.buffers = buffers
        self.dtype = dtype
        self.device = device
        self.kind = kind
        # The array's tensor when it was last read: while the array still has it, there is nothing to load.
        self.source: Any = _NONE_YET
        self._tensor: torch.Tensor | None = None

    def load(self) -> None:
        """Read the array again: its tensor has changed, or has to be converted each time."""
        array = self.buffers.data
        whole = array._whole_type() if self.kind is Kind.WHOLE else None
        if whole is not None:
            self._tensor = self.source = array._as(whole, self.device)
            return
        if self.kind is Kind.AS_IS:
            self._tensor = self.source = array._as_is(self.device)
            return
        if self.kind is Kind.UPDATED:
            self._tensor = self.source = array._own(self.dtype, self.device)
            return
        before = self._tensor
        source = array._tensor
        if (
            source is not None
            and before is not None
            and self.source is _NONE_YET
            and source.dtype is not self.dtype
            and self.kind is not Kind.INDEX
            and before.shape == source.shape
            and source.device == self.device
        ):
            before.copy_(source)
        else:
            self._tensor = array._as(self.dtype, self.device)
        self.source = self._tensor if self._tensor is array._tensor else _NONE_YET


class CastSlot:
    """A tensor in another type, written by a step of its own; or the gradient to start from.

    Attributes:
        constant: the tensor that it most often is.
    """

    __slots__ = ("_tensor", "constant")

    def __init__(self) -> None:
        self._tensor: torch.Tensor | None = None
        self.constant: torch.Tensor | None = None


class GatheredSlot:
    """A slot that shows several, as a tuple: the inputs of a function that takes any number."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots

    @property
    def _tensor(self) -> tuple[Any, ...]:
        return tuple([s._tensor for s in self._slots])


class PresentSlot:
    """Shows another slot that must have a tensor: where an input is optional, none would mean that it was not given."""

    __slots__ = ("_array",)

    def __init__(self, array: Slot) -> None:
        self._array = array

    @property
    def _tensor(self) -> torch.Tensor:
        tensor = self._array._tensor
        if tensor is None:
            raise GraphError("values are read that were freed by a clear option; run forward() without it")
        return tensor


def cast_step(source: int, target: int, dtype: torch.dtype) -> Step:
    """Convert an intermediate tensor for a reader of another type."""
    if dtype is torch.int64:

        def step(frame: Frame) -> None:
            frame[target]._tensor = whole_numbers(frame[source]._tensor)

    else:

        def step(frame: Frame) -> None:
            frame[target]._tensor = frame[source]._tensor.to(dtype)

    return step


def copied(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel`, whose results may be views, made to return results with memory of their own."""

    def call(*tensors: Any) -> Any:
        result = kernel(*tensors)
        if isinstance(result, torch.Tensor):
            return result.clone(memory_format=torch.contiguous_format)
        return [r.clone(memory_format=torch.contiguous_format) for r in result]

    return call


def forward_step(kernel: int, xs: Sequence[int], ys: Sequence[int]) -> Step:
    """Write what the kernel makes of the tensors of `xs` to `ys`."""
    if len(ys) > 1:
        return _step_many(kernel, xs, ys)
    y = ys[0]
    if len(xs) == 1:
        (x0,) = xs

        def step(frame: Frame) -> None:
            frame[y]._tensor = frame[kernel](frame[x0]._tensor)

    elif len(xs) == 2:
        x0, x1 = xs

        def step(frame: Frame) -> None:
            frame[y]._tensor = frame[kernel](frame[x0]._tensor, frame[x1]._tensor)

    elif len(xs) == 3:
        x0, x1, x2 = xs

        def step(frame: Frame) -> None:
            frame[y]._tensor = frame[kernel](frame[x0]._tensor, frame[x1]._tensor, frame[x2]._tensor)

    elif not xs:

        def step(frame: Frame) -> None:
            frame[y]._tensor = frame[kernel]()

    else:

        def step(frame: Frame) -> None:
            frame[y]._tensor = frame[kernel](*[frame[x]._tensor for x in xs])

    return step


def linked_step(y: int | None) -> Step:
    """The output is an input. What `y`, its array, has seen of the memory of the last run is let go."""
    if y is None:
        return lambda frame: None

    def step(frame: Frame) -> None:
        frame[y]._seen = None

    return step


def joined_forward_step(kernel: int, xs: Sequence[int], shared: Sequence[int], ys: Sequence[int]) -> Step:
    """Write what the kernel makes of all `xs`, and of the tensors of `shared`, to `ys`."""

    def step(frame: Frame) -> None:
        tensors = frame[kernel]([frame[x]._tensor for x in xs], *[frame[x]._tensor for x in shared])
        for y, tensor in zip(ys, tensors, strict=True):
            frame[y]._tensor = tensor

    return step


def _step_many(kernel: int, xs: Sequence[int], ys: Sequence[int]) -> Step:
    def step(frame: Frame) -> None:
        for y, tensor in zip(ys, frame[kernel](*[frame[x]._tensor for x in xs]), strict=True):
            frame[y]._tensor = tensor

    return step


def backward_step(kernel: int, slots: Sequence[int], receivers: Sequence[Receiver], places: list[int] | None) -> Step:
    """Give what the kernel makes of the tensors of `slots` to the receivers.

    Args:
        kernel: returns gradients, or one alone.
        slots: its inputs.
        receivers: where the gradients go.
        places: which of the gradients each receiver gets; None for the one alone.
    """
    if places is None:
        (put,) = receivers
        if len(slots) == 1:
            (s0,) = slots

            def step(frame: Frame) -> None:
                put(frame, frame[kernel](frame[s0]._tensor))

        elif len(slots) == 2:
            s0, s1 = slots

            def step(frame: Frame) -> None:
                put(frame, frame[kernel](frame[s0]._tensor, frame[s1]._tensor))

        else:

            def step(frame: Frame) -> None:
                put(frame, frame[kernel](*[frame[s]._tensor for s in slots]))

        return step
    pairs = list(zip(places, receivers, strict=True))

    def step_many(frame: Frame) -> None:
        grads = frame[kernel](*[frame[s]._tensor for s in slots])
        for i, put in pairs:
            put(frame, grads[i])

    return step_many


def joined_step(
    kernel: int, columns: Sequence[Sequence[int]], receivers: Sequence[Receiver], places: Sequence[int]
) -> Step:
    """Give what the kernel makes of tuples of tensors to the receivers.

    Args:
        kernel: returns gradients.
        columns: the slots of each of its inputs.
        receivers: where the gradients go.
        places: which of the gradients each receiver gets.
    """
    pairs = list(zip(places, receivers, strict=True))

    def step(frame: Frame) -> None:
        grads = frame[kernel](*[[frame[s]._tensor for s in column] for column in columns])
        for i, put in pairs:
            put(frame, grads[i])

    return step


def call_step(kernel: int) -> Step:
    """Call a kernel that finds its tensors by itself."""

    def step(frame: Frame) -> None:
        frame[kernel]()

    return step


def reshaping_step(step: Step, ys: Callable[[Frame], Sequence[Buffers]], follow: Step) -> Step:
    """After `step`, give outputs whose shape depends on the data the shape that came out.

    Args:
        ys: finds the outputs.
        follow: called if the shape has changed.
    """

    def run(frame: Frame) -> None:
        step(frame)
        moved = False
        for y in ys(frame):
            if take_shape(y):
                moved = True
        if moved:
            advance()
            follow(frame)

    return run


def take_shape(y: Buffers) -> bool:
    """Take the shape of what was computed; returns whether it has changed. A gradient of the old shape is freed."""
    assert y.data._tensor is not None
    shape = tuple(y.data._tensor.shape)
    moved = shape != y.data._shape
    y.data._shape = shape
    if y._grad is not None and y._grad._shape != shape:
        y._grad._resize(shape)
    return moved


def free_step(slots: Sequence[int], operators: Sequence[int]) -> Step:
    """Free the memory of intermediate arrays, and what operators kept."""

    def step(frame: Frame) -> None:
        for i in slots:
            frame[i]._tensor = None

    def step_with_operators(frame: Frame) -> None:
        for i in slots:
            frame[i]._tensor = None
        for i in operators:
            frame[i].kept = None

    return step_with_operators if operators else step
