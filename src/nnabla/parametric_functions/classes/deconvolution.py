"""Transposed convolution."""

from __future__ import annotations

from typing import Any

from ... import functions as F
from ...graph.variable import Variable
from ..argument_docs import describe_arguments
from ..layers import filter_shape
from .convolution import Filtering


@describe_arguments()
class Deconvolution(Filtering):
    """N-dimensional transposed convolution; see `nnabla.functions.deconvolution`.

    NNabla 1.39 exchanges `inmaps` and `outmaps` in the shape of the filters, and works where they are equal only.

    Args:
        pad: rows cut off at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis of the output; default 1.

    Attributes:
        W: filters, shape ``(inmaps, outmaps / group, *kernel)``.
        b: bias, shape ``(outmaps,)``, or None.

    Raises:
        ArgumentError: `group` does not divide `inmaps` and `outmaps`.
        ShapeError: `w_init` or `b_init` is an array of another shape.
    """

    @staticmethod
    def filter_shape(inmaps: int, outmaps: int, kernel: tuple[int, ...], group: int) -> tuple[int, ...]:
        """Shape of `W`."""
        return filter_shape(inmaps, outmaps, kernel, group=group)

    def __call__(self, inp: Any) -> Variable:
        """Shape ``(batch..., inmaps, *spatial)`` to ``(batch..., outmaps, *spatial)``."""
        return F.deconvolution(inp, self.W, self.b, self.base_axis, self.pad, self.stride, self.dilation, self.group)


Deconv1d = Deconvolution
Deconv2d = Deconvolution
Deconv3d = Deconvolution
DeconvNd = Deconvolution
