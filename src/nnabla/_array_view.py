"""Arrays that show another array: as it is, in another shape, or a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ._nd_array import NdArray
from .errors import GraphError, ShapeError


class ArrayAlias(NdArray):
    """Another array, whatever it is at the time.

    Args:
        base: the array that is shown.
    """

    __slots__ = ("_base",)

    def __init__(self, base: NdArray) -> None:
        self._base = base
        self._view = None

    def _realize(self) -> torch.Tensor:
        # The base knows its own shape, which may be another one by now.
        if self._base._tensor is None:
            self._base._realize()
        return super()._realize()

    def _as(self, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        if self._base._tensor is None:
            self._base._as(dtype, device)
        return super()._as(dtype, device)

    def _numpy(self, tensor: torch.Tensor) -> np.ndarray:
        # The base does not know who holds NumPy's view.
        self._base._share()
        return super()._numpy(tensor)


def _of_base(name: str) -> property:
    return property(lambda self: getattr(self._base, name), lambda self, value: setattr(self._base, name, value))


for _name in ("_adopted", "_cleared", "_dtype", "_fill", "_followed", "_shape", "_tensor"):
    setattr(ArrayAlias, _name, _of_base(_name))


class ArrayView(ArrayAlias):
    """What `cut` makes of another array, on its memory, wherever that moves.

    An array takes new memory when it is given values of another type, filled, or computed. The view looks for the
    memory whenever it is used, and passes on what it is given itself.

    Args:
        base: the array that is shown.
        shape: of the view.
        cut: makes the view's tensor of a contiguous one of the base, on the same memory, given that and the shape.
        whole: whether that has all of the elements.
    """

    __slots__ = ("_cut", "_seen", "_shape", "_whole")

    def __init__(
        self,
        base: NdArray,
        shape: tuple[int, ...],
        cut: Callable[[torch.Tensor, tuple[int, ...]], torch.Tensor] = torch.Tensor.view,
        whole: bool = True,
    ) -> None:
        super().__init__(base)
        self._shape = shape
        self._cut = cut
        self._whole = whole
        self._seen: tuple[torch.Tensor, torch.Tensor] | None = None  # memory of the base, and the view's

    @property
    def _tensor(self) -> torch.Tensor | None:
        base = self._base
        memory = base._tensor
        if memory is None:
            self._seen = self._view = None
            return None
        seen = self._seen
        if seen is not None and seen[0] is memory:
            return seen[1]
        memory = base._contiguous()
        try:
            tensor = self._cut(memory, self._shape)
        except RuntimeError:
            words = f"this array of shape {self._shape} shares memory with one that has shape {base.shape} now"
            raise ShapeError(f"{words}; run forward()") from None
        self._seen = memory, tensor
        return tensor

    @_tensor.setter
    def _tensor(self, tensor: torch.Tensor | None) -> None:
        base = self._base
        if tensor is None:
            self._seen = base._tensor = None
        elif self._whole:
            base._tensor = tensor.reshape(base._shape)
        else:
            base._own(tensor.dtype, tensor.device)
            self._cut(base._contiguous(), self._shape).copy_(tensor)

    def _resize(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._seen = None

    def _promise(self, value: float) -> None:
        """Set all elements to `value`; at once where there are others in the base."""
        if self._whole:
            super()._promise(value)
        else:
            self._base._realize()
            self._realize().fill_(value)

    def clear(self) -> None:
        """Give up the memory and the values.

        Raises:
            GraphError: the base has more elements, which would be gone, too.
        """
        if not self._whole:
            raise GraphError("NdArray.clear: a part of another array cannot be cleared")
        super().clear()


class LinkedArray(ArrayView):
    """The array of an output that is an input of its function, on the same memory.

    Args:
        source: the input's `Buffers`. Users may exchange the array in it.
        shape: of the output.
    """

    __slots__ = ("source",)

    def __init__(self, source: Any, shape: tuple[int, ...]) -> None:
        self.source = source
        self._shape = shape
        self._cut = torch.Tensor.view
        self._whole = True
        self._seen = self._view = None

    @property
    def _base(self) -> NdArray:  # type: ignore[override]
        base: NdArray = self.source.data
        return base


NdArray._show = ArrayView


def shown_by(array: NdArray) -> NdArray:
    """The array whose memory `array` is on: itself, or what it shows."""
    while isinstance(array, ArrayAlias):
        array = array._base
    return array
