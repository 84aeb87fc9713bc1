"""Convolutions with fixed parameters: the weight is brought into oneDNN's own layout once, and an activation and the
sum with another array are applied to what is still in the registers of the processor.

Only geometries that `convolution_kernels` gives to ATen come here, and as it gives them, so what it keeps away from
oneDNN stays away: strides of pointwise convolutions, windows that see padding only, and unusual strides of axes of
length 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._private_torch import convolution_and, convolution_and_sum, get_mkldnn_enabled, pack_convolution_weight
from ..graph.operator import Operator, PostOp
from .convolution_kernels import ConvolutionKernels, Direct, Geometry, forward_of_part
from .layout import into_contiguous, into_format
from .winograd import elements_of_matrices, winograd, winograd_pays

# What oneDNN applies to a sum.
_AFTER_SUMS = (None, PostOp("relu"))


def is_packable(operator: Operator, g: Geometry, kernels: ConvolutionKernels) -> bool:
    """Whether `packed_convolution` may be asked for, as far as device, type and geometry tell."""
    return (
        operator.device.type == "cpu"
        and operator.compute_dtype is torch.float32
        and len(g.kernel) == 2
        and g.output_padding is None
        and 0 not in g.x
        and forward_of_part(g, kernels) is not None
        and convolution_and is not None
        and torch.backends.mkldnn.is_available()
    )


def more_elements(operator: Operator, g: Geometry, kernels: ConvolutionKernels) -> int:
    """How many elements `packed_convolution` keeps beside the weight."""
    fast = isinstance(kernels, Direct) and is_packable(operator, g, kernels) and winograd_pays(g)
    return elements_of_matrices(g) if fast else 0


def packed_convolution(
    g: Geometry,
    kernels: ConvolutionKernels,
    weight: Tensor,
    bias: Tensor | None,
    adds: bool,
    post: PostOp | None,
) -> Callable[..., Tensor] | None:
    """The forward of a convolution on a CPU in float32, channels last; see `Operator.packed`.

    Args:
        g: a geometry that is packable.
        kernels: what computes it otherwise.
        weight: ``(outer, inner, K_1, K_2)``.
        bias: one number for each output map.
        adds: whether the result is a function of x and of what is added.
        post: what is applied to the sum.
    """
    found = forward_of_part(g, kernels)
    if found is None or not get_mkldnn_enabled() or (adds and (g.group != 1 or post not in _AFTER_SUMS)):
        return None
    part, take = found
    into = into_format(part.x, torch.channels_last)
    if isinstance(kernels, Direct) and winograd_pays(g):
        # What follows is no part of it.
        if adds or post is not None:
            return None
        fast = winograd(g, kernels, weight, bias)
        return lambda x: fast(into(x))
    enter = into if take is None else lambda x: into(take(x))
    geometry = (list(part.pad), list(part.stride), list(part.dilation), part.group)
    packed = pack_convolution_weight(into_contiguous(part.weight)(weight), *geometry, list(part.x))
    if not adds:
        how = (post.name, list(post.scalars), post.algorithm) if post is not None else ("none", [], "")

        def convolve(x: Tensor) -> Tensor:
            y: Tensor = convolution_and(enter(x), packed, bias, *geometry, *how)
            return y

        return convolve
    enter_other = into_format(g.y, torch.channels_last)
    after = None if post is None else post.name

    def convolve_and_add(x: Tensor, other: Tensor) -> Tensor:
        y: Tensor = convolution_and_sum(
            enter(x), enter_other(other), packed, bias, *geometry, "add", None, after, [], None
        )
        return y

    return convolve_and_add
