"""Convolutions that are simpler ones on a part of the elements."""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ..graph.operator import Shape
from .layout import zeros_in_format

if TYPE_CHECKING:
    from .convolution_kernels import ConvolutionKernels, Geometry


class Narrowing(Protocol):
    """A linear map from tensors with the sizes of a geometry's wide side, the input of a convolution or the output of a
    deconvolution, to those of the wide side of `inner`.
    """

    inner: Geometry

    def narrow(self, wide: Tensor) -> Tensor: ...

    def widen(self, narrow: Tensor) -> Tensor:
        """The transposed map: from values, or gradients, of the narrow side to those of the wide one, a new tensor."""
        ...


class NarrowX:
    """A convolution that amounts to a simpler one on a part of x."""

    def __init__(self, part: Narrowing, inner: ConvolutionKernels, g: Geometry) -> None:
        self.part, self.inner = part, inner

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.inner.forward(self.part.narrow(x), weight, bias)

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        dx, dw, db = self.inner.backward(need, dy, self.part.narrow(x), weight)
        return self.part.widen(dx) if need[0] else None, dw, db


class NarrowY:
    """A deconvolution whose y is that of a simpler one on a part, and 0 before the bias on the rest."""

    def __init__(self, narrowing: Narrowing, inner: ConvolutionKernels, g: Geometry) -> None:
        self._narrowing, self._inner = narrowing, inner
        self._bias = (-1, *[1] * len(g.kernel))
        self._other_axes = (0, *range(2, len(g.y)))

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = self._narrowing.widen(self._inner.forward(x, weight, None))
        return y if bias is None else y.add_(bias.view(self._bias))

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        dx = dw = None
        if need[0] or need[1]:
            dx, dw, _ = self._inner.backward((*need[:2], False), self._narrowing.narrow(dy), x, weight)
        return dx, dw, dy.sum(self._other_axes) if need[2] else None


class Crop:
    """Negative pads: elements are taken away at both ends."""

    def __init__(self, g: Geometry) -> None:
        # What constant_pad_nd takes: last axis first, before and after.
        self._taken = [min(p, 0) for p in reversed(g.pad) for _ in range(2)]
        self._added = [-p for p in self._taken]
        wide = g.x if g.output_padding is None else g.y
        sizes = tuple([length + 2 * min(p, 0) for length, p in zip(wide[2:], g.pad, strict=True)])
        self.inner = _with_wide(g, sizes)._replace(pad=tuple([max(p, 0) for p in g.pad]))

    def narrow(self, wide: Tensor) -> Tensor:
        return torch.constant_pad_nd(wide, self._taken)

    def widen(self, narrow: Tensor) -> Tensor:
        return torch.constant_pad_nd(narrow, self._added)


class Skip:
    """Pointwise with a stride: only every so many elements are seen."""

    def __init__(self, g: Geometry) -> None:
        n = len(g.kernel)
        wide, seen = (g.x, g.y) if g.output_padding is None else (g.y, g.x)
        self._shape = wide
        self._seen: tuple[slice | EllipsisType, ...] = (..., *[slice(None, None, s) for s in g.stride])
        self.inner = _with_wide(g, seen[2:])._replace(stride=(1,) * n, dilation=(1,) * n)
        if g.output_padding is not None:
            self.inner = self.inner._replace(output_padding=(0,) * n)

    def narrow(self, wide: Tensor) -> Tensor:
        return wide[self._seen]

    def widen(self, narrow: Tensor) -> Tensor:
        wide = zeros_in_format(narrow, self._shape)
        wide[self._seen] = narrow
        return wide


def _with_wide(g: Geometry, sizes: Shape) -> Geometry:
    """`g` with other sizes on its wide side."""
    if g.output_padding is None:
        return g._replace(x=(*g.x[:2], *sizes))
    return g._replace(y=(*g.y[:2], *sizes))
