"""Convolutions over more than three spatial axes, from those over three: ATen has no others.

The windows of the axes before the last three are taken apart. Each element of a window becomes a channel, and each
place of a window a sample; what is left is a convolution over the last three axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .convolution_kernels import ConvolutionKernels, Geometry

# How many spatial axes ATen's kernels take.
MOST_AXES = 3


class ManyAxes:
    """A convolution or deconvolution over more than three spatial axes.

    Args:
        g: its geometry; no negative pads.
        inner: kernels for `without_leading_axes(g)`.
    """

    def __init__(self, g: Geometry, inner: ConvolutionKernels) -> None:
        self._inner = inner
        self._transposed = g.output_padding is not None
        self._weight, self._inner_weight = g.weight, without_leading_axes(g).weight
        self._bias = (-1, *[1] * len(g.kernel))
        self._other_axes = (0, *range(2, len(g.y)))
        m = len(g.kernel) - MOST_AXES
        wide, narrow = (g.y, g.x) if self._transposed else (g.x, g.y)
        self._kernel, self._counts = g.kernel[:m], narrow[2 : m + 2]
        # What constant_pad_nd takes: last axis first, before and after.
        self._pad = [0, 0] * MOST_AXES + [p for p in reversed(g.pad[:m]) for _ in range(2)]
        self._crop = [-p for p in self._pad]
        self._padded = tuple([length + 2 * p for length, p in zip(wide[2 : m + 2], g.pad, strict=False)])
        self._steps = list(zip(self._counts, g.stride, g.dilation, strict=False))
        self._batch = g.x[0]

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        weight = weight.reshape(self._inner_weight)
        if not self._transposed:
            return self._joined(self._inner.forward(self._windows(x), weight, bias))
        y = self._added(self._inner.forward(self._samples(x), weight, None))
        return y if bias is None else y + bias.view(self._bias)

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        weight = weight.reshape(self._inner_weight)
        if not self._transposed:
            dx, dw, db = self._inner.backward(need, self._samples(dy), self._windows(x), weight)
            dx = self._added(dx) if need[0] else None
        else:
            dx, dw, _ = self._inner.backward((*need[:2], False), self._windows(dy), self._samples(x), weight)
            dx = self._joined(dx) if need[0] else None
            db = dy.sum(self._other_axes) if need[2] else None
        return dx, dw.view(self._weight) if need[1] else None, db

    # Below, N are the numbers of windows along the leading axes, K those of a window's elements, W the lengths of the
    # side that windows move on, L the last three axes.

    def _samples(self, x: Tensor) -> Tensor:
        """(B, C, N..., L...) as (B * N, C, L...)."""
        return x.movedim(1, -MOST_AXES - 1).flatten(0, -MOST_AXES - 2)

    def _joined(self, y: Tensor) -> Tensor:
        """The inverse of `_samples`."""
        return y.unflatten(0, (self._batch, *self._counts)).movedim(-MOST_AXES - 1, 1)

    def _elements(self) -> Iterator[tuple[Any, ...]]:
        """Where, in padded maps, each element of all windows lies."""
        for element in itertools.product(*map(range, self._kernel)):
            starts = [k * d for k, (_, _, d) in zip(element, self._steps, strict=True)]
            yield (
                slice(None),
                slice(None),
                *[slice(a, a + s * (n - 1) + 1, s) for a, (n, s, _) in zip(starts, self._steps, strict=True)],
            )

    def _windows(self, x: Tensor) -> Tensor:
        """(B, C, W..., L...) to (B * N, C * K, L...): what each window sees."""
        x = torch.constant_pad_nd(x, self._pad)
        seen = torch.stack([x[where] for where in self._elements()], 2)
        # (B, C, K, N..., L...)
        return seen.movedim((1, 2), (-MOST_AXES - 2, -MOST_AXES - 1)).flatten(0, -MOST_AXES - 3).flatten(1, 2)

    def _added(self, y: Tensor) -> Tensor:
        """The transpose of `_windows`: values added up where windows overlap."""
        count = math.prod(self._kernel)
        parts = y.unflatten(0, (self._batch, *self._counts)).unflatten(-MOST_AXES - 1, (-1, count))
        parts = parts.movedim((-MOST_AXES - 2, -MOST_AXES - 1), (1, 2))
        total = parts.new_zeros((self._batch, parts.shape[1], *self._padded, *parts.shape[-MOST_AXES:]))
        for where, part in zip(self._elements(), parts.unbind(2), strict=True):
            total[where] += part
        return torch.constant_pad_nd(total, self._crop)


def without_leading_axes(g: Geometry) -> Geometry:
    """What is left of a geometry when all spatial axes but the last three are taken apart."""
    m = len(g.kernel) - MOST_AXES
    transposed = g.output_padding is not None
    wide, narrow = (g.y, g.x) if transposed else (g.x, g.y)
    samples, count = math.prod(narrow[2 : m + 2]), math.prod(g.kernel[:m])
    wide = (wide[0] * samples, wide[1] * count, *wide[m + 2 :])
    narrow = (narrow[0] * samples, narrow[1], *narrow[m + 2 :])
    x, y = (narrow, wide) if transposed else (wide, narrow)
    return g._replace(
        x=x,
        y=y,
        weight=(g.weight[0], g.weight[1] * count, *g.weight[m + 2 :]),
        stride=g.stride[m:],
        pad=g.pad[m:],
        dilation=g.dilation[m:],
        output_padding=None if g.output_padding is None else g.output_padding[m:],
    )
