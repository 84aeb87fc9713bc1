"""Arrays that show another array: all of it in another shape, or a part."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ._nd_array import NdArray


class ArrayView(NdArray):
    """What `cut` makes of another array, on its memory, wherever that moves.

    An array takes new memory when it is given values of another type, filled, or computed. The view looks for the
    memory whenever it is used, and passes on what it is given itself.

    Args:
        base: the array that is shown.
        shape: of the view.
        cut: makes the view's tensor of a contiguous one of the base, on the same memory.
        whole: whether that has all of the elements.
    """

    __slots__ = ("_base", "_cut", "_seen", "_whole")

    def __init__(
        self, base: NdArray, shape: tuple[int, ...], cut: Callable[[torch.Tensor], torch.Tensor], whole: bool
    ) -> None:
        self._shape = shape
        self._base = base
        self._cut = cut
        self._whole = whole
        self._view = None
        self._seen: tuple[torch.Tensor, torch.Tensor] | None = None  # memory of the base, and the view's

    @property
    def _tensor(self) -> torch.Tensor | None:
        memory = self._base._tensor
        if memory is None:
            self._seen = self._view = None
            return None
        if self._seen is None or self._seen[0] is not memory:
            memory = self._base._contiguous()
            self._seen = (memory, self._cut(memory))
        return self._seen[1]

    @_tensor.setter
    def _tensor(self, tensor: torch.Tensor | None) -> None:
        base = self._base
        if tensor is None:
            base._tensor = None
        elif self._whole:
            base._tensor = tensor.reshape(base._shape)
        else:
            base._own(tensor.dtype, tensor.device)
            self._cut(base._contiguous()).copy_(tensor)

    @property
    def _fill(self) -> float | None:
        return self._base._fill

    @_fill.setter
    def _fill(self, value: float | None) -> None:
        self._base._fill = value

    @property
    def _dtype(self) -> torch.dtype | None:
        return self._base._dtype

    @_dtype.setter
    def _dtype(self, dtype: torch.dtype | None) -> None:
        self._base._dtype = dtype

    @property
    def _cleared(self) -> bool:
        return self._base._cleared

    @_cleared.setter
    def _cleared(self, value: bool) -> None:
        self._base._cleared = value

    def fill(self, value: float) -> None:
        """Set all elements to `value`; at once where there are others in the base."""
        if self._whole:
            super().fill(value)
        else:
            self._base._realize()
            self._realize().fill_(value)
