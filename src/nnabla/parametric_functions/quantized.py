"""Layers whose weights are quantized in the forward pass, and trained as if they were not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from ..parameter import get_parameter_or_create
from .layers import Initializer, affine_sizes, channels_of, filter_shape, glorot, weight
from .registration import parametric_function_api

# Given a parameter and a list with the array for the result, returns the quantized parameter.
Quantizer = Callable[[Any, list[Any]], Any] | None

PARAMETERS = [
    ("W", "Weight before quantization", "as in the plain layer", True),
    ("W_q", "Weight in use, written by forward", "as W", False),
    ("b", "Bias before quantization", "as in the plain layer", True),
    ("b_q", "Bias in use, written by forward", "as b", False),
]


def quantized(name: str, shape: tuple[int, ...], init: Initializer, fix_parameters: bool, quantizer: Quantizer) -> Any:
    """The parameter `name`, passed through `quantizer` into the parameter ``<name>_q``."""
    param = weight(name, shape, init, fix_parameters, None)
    if quantizer is None:
        return param
    stored = get_parameter_or_create(f"{name}_q", shape, init, False, False)
    result = quantizer(param, [stored.data])
    # The parameter holds its values after forward, too.
    result.persistent = True
    return result


def quantized_affine(
    function: str,
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int,
    inits: tuple[Initializer, Initializer],
    fix_parameters: bool,
    rng: np.random.RandomState | None,
    with_bias: bool,
    quantizers: tuple[Quantizer, Quantizer],
) -> Any:
    """`affine` with quantizers for weight and bias."""
    features, outmaps = affine_sizes(inp, n_outmaps, base_axis, function)
    w_init = glorot(inits[0], features, math.prod(outmaps), rng=rng)
    w = quantized("W", (features, *outmaps), w_init, fix_parameters, quantizers[0])
    b = _bias(outmaps, inits[1], fix_parameters, with_bias, quantizers[1])
    return F.affine(inp, w, b, base_axis)


def quantized_convolution(
    function: str,
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    geometry: tuple[Sequence[int] | None, Sequence[int] | None, Sequence[int] | None],
    group: int,
    channel_last: bool,
    inits: tuple[Initializer, Initializer],
    base_axis: int,
    fix_parameters: bool,
    rng: np.random.RandomState | None,
    with_bias: bool,
    quantizers: tuple[Quantizer, Quantizer],
) -> Any:
    """`convolution` with quantizers for weight and bias; `geometry` is pad, stride and dilation."""
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, function, channel_last, group)
    w_init = glorot(inits[0], inmaps, outmaps, kernel, rng)
    shape = filter_shape(outmaps, inmaps, kernel, channel_last, group)
    w = quantized("W", shape, w_init, fix_parameters, quantizers[0])
    b = _bias((outmaps,), inits[1], fix_parameters, with_bias, quantizers[1])
    return F.convolution(inp, w, b, base_axis, *geometry, group, channel_last)


def _bias(
    shape: tuple[int, ...], init: Initializer, fix_parameters: bool, with_bias: bool, quantizer: Quantizer
) -> Any:
    if not with_bias:
        return None
    return quantized("b", shape, ConstantInitializer(0) if init is None else init, fix_parameters, quantizer)


def _fixed_point(quantize: bool, sign: bool, n: int, delta: float, fine: bool) -> Quantizer:
    return (lambda x, out: F.fixed_point_quantize(x, sign, n, delta, True, fine, out)) if quantize else None


def _pow2(quantize: bool, sign: bool, with_zero: bool, n: int, m: int, fine: bool) -> Quantizer:
    return (lambda x, out: F.pow2_quantize(x, sign, with_zero, n, m, True, fine, out)) if quantize else None


def _pruned(prune: bool, rate: float) -> Quantizer:
    return (lambda x, out: F.prune(x, rate, outputs=out)) if prune else None


@parametric_function_api("fp_quantized_affine", PARAMETERS)
def fixed_point_quantized_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    quantize_w: bool = True,
    sign_w: bool = True,
    n_w: int = 8,
    delta_w: float = 0.0625,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    sign_b: bool = True,
    n_b: int = 8,
    delta_b: float = 0.0625,
    ste_fine_grained_b: bool = True,
) -> Variable:
    """`affine` with fixed-point weight and bias; see `nnabla.functions.fixed_point_quantize`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        quantize_w: whether to quantize the weight.
        sign_w: whether one bit of the weight is the sign.
        n_w: bits of the weight.
        delta_w: distance of neighbouring values of the weight.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        sign_b: whether one bit of the bias is the sign.
        n_b: bits of the bias.
        delta_b: distance of neighbouring values of the bias.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _fixed_point(quantize_w, sign_w, n_w, delta_w, ste_fine_grained_w),
        _fixed_point(quantize_b, sign_b, n_b, delta_b, ste_fine_grained_b),
    )
    return quantized_affine(
        "fixed_point_quantized_affine",
        inp,
        n_outmaps,
        base_axis,
        (w_init, b_init),
        fix_parameters,
        rng,
        with_bias,
        quantizers,
    )


