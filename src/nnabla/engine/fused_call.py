"""Fused functions at run time: with parameters that were folded and packed, as long as these stay as they are.

The parameters remain the user's. Each call looks whether they are the same tensors, written to as often as before:
torch counts writes, and what it does not see is added to its count (`_write_counts`). Once something has changed, the
functions run one by one, until the parameters have been left alone for a while; then they are folded again. So a graph
that is built anew for each batch never folds, and a network that is trained and evaluated in turns does not either.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .._nd_array import FOLDED, SHARED, NdArray
from .._private_torch import version_of
from .._write_counts import watch
from ..graph.function import Function
from ..graph.variable import Buffers
from .kernel_choice import kernel_of
from .program import NOTHING, THROUGH, Fused
from .steps import NO_SLOT, Frame, LeafSlot, Slot

# A parameter as it was met: its tensor, and how often that was written to.
Seen = tuple[Buffers, torch.Tensor, int]

# After each change of the parameters, twice as many calls must find them unchanged before they are folded; at most:
_PATIENCE = 64


class FusedCall:
    """What computes a record of several functions in one graph: a function of its streams.

    Args:
        record: which functions, and what they read.
        order: all functions of the graph.
        frame: what steps work on in it.
    """

    def __init__(self, record: Fused, order: Sequence[Function], frame: Frame) -> None:
        self._functions = [order[position] for position in record.parts]
        self._kernels = [kernel_of(f._operator, f._inputs, keep=False) for f in self._functions]
        self._scales, self._adds = record.scales, record.adds
        self._first = 1 + record.scales
        # What each function is called with; None for what the one before has made, and for what is added.
        self._slots: list[list[Slot]] = [
            [None if n == THROUGH else NO_SLOT if n == NOTHING else frame[n] for n in numbers]
            for numbers in record.arguments
        ]
        self._slots[0][0] = None
        if self._adds:
            self._slots[self._first] = [None, None]
        parameters = [slot for slots in self._slots[: self._first] for slot in slots]
        self._parameters: list[LeafSlot] = [slot for slot in parameters if slot is not None and slot is not NO_SLOT]
        self._folded: Callable[..., torch.Tensor] | None = None
        # The parameters that it was folded from, or as they were when it was last called.
        self._seen: list[Seen] | None = None
        self._patience, self._calls = 1, 0

    def __call__(self, *streams: torch.Tensor) -> torch.Tensor:
        folded = self._folded
        if folded is not None:
            for buffers, tensor, version in self._seen or ():
                if buffers.data._tensor is not tensor or version_of(tensor) != version:
                    break
            else:
                return folded(*streams)
        return self._met()(*streams)

    def _met(self) -> Callable[..., torch.Tensor]:
        """Look at the parameters; what is to be called with them as they are now."""
        before, self._seen = self._seen, _seen(self._parameters)
        if self._folded is not None:
            self._folded = None
            self._patience = min(2 * self._patience, _PATIENCE)
        if self._seen is None or before is None or not _same(before, self._seen):
            self._calls = 0
            return self._one_by_one
        self._calls += 1
        if self._calls < self._patience:
            return self._one_by_one
        self._calls = 0
        self._folded = self._fold()
        return self._folded

    # ---- one function after the other --------------------------------------------------------------------

    def _one_by_one(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        for i in range(self._first):
            x = self._kernels[i](*[x if slot is None else slot._tensor for slot in self._slots[i]])
        return self._rest(x, other)

    def _rest(self, y: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """Sum and activation; `y` may be written over."""
        if self._adds:
            y = y.add_(other)  # type: ignore[arg-type]
        for i in range(self._first + self._adds, len(self._kernels)):
            y = (self._functions[i]._operator.overwrite or self._kernels[i])(y)
        return y

    # ---- all of them at once -----------------------------------------------------------------------------

    def _fold(self) -> Callable[..., torch.Tensor]:
        layer = self._functions[0]._operator
        weight, bias = [slot._tensor for slot in [*self._slots[0][1:], NO_SLOT][:2]]
        if self._scales:
            assert layer.folded is not None
            weight, bias = layer.folded(weight, bias, *self._scale_and_shift())
        if not all([given is None or bool(torch.isfinite(given).all()) for given in (weight, bias)]):
            # Where each function would make what of it only they know.
            return self._one_by_one
        rest = self._functions[self._first + self._adds :]
        post = rest[0]._operator.post_op if rest else None
        whole = layer.packed(weight, bias, self._adds, post) if layer.packed is not None and layer.packs else None
        if whole is not None:
            return whole
        convolve = layer.packed(weight, bias, False, None) if layer.packed is not None and layer.packs else None
        if convolve is None:
            kernel = self._kernels[0]
            convolve = lambda x: kernel(x, weight, bias)  # noqa: E731
        if not self._adds and not rest:
            return convolve
        return lambda x, other=None: self._rest(convolve(x), other)

    def _scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of all functions that scale, one after the other, in double precision."""
        scale, shift = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        for function, slots in zip(self._functions[1 : self._first], self._slots[1 : self._first], strict=True):
            tensors = [None if slot is None else slot._tensor for slot in slots]
            assert function._operator.scale_and_shift is not None
            times, plus = function._operator.scale_and_shift(slots.index(None), *tensors)
            if times is not None:
                scale, shift = scale * times, shift * times
            if plus is not None:
                shift = shift + plus
        return scale, shift


def _seen(parameters: Sequence[LeafSlot]) -> list[Seen] | None:
    """The parameters as they are; None where others could change them unnoticed."""
    found = []
    for slot in parameters:
        array = slot.buffers.data
        tensor = array._tensor
        if tensor is None or type(array) is not NdArray or array._followed & SHARED:
            return None
        if tensor.is_inference() or _is_held(array):
            return None
        array._followed |= FOLDED
        watch.on = True
        found.append((slot.buffers, tensor, version_of(tensor)))
    return found


def _same(before: Sequence[Seen], now: Sequence[Seen]) -> bool:
    return all([a[1] is b[1] and a[2] == b[2] for a, b in zip(before, now, strict=True)])


def _references(view: tuple[Any, np.ndarray]) -> int:
    return sys.getrefcount(view[1])


# To an array that only a tuple holds; the count itself takes some, which differ between versions of Python.
_ALONE = _references((None, np.zeros(1)))


def _is_held(array: NdArray) -> bool:
    """Whether somebody holds a NumPy view of an array's memory, and may write to it at any time."""
    return array._view is not None and array._view[0] is array._tensor and _references(array._view) > _ALONE
