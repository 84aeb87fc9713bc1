"""Deformable convolution: a convolution that reads each element of a window at a place of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, positive
from ..graph.operator import Shape, operator
from .convolution import Convolving, Maps
from .geometric import sample_backward_2d
from .kernels import aten


@operator("DeformableConvolution", "deformable_convolution", 1010)
class DeformableConvolution(Convolving):
    r"""Two-dimensional convolution whose sampling points are moved by `offset` and weighted by `mask`.

    :math:`y_{o, l} = b_o + \sum_{c, k} w_{o, c, k} \, m_{k, s l} \, x_c(s l + d k - p + \Delta_{k, s l})`
    with stride :math:`s`, dilation :math:`d` and pad :math:`p`; between pixels `x` is interpolated
    bilinearly, and outside it is 0.

    Inputs:
        x: shape ``(N, C, H, W)``; ``(N, H, W, C)`` with `channel_last`.
        weight: shape ``(C', C / group, Kh, Kw)``; with `channel_last` ``(C', Kh, Kw, C / group)``.
        offset: in pixels, shape ``(N, deformable_group * 2 * Kh * Kw, H, W)``: for each deformable group and
            each element of the window first the vertical, then the horizontal offset; channels last with
            `channel_last`. With a stride, only the offsets at the pixels where windows start are read.
        mask: factors, usually in [0, 1], shape ``(N, deformable_group * Kh * Kw, H, W)``; ``None`` for 1.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: must be 1 (or the axis of the same number from the end).
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into for `weight`.
        deformable_group: number of groups that channels are divided into for `offset` and `mask`.
        channel_last: channels are the last axis of all inputs and the result.
    Returns:
        Shape as of `convolution`.
    Raises:
        ShapeError: an input has a shape that does not fit to `x`, or a window is larger than the padded
            input.
        ArgumentError: an argument is out of range, or a group does not divide the channels.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w, offset = nn.Variable((2, 4, 8, 8)), nn.Variable((6, 4, 3, 3)), nn.Variable((2, 18, 8, 8))
        >>> F.deformable_convolution(x, w, offset, pad=(1, 1)).shape
        (2, 6, 8, 8)

    Source: NNabla function reference, ``DeformableConvolution``; Zhu et al., Deformable ConvNets v2
    (arXiv:1811.11168).
    """

    group = Int(1, "Number of groups that channels are divided into for weight.", check=positive)
    deformable_group = Int(1, "Number of groups that channels are divided into for offset and mask.", check=positive)
    channel_last = Bool(False, "Channels are the last axis of all inputs and the result.")

    def output_shape(
        self, x: Shape, weight: Shape, offset: Shape, mask: Shape | None = None, bias: Shape | None = None
    ) -> Shape:
        maps = self._split(x, self.channel_last)
        if len(maps.batch) != 1 or len(maps.spatial) != 2:
            raise ArgumentError(
                "deformable_convolution: x must have one batch axis (base_axis), one of channels and 2 spatial axes"
            )
        ordered = self._weight_in_order(weight, maps)
        outmaps, inner, *kernel = ordered
        channels, taps = maps.channels, kernel[0] * kernel[1]
        for name, value in (("group", self.group), ("deformable_group", self.deformable_group)):
            if channels % value:
                raise ArgumentError(
                    f"deformable_convolution: {name} must divide {channels}, the channels of x, not {value}"
                )
        if outmaps % self.group or inner * self.group != channels:
            raise ShapeError(
                f"deformable_convolution: weight must have output maps divisible by group, {self.group}, and "
                f"{channels // self.group} input maps"
            )
        self._check_bias(bias, outmaps)
        for name, found, count in (("offset", offset, 2 * taps), ("mask", mask, taps)):
            expected = Maps(maps.batch, self.deformable_group * count, maps.spatial, self.channel_last).shape
            if found is not None and found != expected:
                raise ShapeError(f"deformable_convolution: {name} must have shape {expected}")
        sizes = self._window(maps, tuple(kernel))
        for i, (length, size, step) in enumerate(zip(maps.spatial, sizes, self.stride, strict=True)):
            if (size - 1) * step >= length:
                raise ArgumentError(
                    f"deformable_convolution: pad[{i}] must leave {(length - 1) // step + 1} windows, for "
                    f"which offset has entries, or less, not {size}"
                )
        self._kernel = tuple(kernel)
        self._out = Maps(maps.batch, outmaps, sizes, self.channel_last)
        # In a picture with a power of 2 as length, whole numbers stay whole as coordinates from -1 to 1.
        self._lengths = tuple([1 << (length - 1).bit_length() for length in maps.spatial])
        self._border = (0, self._lengths[1] - maps.spatial[1], 0, self._lengths[0] - maps.spatial[0])
        self._places = self._undisturbed()
        self._pixel = 2 / self._places.new_tensor(self._lengths).view(2, 1, 1)
        return self._out.shape

    def _undisturbed(self) -> Tensor:
        """Where the windows look without an offset, in coordinates from -1 to 1: shape (taps, 2, rows, columns)."""
        at = []
        for i, (size, taps) in enumerate(zip(self._out.spatial, self._kernel, strict=True)):
            pixel = torch.arange(taps)[:, None] * self.dilation[i] + torch.arange(size) * self.stride[i] - self.pad[i]
            at.append((2 * pixel + 1) / self._lengths[i] - 1)
        y, x = torch.broadcast_tensors(at[0][:, None, :, None], at[1][None, :, None, :])
        # Positions of pixels are not exact in half precision.
        dtype = torch.promote_types(self.compute_dtype, torch.float32)
        return torch.stack([y, x], 2).flatten(0, 1).to(self.device, dtype)

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        offset: Tensor,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        if self.channel_last:
            x, weight, offset = [t.movedim(-1, 1) for t in (x, weight, offset)]
            mask = None if mask is None else mask.movedim(-1, 1)
        n, channels = x.shape[:2]
        taps, _, rows, columns = self._places.shape
        groups = n * self.deformable_group
        moved = self._at_windows(offset).reshape(groups, taps, 2, rows, columns)
        grid = torch.addcmul(self._places, moved.to(self._places.dtype), self._pixel)
        # The sampler wants x before y, and both last.
        grid = grid.flip(2).permute(0, 1, 3, 4, 2).reshape(groups, taps * rows, columns, 2)
        if any(self._border):
            x = torch.constant_pad_nd(x, self._border)
        maps = x.reshape(groups, channels // self.deformable_group, *self._lengths)
        seen = _Sampled.apply(maps.to(grid.dtype), grid).to(x.dtype)
        if mask is not None:
            seen = seen * self._at_windows(mask).reshape(groups, 1, taps * rows, columns)
        # (groups, output maps, channels * taps) times (n, groups, channels * taps, pixels).
        matrix = weight.reshape(self.group, weight.shape[0] // self.group, -1)
        seen = seen.reshape(n, self.group, matrix.shape[2], rows * columns)
        y = (matrix @ seen).view(n, weight.shape[0], rows, columns)
        if bias is not None:
            y = y + bias.view(-1, 1, 1)
        return y.movedim(1, -1).contiguous() if self.channel_last else y

    def _at_windows(self, x: Tensor) -> Tensor:
        """The entries for the windows that there are, of an input with entries for all pixels."""
        (rows, columns), (down, right) = self._out.spatial, self.stride
        if x.shape[2:] == self._out.spatial:
            return x
        return x[:, :, ::down, ::right][:, :, :rows, :columns]


# Beyond, there is none of a picture's pixels, whatever its size. Infinity would make NaN there.
_FAR = 3


class _Sampled(torch.autograd.Function):
    """`warp_by_grid` with zeros outside, by ATen's kernels, which cannot be differentiated twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(x, grid)
        return aten.grid_sampler_2d(x, grid.clamp(-_FAR, _FAR), 0, 0, False)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, grid = ctx.saved_tensors
        need = list(ctx.needs_input_grad)
        if not torch.is_grad_enabled():
            dx, dgrid = sample_backward_2d(dy, x, grid.clamp(-_FAR, _FAR), 0, 0, False, need)
            return (dx if need[0] else None), (dgrid if need[1] else None)
        # A gradient of this gradient is wanted.
        wanted = [t for t, want in zip((x, grid), need, strict=True) if want]
        found = iter(torch.autograd.grad(_sampled(x, grid), wanted, dy, create_graph=True))
        return tuple([next(found) if want else None for want in need])


def _sampled(x: Tensor, grid: Tensor) -> Tensor:
    """The same in operations that autograd differentiates as often as one likes."""
    n, channels, height, width = x.shape
    grid = grid.clamp(-_FAR, _FAR)
    flat, found = x.flatten(2), torch.zeros((), dtype=x.dtype, device=x.device)
    at_x, at_y = [((grid[..., i] + 1) * size - 1) / 2 for i, size in enumerate((width, height))]
    left, top = [at.detach().floor().nan_to_num(0.0) for at in (at_x, at_y)]
    right, down = at_x - left, at_y - top
    for y, share_y in ((top, 1 - down), (top + 1, down)):
        for x_, share_x in ((left, 1 - right), (left + 1, right)):
            inside = (y >= 0) & (y < height) & (x_ >= 0) & (x_ < width)
            index = (y.clamp(0, height - 1) * width + x_.clamp(0, width - 1)).long().flatten(1).unsqueeze(1)
            share = torch.where(inside, share_y * share_x, 0.0).flatten(1).unsqueeze(1)
            found = found + flat.gather(2, index.expand(-1, channels, -1)) * share
    return found.view(n, channels, *grid.shape[1:3])
