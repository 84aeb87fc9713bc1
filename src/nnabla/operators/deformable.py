"""Deformable convolution: a convolution that reads each element of a window at a place of its own."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, positive
from ..graph.operator import Shape, operator
from .convolution import Convolving, Maps


@operator("DeformableConvolution", "deformable_convolution")
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
        self._in = maps
        self._kernel = tuple(kernel)
        self._out = Maps(maps.batch, outmaps, sizes, self.channel_last)
        return self._out.shape

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        offset: Tensor,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        first = self.channel_last
        if not first:
            x, offset = x.permute(0, 2, 3, 1), offset.permute(0, 2, 3, 1)
            mask = None if mask is None else mask.permute(0, 2, 3, 1)
            weight = weight.permute(0, 2, 3, 1)
        columns = self._columns(x, offset, mask)
        outmaps = weight.shape[0]
        # (group, pixels, taps * channels) times (group, taps * channels, output maps).
        columns = columns.reshape(-1, columns.shape[1], self.group, x.shape[3] // self.group)
        columns = columns.permute(2, 0, 1, 3).reshape(self.group, columns.shape[0], -1)
        matrix = weight.reshape(self.group, outmaps // self.group, -1).transpose(1, 2)
        y = torch.bmm(columns, matrix).permute(1, 0, 2).reshape(x.shape[0], *self._out.spatial, outmaps)
        if bias is not None:
            y = y + bias
        return y if first else y.permute(0, 3, 1, 2).contiguous()

    def _columns(self, x: Tensor, offset: Tensor, mask: Tensor | None) -> Tensor:
        """What the windows see, shape (pixels of the result, taps, channels); inputs have their channels
        last.
        """
        n, height, width, channels = x.shape
        rows, columns = self._out.spatial
        groups, (kh, kw) = self.deformable_group, self._kernel
        (sh, sw), (ph, pw), (dh, dw) = self.stride, self.pad, self.dilation
        options: Any = {"dtype": x.dtype, "device": x.device}
        moved = offset[:, ::sh, ::sw][:, :rows, :columns].reshape(n, rows, columns, groups, kh, kw, 2)
        y = moved[..., 0] + (torch.arange(rows, **options) * sh - ph).view(-1, 1, 1, 1, 1)
        y = y + (torch.arange(kh, **options) * dh).view(-1, 1)
        x_at = moved[..., 1] + (torch.arange(columns, **options) * sw - pw).view(-1, 1, 1, 1)
        x_at = x_at + torch.arange(kw, **options) * dw
        # An offset that is not a number makes a result that is none, from some pixel inside.
        top, left = [at.detach().floor().nan_to_num(0.0, math.inf, -math.inf) for at in (y, x_at)]
        down, right = y - top, x_at - left
        # Pixels are counted over all images and groups of channels.
        image = torch.arange(n, device=x.device).view(-1, 1, 1, 1, 1, 1) * (height * width)
        group = torch.arange(groups, device=x.device).view(-1, 1, 1)
        table = x.reshape(n * height * width * groups, channels // groups)
        found: Any = None
        for at_y, share_y in ((top, 1 - down), (top + 1, down)):
            for at_x, share_x in ((left, 1 - right), (left + 1, right)):
                inside = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
                share = torch.where(inside, share_y * share_x, 0.0)
                if mask is not None:
                    share = share * mask[:, ::sh, ::sw][:, :rows, :columns].reshape(share.shape)
                at = at_y.clamp(0, height - 1).long() * width + at_x.clamp(0, width - 1).long()
                index = (at + image) * groups + group
                part = torch.embedding(table, index) * share.unsqueeze(-1)
                found = part if found is None else found + part
        # (n, rows, columns, groups, kh, kw, channels of a group): groups go to the channels.
        return found.permute(0, 1, 2, 4, 5, 3, 6).reshape(n * rows * columns, kh * kw, channels)
