"""Convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import functions as F
from ...errors import ArgumentError
from ...graph.variable import Variable
from ..argument_docs import describe_arguments
from ..layers import Initializer, bias_or_none, filter_shape, glorot, weight
from .module import Module, check_sizes, fresh_scope


class Filtering(Module):
    """What convolution and transposed convolution have in common: everything but the axes of the filters."""

    W: Variable
    b: Variable | None

    def __init__(
        self,
        inmaps: int,
        outmaps: int,
        kernel: Sequence[int],
        pad: Sequence[int] | None = None,
        stride: Sequence[int] | None = None,
        dilation: Sequence[int] | None = None,
        group: int = 1,
        w_init: Initializer = None,
        b_init: Initializer = None,
        base_axis: int = 1,
        fix_parameters: bool = False,
        rng: np.random.RandomState | None = None,
        with_bias: bool = True,
    ) -> None:
        kernel, name = tuple(kernel), type(self).__name__
        check_sizes(name, inmaps=inmaps, outmaps=outmaps, group=group)
        if inmaps % group or outmaps % group:
            raise ArgumentError(f"{name}: group {group} must divide inmaps {inmaps} and outmaps {outmaps}")
        shape = self.filter_shape(inmaps, outmaps, kernel, group)
        with fresh_scope():
            self.W = weight("W", shape, glorot(w_init, inmaps, outmaps, kernel, rng), fix_parameters, None)
            self.b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
        self.base_axis = base_axis
        self.pad = pad
        self.stride = stride
        self.dilation = dilation
        self.group = group

    @staticmethod
    def filter_shape(inmaps: int, outmaps: int, kernel: tuple[int, ...], group: int) -> tuple[int, ...]:
        """Shape of `W`."""
        raise NotImplementedError


@describe_arguments()
class Convolution(Filtering):
    """N-dimensional convolution; see `nnabla.functions.convolution`.

    Args:

    Attributes:
        W: filters, shape ``(outmaps, inmaps / group, *kernel)``.
        b: bias, shape ``(outmaps,)``, or None.

    Raises:
        ArgumentError: `group` does not divide `inmaps` and `outmaps`.
        ShapeError: `w_init` or `b_init` is an array of another shape.
    """

    @staticmethod
    def filter_shape(inmaps: int, outmaps: int, kernel: tuple[int, ...], group: int) -> tuple[int, ...]:
        """Shape of `W`."""
        return filter_shape(outmaps, inmaps, kernel, group=group)

    def __call__(self, inp: Any) -> Variable:
        """Shape ``(batch..., inmaps, *spatial)`` to ``(batch..., outmaps, *spatial)``."""
        return F.convolution(inp, self.W, self.b, self.base_axis, self.pad, self.stride, self.dilation, self.group)


Conv1d = Convolution
Conv2d = Convolution
Conv3d = Convolution
ConvNd = Convolution
