"""Layers whose weights are signs or powers of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..parameter import get_parameter_or_create
from .layers import ZEROS, Initializer, affine_weight, bias_or_none, filters, weight
from .registration import parametric_function_api

WEIGHT = ("W", "Weight before quantization", "as in the plain layer", True)
BINARY = ("Wb", "Weight in use, written by forward", "as W", False)
FACTORS = ("alpha", "Factor of each output, written by forward", "that of one output", False)
FIXED = ("I", "1 where the weight is fixed, else 0", "as W", False)
BIAS = ("b", "Bias", "as in the plain layer", True)


def _not_trained(name: str, shape: tuple[int, ...], init: Initializer) -> Any:
    """A parameter that forward writes, zeros at first without `init`."""
    return get_parameter_or_create(name, shape, ZEROS if init is None else init, False, False)


@parametric_function_api("bicon_affine", [WEIGHT, BINARY, BIAS])
def binary_connect_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    quantize_zero_to: float = 1.0,
    w_init: Initializer = None,
    wb_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`affine` with the signs of the weight; see `nnabla.functions.binary_connect_affine`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Courbariaux, Bengio and David, "BinaryConnect", arXiv:1511.00363.
    """
    shape, default = affine_weight("binary_connect_affine", inp, n_outmaps, base_axis, None, rng)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    wb = _not_trained("Wb", shape, default if wb_init is None else wb_init)
    b = bias_or_none(with_bias, shape[1:], b_init, fix_parameters, None)
    return F.binary_connect_affine(inp, w, wb, b, base_axis, quantize_zero_to)


@parametric_function_api("bicon_conv", [WEIGHT, BINARY, BIAS])
def binary_connect_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    quantize_zero_to: float = 1.0,
    w_init: Initializer = None,
    wb_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`convolution` with the signs of the weight; see `nnabla.functions.binary_connect_convolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Courbariaux, Bengio and David, "BinaryConnect", arXiv:1511.00363.
    """
    shape, default = filters("binary_connect_convolution", inp, outmaps, kernel, base_axis, None, rng, group=group)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    wb = _not_trained("Wb", shape, default if wb_init is None else wb_init)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    return F.binary_connect_convolution(inp, w, wb, b, base_axis, pad, stride, dilation, group, quantize_zero_to)


@parametric_function_api("bwn_affine", [WEIGHT, BINARY, FACTORS, BIAS])
def binary_weight_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    quantize_zero_to: float = 1.0,
    w_init: Initializer = None,
    wb_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`affine` with signs, and a factor for each output; see `nnabla.functions.binary_weight_affine`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Rastegari et al., "XNOR-Net", arXiv:1603.05279.
    """
    shape, default = affine_weight("binary_weight_affine", inp, n_outmaps, base_axis, None, rng)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    wb = _not_trained("Wb", shape, default if wb_init is None else wb_init)
    alpha = _not_trained("alpha", shape[1:], None)
    b = bias_or_none(with_bias, shape[1:], b_init, fix_parameters, None)
    return F.binary_weight_affine(inp, w, wb, alpha, b, base_axis, quantize_zero_to)


@parametric_function_api("bwn_conv", [WEIGHT, BINARY, FACTORS, BIAS])
def binary_weight_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    quantize_zero_to: float = 1.0,
    w_init: Initializer = None,
    wb_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`convolution` with signs, and a factor for each filter; see `nnabla.functions.binary_weight_convolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Rastegari et al., "XNOR-Net", arXiv:1603.05279.
    """
    shape, default = filters("binary_weight_convolution", inp, outmaps, kernel, base_axis, None, rng, group=group)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    wb = _not_trained("Wb", shape, default if wb_init is None else wb_init)
    alpha = _not_trained("alpha", (outmaps,), None)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    return F.binary_weight_convolution(inp, w, wb, alpha, b, base_axis, pad, stride, dilation, group, quantize_zero_to)


@parametric_function_api("inq_affine", [WEIGHT, FIXED, BIAS])
def inq_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    num_bits: int = 4,
    inq_iterations: Sequence[int] = (),
    selection_algorithm: str = "random",
    seed: int = -1,
    w_init: Initializer = None,
    i_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`affine` whose weights become powers of two step by step; see `nnabla.functions.inq_affine`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Zhou et al., "Incremental Network Quantization", arXiv:1702.03044.
    """
    shape, default = affine_weight("inq_affine", inp, n_outmaps, base_axis, None, rng)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    fixed = _not_trained("I", shape, i_init)
    b = bias_or_none(with_bias, shape[1:], b_init, fix_parameters, None)
    return F.inq_affine(inp, w, fixed, b, base_axis, num_bits, inq_iterations, selection_algorithm, seed)


@parametric_function_api("inq_conv", [WEIGHT, FIXED, BIAS])
def inq_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    num_bits: int = 4,
    inq_iterations: Sequence[int] = (),
    selection_algorithm: str = "random",
    seed: int = -1,
    w_init: Initializer = None,
    i_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`convolution` whose weights become powers of two step by step; see `nnabla.functions.inq_convolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Zhou et al., "Incremental Network Quantization", arXiv:1702.03044.
    """
    shape, default = filters("inq_convolution", inp, outmaps, kernel, base_axis, None, rng, group=group)
    w = weight("W", shape, default if w_init is None else w_init, fix_parameters, None)
    fixed = _not_trained("I", shape, i_init)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    return F.inq_convolution(
        inp,
        w,
        fixed,
        b,
        base_axis,
        pad,
        stride,
        dilation,
        group,
        num_bits,
        inq_iterations,
        selection_algorithm,
        seed,
    )
