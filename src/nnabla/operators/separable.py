"""Adaptive separable convolution: every pixel has kernels of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.operator import Operator, Shape, operator
from .kernels import aten


@operator("AdaptiveSeparableConvolution", "adaptive_separable_convolution", 1011)
class AdaptiveSeparableConvolution(Operator):
    r"""Two-dimensional convolution with a vertical and a horizontal kernel for every pixel.

    :math:`y_{c, h, w} = \sum_{j, i} v_{j, h, w} \, u_{i, h, w} \, x_{c, h + j, w + i}` with the vertical
    kernels :math:`v` and the horizontal ones :math:`u`, which all channels share.

    Inputs:
        x: shape ``(B, C, H, W)``; pad it before, where the result shall have its size.
        vertical_kernel: shape ``(B, J, H', W')``, where ``H'`` and ``W'`` are at least the sizes of the
            result and at most those of `x`; what lies beyond the result is not read.
        horizontal_kernel: shape ``(B, I, H', W')``, with limits as for `vertical_kernel`.
    Returns:
        Shape ``(B, C, H - J + 1, W - I + 1)``.
    Raises:
        ShapeError: the shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, v, u = nn.Variable((2, 3, 8, 8)), nn.Variable((2, 5, 4, 4)), nn.Variable((2, 5, 4, 4))
        >>> F.adaptive_separable_convolution(x, v, u).shape
        (2, 3, 4, 4)

    Source: NNabla function reference, ``AdaptiveSeparableConvolution``; Niklaus et al., "Video frame
    interpolation via adaptive separable convolution" (arXiv:1708.01692), equation 2.
    """

    def output_shape(self, x: Shape, vertical_kernel: Shape, horizontal_kernel: Shape) -> Shape:
        for name, shape in (
            ("x", x),
            ("vertical_kernel", vertical_kernel),
            ("horizontal_kernel", horizontal_kernel),
        ):
            if len(shape) != 4 or shape[0] != x[0]:
                raise ShapeError(f"adaptive_separable_convolution: {name} must have 4 axes, first {x[:1]}")
        self._taps = vertical_kernel[1], horizontal_kernel[1]
        self._size = size = tuple([d - k + 1 for d, k in zip(x[2:], self._taps, strict=True)])
        if min(*size, *self._taps) < 1:
            raise ShapeError(f"adaptive_separable_convolution: kernels of size {self._taps} do not fit in x, {x[2:]}")
        for name, shape in (("vertical_kernel", vertical_kernel), ("horizontal_kernel", horizontal_kernel)):
            if any(not y <= k <= d for y, k, d in zip(size, shape[2:], x[2:], strict=True)):
                raise ShapeError(
                    f"adaptive_separable_convolution: {name}.shape[2:] must be between {size}, the size of "
                    f"the result, and {x[2:]}, that of x"
                )
        self._shapes = x, vertical_kernel, horizontal_kernel
        return (*x[:2], *size)

    def _kernels(self, v: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of the kernels that are read: (B, J, h, w), and (B, h, w, I)."""
        h, w = self._size
        return v[:, :, :h, :w], u[:, :, :h, :w].permute(0, 2, 3, 1)

    def _windows(self, x: Tensor, j: int) -> Tensor:
        """Row j of all windows, a view of shape (B, C, h, w, I)."""
        return x[:, :, j : j + self._size[0]].unfold(3, self._taps[1], 1)

    def forward(self, x: Tensor, vertical_kernel: Tensor, horizontal_kernel: Tensor) -> Tensor:
        v, u = self._kernels(vertical_kernel, horizontal_kernel)
        # Row by row of the windows: all at once would be J times I times the size of x.
        rows = [
            torch.einsum("bchwi,bhwi->bchw", self._windows(x, j), u) * v[:, j : j + 1] for j in range(self._taps[0])
        ]
        return _total(rows)

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        x: Tensor,
        vertical_kernel: Tensor,
        horizontal_kernel: Tensor,
    ) -> tuple[Tensor | None, ...]:
        v, u = self._kernels(vertical_kernel, horizontal_kernel)
        dx, dv, du = [], [], []
        h = self._size[0]
        for j in range(self._taps[0]):
            if need[1] or need[2]:
                # What each element of a window adds to y, over the channels, times dy: (B, h, w, I).
                share = torch.einsum("bchwi,bchw->bhwi", self._windows(x, j), dy)
                dv.append((share * u).sum(3))
                du.append(share * v[:, j].unsqueeze(-1))
            if need[0]:
                back = (dy * v[:, j : j + 1]).unsqueeze(-1) * u.unsqueeze(1)
                row = aten.unfold_backward(back, (*x.shape[:2], h, x.shape[3]), 3, self._taps[1], 1)
                dx.append(torch.constant_pad_nd(row, (0, 0, j, x.shape[2] - h - j)))
        _, v_shape, u_shape = self._shapes
        return (
            _total(dx) if need[0] else None,
            _widened(torch.stack(dv, 1), v_shape) if need[1] else None,
            _widened(_total(du).permute(0, 3, 1, 2), u_shape) if need[2] else None,
        )


def _total(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _widened(tensor: Tensor, shape: Shape) -> Tensor:
    """`tensor` with zeros behind its last two axes, up to `shape`."""
    height, width = (a - b for a, b in zip(shape[2:], tensor.shape[2:], strict=True))
    return torch.constant_pad_nd(tensor, (0, width, 0, height))
