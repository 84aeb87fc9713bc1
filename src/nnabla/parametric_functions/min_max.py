"""Quantization between a minimum and a maximum that are trained or measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from ..parameter import get_parameter_or_create
from .layers import Initializer
from .quantized import PARAMETERS, Quantizer, quantized_affine, quantized_convolution
from .registration import parametric_function_api


@parametric_function_api(
    "min_max_quantize",
    [
        ("ql_min", "Smallest level", "one element, as many axes as the input", False),
        ("ql_max", "Largest level", "as ql_min", False),
        ("qr_min", "Minimum", "as ql_min", True),
        ("qr_max", "Maximum", "as ql_min", True),
    ],
)
def min_max_quantize(
    x: Any,
    ql_min: float = 0,
    ql_max: float = 255,
    decay: float = 0.999,
    x_min_max: bool = False,
    ema: bool = False,
    ste_fine_grained: bool = True,
    eps: float = 0.01,
    qr_min_init: Initializer = None,
    qr_max_init: Initializer = None,
    fix_parameters: bool = False,
    outputs: Any = None,
) -> Variable:
    """The nearest of evenly spaced values in a range; see `nnabla.functions.min_max_quantize`.

    Args:
        x: any shape.
        ql_min: smallest level.
        ql_max: largest level.
        decay: how much of the running minimum and maximum stays in each step.
        x_min_max: take minimum and maximum from `x`, else train them.
        ema: with `x_min_max`, whether they move there with `decay`; else they are set.
        ste_fine_grained: whether the gradient is 0 where `x` lies outside of the range.
        eps: least difference of maximum and minimum.
        qr_min_init: initializer or array for the minimum; default -6.
        qr_max_init: initializer or array for the maximum; default 6.
        fix_parameters: do not train minimum and maximum.
        outputs: arrays for the result.

    Returns:
        Shape of `x`.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", arXiv:1712.05877.
    """
    shape = (1,) * x.ndim
    smallest, largest = [
        get_parameter_or_create(name, shape, ConstantInitializer(value), False, False)
        for name, value in (("ql_min", ql_min), ("ql_max", ql_max))
    ]
    qr_min, qr_max = [
        get_parameter_or_create(
            name,
            shape,
            ConstantInitializer(value) if init is None else init,
            not (x_min_max and ema),
            not fix_parameters,
        )
        for name, value, init in (("qr_min", -6, qr_min_init), ("qr_max", 6, qr_max_init))
    ]
    return F.min_max_quantize(
        x, qr_min, qr_max, smallest, largest, decay, x_min_max, ema, ste_fine_grained, eps, True, outputs
    )


def _min_max(
    quantize: bool,
    name: str,
    levels: tuple[float, float],
    x_min_max: bool,
    inits: tuple[Initializer, Initializer],
    limit: float,
    fine: bool,
    eps: float,
    fix_parameters: bool,
) -> Quantizer:
    """Quantizer in the scope `name`, with the range ``[-limit, limit]`` at first."""
    if not quantize:
        return None
    low, high = [
        ConstantInitializer(value) if init is None else init for init, value in zip(inits, (-limit, limit), strict=True)
    ]

    def quantizer(x: Any, outputs: list[Any]) -> Any:
        return min_max_quantize(
            x,
            *levels,
            x_min_max=x_min_max,
            ste_fine_grained=fine,
            eps=eps,
            qr_min_init=low,
            qr_max_init=high,
            fix_parameters=fix_parameters,
            outputs=outputs,
            name=name,
        )

    return quantizer


@parametric_function_api("min_max_quantized_affine", PARAMETERS)
def min_max_quantized_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    quantize_w: bool = True,
    ql_min_w: float = 0,
    ql_max_w: float = 255,
    w_min_max: bool = False,
    qr_min_w_init: Initializer = None,
    qr_max_w_init: Initializer = None,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    ql_min_b: float = 0,
    ql_max_b: float = 255,
    b_min_max: bool = False,
    qr_min_b_init: Initializer = None,
    qr_max_b_init: Initializer = None,
    ste_fine_grained_b: bool = True,
    eps: float = 0.01,
) -> Variable:
    """`affine` with weight and bias quantized by `min_max_quantize`.

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
        ql_min_w: smallest level of the weight.
        ql_max_w: largest level of the weight.
        w_min_max: take minimum and maximum from the weight, else train them.
        qr_min_w_init: initializer or array for the minimum; default -2.
        qr_max_w_init: initializer or array for the maximum; default 2.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        ql_min_b: smallest level of the bias.
        ql_max_b: largest level of the bias.
        b_min_max: take minimum and maximum from the bias, else train them.
        qr_min_b_init: initializer or array for the minimum; default -6.
        qr_max_b_init: initializer or array for the maximum; default 6.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.
        eps: least difference of maximum and minimum.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = (
        _min_max(
            quantize_w,
            "min_max_quantize_w",
            (ql_min_w, ql_max_w),
            w_min_max,
            (qr_min_w_init, qr_max_w_init),
            2,
            ste_fine_grained_w,
            eps,
            fix_parameters,
        ),
        _min_max(
            quantize_b,
            "min_max_quantize_b",
            (ql_min_b, ql_max_b),
            b_min_max,
            (qr_min_b_init, qr_max_b_init),
            6,
            ste_fine_grained_b,
            eps,
            fix_parameters,
        ),
    )
    return quantized_affine(
        "min_max_quantized_affine",
        inp,
        n_outmaps,
        base_axis,
        (w_init, b_init),
        fix_parameters,
        rng,
        with_bias,
        quantizers,
    )


