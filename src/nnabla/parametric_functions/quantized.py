"""Layers whose weights are quantized in the forward pass, and trained as if they were not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..parameter import get_parameter_or_create
from .layers import ZEROS, Initializer, affine_weight, filters, weight
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


def quantized_parameters(
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...],
    inits: tuple[Initializer, Initializer],
    fix_parameters: bool,
    with_bias: bool,
    quantizers: tuple[Quantizer, Quantizer],
) -> tuple[Any, Any]:
    """Weight and bias, None without; `inits` and `quantizers` are those of weight and bias."""
    w = quantized("W", weight_shape, inits[0], fix_parameters, quantizers[0])
    if not with_bias:
        return w, None
    b_init = ZEROS if inits[1] is None else inits[1]
    return w, quantized("b", bias_shape, b_init, fix_parameters, quantizers[1])


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

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _fixed_point(quantize_w, sign_w, n_w, delta_w, ste_fine_grained_w),
        _fixed_point(quantize_b, sign_b, n_b, delta_b, ste_fine_grained_b),
    )
    shape, w_init = affine_weight("fixed_point_quantized_affine", inp, n_outmaps, base_axis, w_init, rng)
    w, b = quantized_parameters(shape, shape[1:], (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.affine(inp, w, b, base_axis)


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

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _fixed_point(quantize_w, sign_w, n_w, delta_w, ste_fine_grained_w),
        _fixed_point(quantize_b, sign_b, n_b, delta_b, ste_fine_grained_b),
    )
    shape, w_init = filters(
        "fixed_point_quantized_convolution", inp, outmaps, kernel, base_axis, w_init, rng, channel_last, group
    )
    w, b = quantized_parameters(shape, (outmaps,), (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.convolution(inp, w, b, base_axis, pad, stride, dilation, group, channel_last)


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

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _pow2(quantize_w, sign_w, with_zero_w, n_w, m_w, ste_fine_grained_w),
        _pow2(quantize_b, sign_b, with_zero_b, n_b, m_b, ste_fine_grained_b),
    )
    shape, w_init = affine_weight("pow2_quantized_affine", inp, n_outmaps, base_axis, w_init, rng)
    w, b = quantized_parameters(shape, shape[1:], (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.affine(inp, w, b, base_axis)


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

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _pow2(quantize_w, sign_w, with_zero_w, n_w, m_w, ste_fine_grained_w),
        _pow2(quantize_b, sign_b, with_zero_b, n_b, m_b, ste_fine_grained_b),
    )
    shape, w_init = filters("pow2_quantized_convolution", inp, outmaps, kernel, base_axis, w_init, rng, group=group)
    w, b = quantized_parameters(shape, (outmaps,), (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.convolution(inp, w, b, base_axis, pad, stride, dilation, group)


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

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (_pruned(prune_w, rate_w), _pruned(prune_b, rate_b))
    shape, w_init = affine_weight("pruned_affine", inp, n_outmaps, base_axis, w_init, rng)
    w, b = quantized_parameters(shape, shape[1:], (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.affine(inp, w, b, base_axis)


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

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (_pruned(prune_w, rate_w), _pruned(prune_b, rate_b))
    shape, w_init = filters("pruned_convolution", inp, outmaps, kernel, base_axis, w_init, rng, channel_last, group)
    w, b = quantized_parameters(shape, (outmaps,), (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.convolution(inp, w, b, base_axis, pad, stride, dilation, group, channel_last)
