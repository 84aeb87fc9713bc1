"""Patch correlation: what of one image is found where in another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Sizes
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .arrays import Reshape, Transpose
from .axes import Axes
from .constants import Array
from .kernels import aten

# Elements of the second image for all shifts that are copied at once; 32 MiB in float32.
_AT_ONCE = 1 << 23


@operator("PatchCorrelation", "patch_correlation", 1223)
class PatchCorrelation(Operator):
    r"""Products of patches of two images, summed over patch and channels, for every place and every shift.

    :math:`y_{h, w, s, t} = \sum_{c, j, i} x^1_{p h + j, p' w + i, c} \, x^2_{p h + j + s, p' w + i + t, c}`
    with `patch_step` :math:`p, p'`; both images are padded with zeros, and 0 further out.

    Inputs:
        x1: shape ``(N, H, W, C)``.
        x2: shape of `x1`.
    Args:
        patch: height and width of the patches.
        shift: largest vertical and horizontal shift between the patches, in both directions.
        patch_step: vertical and horizontal step between places.
        shift_step: vertical and horizontal step between shifts.
        padding: zeros above, below, left and right of the images.
    Returns:
        Shape ``(N, H', W', S, T)`` with ``H' = (H + padding above and below - patch height) // step + 1`` and
        ``S = 2 * shift // shift_step + 1``, and so on.
    Raises:
        ShapeError: the inputs do not have the same shape with 4 axes, or a patch does not fit.
        ArgumentError: an argument has the wrong number of entries, or one that is too small.

    Source: NNabla function reference, ``PatchCorrelation``; Dosovitskiy et al., FlowNet (arXiv:1504.06852).
    """

    patch = Sizes((1, 1), "Height and width of the patches.")
    shift = Sizes((0, 0), "Largest vertical and horizontal shift between the patches.")
    patch_step = Sizes((1, 1), "Vertical and horizontal step between places.")
    shift_step = Sizes((1, 1), "Vertical and horizontal step between shifts.")
    padding = Sizes((0, 0, 0, 0), "Zeros above, below, left and right of the images.")

    def output_shape(self, x1: Shape, x2: Shape) -> Shape:
        if len(x1) != 4 or x1 != x2:
            raise ShapeError("patch_correlation: x1 and x2 must have the same shape, with 4 axes")
        for name, count, least in (
            ("patch", 2, 1),
            ("shift", 2, 0),
            ("patch_step", 2, 1),
            ("shift_step", 2, 1),
            ("padding", 4, 0),
        ):
            values = getattr(self, name)
            if len(values) != count or min(values) < least:
                raise ArgumentError(
                    f"patch_correlation: {name} must have {count} entries of at least {least}, not {values}"
                )
        top, bottom, left, right = self.padding
        self._padded = x1[1] + top + bottom, x1[2] + left + right
        room = [d - k for d, k in zip(self._padded, self.patch, strict=True)]
        if min(room) < 0:
            raise ShapeError(f"patch_correlation: patch {self.patch} does not fit in {self._padded}, the padded size")
        places = [r // s + 1 for r, s in zip(room, self.patch_step, strict=True)]
        self._shifts = [2 * s // step + 1 for s, step in zip(self.shift, self.shift_step, strict=True)]
        self._x = x1
        self._single = self.patch == self.patch_step == (1, 1)
        return (x1[0], *places, *self._shifts)

    def _pad(self, x: Tensor, more: Sequence[int] = (0, 0)) -> Tensor:
        top, bottom, left, right = self.padding
        sides = (0, 0, left + more[1], right + more[1], top + more[0], bottom + more[0])
        return torch.constant_pad_nd(x, sides)

    def _chunks(self) -> list[tuple[int, int]]:
        """Vertical shifts that are computed together, as first and last plus 1: as many as fit in `_AT_ONCE`."""
        rows, columns = self._shifts
        size = math.prod(self._padded) * self._x[0] * self._x[3] * columns
        count = max(1, _AT_ONCE // max(1, size))
        return [(i, min(i + count, rows)) for i in range(0, rows, count)]

    def _shifted(self, x2: Tensor, first: int, end: int) -> Tensor:
        """The padded x2 for vertical shifts first to end, and all horizontal ones: a view (N, S, T, C, H, W)."""
        (height, width), (down, right) = self._padded, self.shift_step
        return x2[:, first * down : (end - 1) * down + height].unfold(1, height, down).unfold(2, width, right)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        x1, x2 = self._pad(x1), self._pad(x2, self.shift)
        parts = [torch.einsum("nhwc,nstchw->nhwst", x1, self._shifted(x2, *chunk)) for chunk in self._chunks()]
        return self._sums(torch.cat(parts, 3))

    def _sums(self, products: Tensor) -> Tensor:
        """Sums over patches."""
        if self._single:
            return products
        for axis in (1, 2):
            windows = products.unfold(axis, self.patch[axis - 1], self.patch_step[axis - 1])
            products = windows.sum(-1)
        return products

    def grad(self, need: tuple[bool, ...], dy: Tensor, x1: Tensor, x2: Tensor) -> tuple[Tensor | None, Tensor | None]:
        height, width = self._x[1:3]
        padded_h, padded_w = self._padded
        top, _, left, _ = self.padding
        for axis, size in () if self._single else ((2, padded_w), (1, padded_h)):
            spread = dy.unsqueeze(-1).expand(*dy.shape, self.patch[axis - 1])
            shape = [*dy.shape]
            shape[axis] = size
            dy = aten.unfold_backward(spread, shape, axis, self.patch[axis - 1], self.patch_step[axis - 1])
        # Products outside of x1 are 0 whatever x2 is, but x2 has a share in them only through x1: also 0.
        x1, x2 = self._pad(x1), self._pad(x2, self.shift)
        dx1, dx2 = torch.zeros_like(x1), torch.zeros_like(x2)
        for i, j in itertools.product(*map(range, self._shifts)):
            down, right = i * self.shift_step[0], j * self.shift_step[1]
            shifted = slice(None), slice(down, down + padded_h), slice(right, right + padded_w)
            part = dy[:, :, :, i, j].unsqueeze(-1)
            if need[0]:
                dx1.addcmul_(x2[shifted], part)
            if need[1]:
                dx2[shifted].addcmul_(x1, part)
        if need[0]:
            dx1 = dx1[:, top : top + height, left : left + width]
        if need[1]:
            up, aside = top + self.shift[0], left + self.shift[1]
            dx2 = dx2[:, up : up + height, aside : aside + width]
        return (dx1.contiguous() if need[0] else None), (dx2.contiguous() if need[1] else None)


def _entries(value: Any, count: int) -> tuple[int, ...]:
    """One number for all, one for each pair, or all of them."""
    values = tuple(value) if isinstance(value, Iterable) else (value,)
    if len(values) == 1:
        return values * count
    if len(values) == 2 and count == 4:
        return (values[0], values[0], values[1], values[1])
    return values


def _with_channels_last(x: Any) -> Any:
    shape = x.shape
    if len(shape) != 4:
        raise ShapeError(f"patch_correlation: x1 and x2 must have 4 axes, not {len(shape)}")
    if len(shape) == 4 and shape[1] == 1:
        return invoke(Reshape, ((shape[0], shape[2], shape[3], 1),), (x,))
    return invoke(Transpose, ((0, 2, 3, 1),), (x,))


@public
def patch_correlation(
    x1: Array,
    x2: Array,
    patch: Axes = (1, 1),
    shift: Axes = (0, 0),
    patch_step: Axes = (1, 1),
    shift_step: Axes = (1, 1),
    padding: Axes = (0, 0, 0, 0),
    channel_last: bool = False,
) -> Any:
    r"""Products of patches of two images, summed over patch and channels, for every place and every shift.

    :math:`y_{s, t, h, w} = \sum_{c, j, i} x^1_{c, p h + j, p' w + i} \, x^2_{c, p h + j + s, p' w + i + t}`
    with `patch_step` :math:`p, p'`; both images are padded with zeros, and 0 further out.

    Inputs:
        x1: shape ``(N, C, H, W)``; ``(N, H, W, C)`` with `channel_last`.
        x2: shape of `x1`.
    Args:
        patch: height and width of the patches, or one number for both.
        shift: largest vertical and horizontal shift between the patches, in both directions, or one number.
        patch_step: vertical and horizontal step between places, or one number.
        shift_step: vertical and horizontal step between shifts, or one number.
        padding: zeros above, below, left and right of the images; or two numbers: vertical, horizontal; or
            one.
        channel_last: channels are the last axis of the inputs, and the shifts of the result.
    Returns:
        Shape ``(N, S, T, H', W')`` with ``H' = (H + padding above and below - patch height) // step + 1`` and
        ``S = 2 * shift // shift_step + 1``, and so on; ``(N, H', W', S, T)`` with `channel_last`.
    Raises:
        ShapeError: the inputs do not have the same shape with 4 axes, or a patch does not fit.
        ArgumentError: an argument has the wrong number of entries, or one that is too small.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x1, x2 = nn.Variable((1, 256, 44, 60)), nn.Variable((1, 256, 44, 60))
        >>> F.patch_correlation(x1, x2, shift=20, shift_step=2).shape
        (1, 21, 21, 44, 60)

    Source: NNabla function reference, ``patch_correlation``; Dosovitskiy et al., FlowNet (arXiv:1504.06852).
    """
    settings = [_entries(v, 2) for v in (patch, shift, patch_step, shift_step)]
    if not channel_last:
        x1, x2 = _with_channels_last(x1), _with_channels_last(x2)
    y = invoke(PatchCorrelation, (*settings, _entries(padding, 4)), (x1, x2))
    return y if channel_last else invoke(Transpose, ((0, 3, 4, 1, 2),), (y,))