@parametric_function_api("min_max_quantized_conv", PARAMETERS)
def min_max_quantized_convolution(
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
    ql_min_w: float = 0,
    ql_max_w: float = 255,
    w_min_max: bool = False,
    qr_min_w_init: Initializer = None,
    qr_max_w_init: Initializer = None,
    ste_fine_grained_w: bool = True,
    quantize_b: bool = True,
    ql_min_b: float = 0,
    ql_max_b: float = 255,
    b_min_max: bool = False,
    qr_min_b_init: Initializer = None,
    qr_max_b_init: Initializer = None,
    ste_fine_grained_b: bool = True,
    eps: float = 0.01,
) -> Variable:
    """`convolution` with weight and bias quantized by `min_max_quantize`.

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
        ql_min_w: smallest level of the weight.
        ql_max_w: largest level of the weight.
        w_min_max: take minimum and maximum from the weight, else train them.
        qr_min_w_init: initializer or array for the minimum; default -2.
        qr_max_w_init: initializer or array for the maximum; default 2.
        ste_fine_grained_w: whether the gradient is 0 where the weight lies outside of the range.
        quantize_b: whether to quantize the bias.
        ql_min_b: smallest level of the bias.
        ql_max_b: largest level of the bias.
        b_min_max: take minimum and maximum from the bias, else train them.
        qr_min_b_init: initializer or array for the minimum; default -6.
        qr_max_b_init: initializer or array for the maximum; default 6.
        ste_fine_grained_b: whether the gradient is 0 where the bias lies outside of the range.
        eps: least difference of maximum and minimum.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = (
        _min_max(
            quantize_w,
            "min_max_quantize_w",
            (ql_min_w, ql_max_w),
            w_min_max,
            (qr_min_w_init, qr_max_w_init),
            2,
            ste_fine_grained_w,
            eps,
            fix_parameters,
        ),
        _min_max(
            quantize_b,
            "min_max_quantize_b",
            (ql_min_b, ql_max_b),
            b_min_max,
            (qr_min_b_init, qr_max_b_init),
            6,
            ste_fine_grained_b,
            eps,
            fix_parameters,
        ),
    )
    return quantized_convolution(
        "min_max_quantized_convolution",
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