@parametric_function_api("fp_quantized_conv", PARAMETERS)
def fixed_point_quantized_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    channel_last: bool = False,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    quantize_w: bool = True,
    sign_w: bool = True,
    n_w: int = 8,
    delta_w: float = 0.0625,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    sign_b: bool = True,
    n_b: int = 8,
    delta_b: float = 0.0625,
    ste_fine_grained_b: bool = True,
) -> Variable:
    """`convolution` with fixed-point weight and bias; see `nnabla.functions.fixed_point_quantize`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        channel_last: whether channels are the last axis, of input and filters.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        quantize_w: whether to quantize the weight.
        sign_w: whether one bit of the weight is the sign.
        n_w: bits of the weight.
        delta_w: distance of neighbouring values of the weight.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        sign_b: whether one bit of the bias is the sign.
        n_b: bits of the bias.
        delta_b: distance of neighbouring values of the bias.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _fixed_point(quantize_w, sign_w, n_w, delta_w, ste_fine_grained_w),
        _fixed_point(quantize_b, sign_b, n_b, delta_b, ste_fine_grained_b),
    )
    return quantized_convolution(
        "fixed_point_quantized_convolution",
        inp,
        outmaps,
        kernel,
        (pad, stride, dilation),
        group,
        channel_last,
        (w_init, b_init),
        base_axis,
        fix_parameters,
        rng,
        with_bias,
        quantizers,
    )


@parametric_function_api("pow2_quantized_affine", PARAMETERS)
def pow2_quantized_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    quantize_w: bool = True,
    sign_w: bool = True,
    with_zero_w: bool = False,
    n_w: int = 8,
    m_w: int = 2,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    sign_b: bool = True,
    with_zero_b: bool = False,
    n_b: int = 8,
    m_b: int = 2,
    ste_fine_grained_b: bool = True,
) -> Variable:
    """`affine` with powers of two for weight and bias; see `nnabla.functions.pow2_quantize`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        quantize_w: whether to quantize the weight.
        sign_w: whether one bit of the weight is the sign.
        with_zero_w: whether 0 is one of the values of the weight.
        n_w: bits of the weight.
        m_w: the largest value of the weight is ``2 ** m_w``.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        sign_b: whether one bit of the bias is the sign.
        with_zero_b: whether 0 is one of the values of the bias.
        n_b: bits of the bias.
        m_b: the largest value of the bias is ``2 ** m_b``.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _pow2(quantize_w, sign_w, with_zero_w, n_w, m_w, ste_fine_grained_w),
        _pow2(quantize_b, sign_b, with_zero_b, n_b, m_b, ste_fine_grained_b),
    )
    return quantized_affine(
        "pow2_quantized_affine", inp, n_outmaps, base_axis, (w_init, b_init), fix_parameters, rng, with_bias, quantizers
    )


@parametric_function_api("pow2_quantized_conv", PARAMETERS)
def pow2_quantized_convolution(
    inp: Any,
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
    quantize_w: bool = True,
    with_zero_w: bool = False,
    sign_w: bool = True,
    n_w: int = 8,
    m_w: int = 2,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    with_zero_b: bool = False,
    sign_b: bool = True,
    n_b: int = 8,
    m_b: int = 2,
    ste_fine_grained_b: bool = True,
) -> Variable:
    """`convolution` with powers of two for weight and bias; see `nnabla.functions.pow2_quantize`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        quantize_w: whether to quantize the weight.
        with_zero_w: whether 0 is one of the values of the weight.
        sign_w: whether one bit of the weight is the sign.
        n_w: bits of the weight.
        m_w: the largest value of the weight is ``2 ** m_w``.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        with_zero_b: whether 0 is one of the values of the bias.
        sign_b: whether one bit of the bias is the sign.
        n_b: bits of the bias.
        m_b: the largest value of the bias is ``2 ** m_b``.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _pow2(quantize_w, sign_w, with_zero_w, n_w, m_w, ste_fine_grained_w),
        _pow2(quantize_b, sign_b, with_zero_b, n_b, m_b, ste_fine_grained_b),
    )
    return quantized_convolution(
        "pow2_quantized_convolution",
        inp,
        outmaps,
        kernel,
        (pad, stride, dilation),
        group,
        False,
        (w_init, b_init),
        base_axis,
        fix_parameters,
        rng,
        with_bias,
        quantizers,
    )


@parametric_function_api("pruned_affine", PARAMETERS)
def pruned_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    prune_w: bool = True,
    rate_w: float = 0.9,
    prune_b: bool = True,
    rate_b: float = 0.9,
) -> Variable:
    """`affine` without the smallest elements of weight and bias; see `nnabla.functions.prune`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        prune_w: whether to prune the weight.
        rate_w: share of the weight's elements that become 0.
        prune_b: whether to prune the bias.
        rate_b: share of the bias' elements that become 0.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _pruned(prune_w, rate_w),
        _pruned(prune_b, rate_b),
    )
    return quantized_affine(
        "pruned_affine", inp, n_outmaps, base_axis, (w_init, b_init), fix_parameters, rng, with_bias, quantizers
    )


@parametric_function_api("pruned_conv", PARAMETERS)
def pruned_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    channel_last: bool = False,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    prune_w: bool = True,
    rate_w: float = 0.9,
    prune_b: bool = True,
    rate_b: float = 0.9,
) -> Variable:
    """`convolution` without the smallest elements of weight and bias; see `nnabla.functions.prune`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        channel_last: whether channels are the last axis, of input and filters.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.
        prune_w: whether to prune the weight.
        rate_w: share of the weight's elements that become 0.
        prune_b: whether to prune the bias.
        rate_b: share of the bias' elements that become 0.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _pruned(prune_w, rate_w),
        _pruned(prune_b, rate_b),
    )
    return quantized_convolution(
        "pruned_convolution",
        inp,
        outmaps,
        kernel,
        (pad, stride, dilation),
        group,
        channel_last,
        (w_init, b_init),
        base_axis,
        fix_parameters,
        rng,
        with_bias,
        quantizers,
    )
