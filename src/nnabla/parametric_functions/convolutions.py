"""Convolutions of single channels, and with displaced filter elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..errors import ArgumentError
from ..graph.variable import Variable
from .layers import Hook, Initializer, bias_or_none, channels_of, filters, glorot, weight
from .registration import parametric_function_api


@parametric_function_api(
    "depthwise_conv",
    [
        ("W", "Filters", "``(inmaps * multiplier, *kernel)``", True),
        ("b", "Bias", "``(inmaps * multiplier,)``", True),
    ],
)
def depthwise_convolution(
    inp: Any,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    multiplier: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """Convolution of each channel for itself; see `nnabla.functions.depthwise_convolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        kernel: size of the filters along each spatial axis, one or two.
        multiplier: number of filters for each channel.

    Returns:
        Shape ``(batch..., inmaps * multiplier, *spatial)``.

    Raises:
        ArgumentError: `multiplier` is less than 1.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", arXiv:1610.02357.
    """
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, "depthwise_convolution")
    if multiplier < 1:
        raise ArgumentError(f"depthwise_convolution: multiplier must be at least 1, not {multiplier}")
    outmaps = inmaps * multiplier
    w_init = glorot(w_init, inmaps, outmaps, kernel, rng)
    w = weight("W", (outmaps, *kernel), w_init, fix_parameters, None)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    return F.depthwise_convolution(inp, w, b, base_axis, pad, stride, dilation, multiplier)


@parametric_function_api(
    "depthwise_deconv",
    [("W", "Filters", "``(inmaps, *kernel)``", True), ("b", "Bias", "``(inmaps / divisor,)``", True)],
)
def depthwise_deconvolution(
    inp: Any,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    divisor: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """Transposed convolution of each channel for itself; see `nnabla.functions.depthwise_deconvolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        kernel: size of the filters along each spatial axis, one or two.
        pad: rows cut off at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis of the output; default 1.
        divisor: number of input channels that are summed for each output channel.

    Returns:
        Shape ``(batch..., inmaps / divisor, *spatial)``.

    Raises:
        ArgumentError: `divisor` does not divide the number of channels.
    """
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, "depthwise_deconvolution")
    if divisor < 1 or inmaps % divisor:
        raise ArgumentError(
            f"depthwise_deconvolution: divisor must divide the {inmaps} input channels, and is {divisor}"
        )
    w_init = glorot(w_init, inmaps, inmaps, kernel, rng)
    w = weight("W", (inmaps, *kernel), w_init, fix_parameters, None)
    b = bias_or_none(with_bias, (inmaps // divisor,), b_init, fix_parameters, None)
    return F.depthwise_deconvolution(inp, w, b, base_axis, pad, stride, dilation, divisor)


@parametric_function_api(
    "deformable_conv",
    [("W", "Filters", "``(outmaps, inmaps / group, *kernel)``", True), ("b", "Bias", "``(outmaps,)``", True)],
)
def deformable_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    offset: Any,
    mask: Any = None,
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    deformable_group: int = 1,
    channel_last: bool = False,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    apply_w: Hook = None,
    apply_b: Hook = None,
) -> Variable:
    """Convolution whose filter elements are displaced; see `nnabla.functions.deformable_convolution`.

    Args:
        inp: shape ``(batch..., inmaps, height, width)``, or channels last with `channel_last`.
        kernel: height and width of the filters.
        offset: displacements, shape ``(batch..., 2 * deformable_group * height * width of the kernel, ...)``.
        mask: factors of the filter elements, with half the channels of `offset`; default ones.
        deformable_group: number of groups of channels with displacements of their own.

    Returns:
        Shape ``(batch..., outmaps, height, width)``, or with channels last.

    Source: Dai et al., "Deformable Convolutional Networks", arXiv:1703.06211; with `mask`: Zhu et al.,
        "Deformable ConvNets v2", arXiv:1811.11168.
    """
    shape, w_init = filters("deformable_convolution", inp, outmaps, kernel, base_axis, w_init, rng, channel_last, group)
    w = weight("W", shape, w_init, fix_parameters, apply_w)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, apply_b)
    return F.deformable_convolution(
        inp, w, offset, mask, b, base_axis, pad, stride, dilation, group, deformable_group, channel_last
    )
