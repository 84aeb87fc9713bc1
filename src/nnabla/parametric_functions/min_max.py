"""Quantization between a minimum and a maximum that are trained or measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from ..parameter import get_parameter_or_create
from .layers import Initializer, affine_weight, filters
from .quantized import PARAMETERS, Quantizer, quantized_parameters
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


# The arguments of one parameter: quantize, ql_min, ql_max, min_max, qr_min_init, qr_max_init, ste_fine_grained.
Settings = tuple[bool, float, float, bool, Initializer, Initializer, bool]


def _quantizers(
    of_weight: Settings, of_bias: Settings, eps: float, fix_parameters: bool
) -> tuple[Quantizer, Quantizer]:
    """Quantizers of weight and bias, with ranges of [-2, 2] and [-6, 6] at first."""
    return (
        _quantizer("min_max_quantize_w", 2, *of_weight, eps, fix_parameters),
        _quantizer("min_max_quantize_b", 6, *of_bias, eps, fix_parameters),
    )


def _quantizer(
    name: str,
    limit: float,
    quantize: bool,
    ql_min: float,
    ql_max: float,
    x_min_max: bool,
    qr_min_init: Initializer,
    qr_max_init: Initializer,
    ste_fine_grained: bool,
    eps: float,
    fix_parameters: bool,
) -> Quantizer:
    """`min_max_quantize` in the scope `name`, with the range ``[-limit, limit]`` at first."""
    if not quantize:
        return None
    low = ConstantInitializer(-limit) if qr_min_init is None else qr_min_init
    high = ConstantInitializer(limit) if qr_max_init is None else qr_max_init

    def quantizer(x: Any, outputs: list[Any]) -> Any:
        return min_max_quantize(
            x,
            ql_min,
            ql_max,
            x_min_max=x_min_max,
            ste_fine_grained=ste_fine_grained,
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
        eps: least difference of maximum and minimum.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    quantizers = _quantizers(
        (quantize_w, ql_min_w, ql_max_w, w_min_max, qr_min_w_init, qr_max_w_init, ste_fine_grained_w),
        (quantize_b, ql_min_b, ql_max_b, b_min_max, qr_min_b_init, qr_max_b_init, ste_fine_grained_b),
        eps,
        fix_parameters,
    )
    shape, w_init = affine_weight("min_max_quantized_affine", inp, n_outmaps, base_axis, w_init, rng)
    w, b = quantized_parameters(shape, shape[1:], (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.affine(inp, w, b, base_axis)


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
        eps: least difference of maximum and minimum.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.
    """
    quantizers = _quantizers(
        (quantize_w, ql_min_w, ql_max_w, w_min_max, qr_min_w_init, qr_max_w_init, ste_fine_grained_w),
        (quantize_b, ql_min_b, ql_max_b, b_min_max, qr_min_b_init, qr_max_b_init, ste_fine_grained_b),
        eps,
        fix_parameters,
    )
    shape, w_init = filters(
        "min_max_quantized_convolution", inp, outmaps, kernel, base_axis, w_init, rng, channel_last, group
    )
    w, b = quantized_parameters(shape, (outmaps,), (w_init, b_init), fix_parameters, with_bias, quantizers)
    return F.convolution(inp, w, b, base_axis, pad, stride, dilation, group, channel_last)
