"""Layers whose weights are signs or powers of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from ..parameter import get_parameter_or_create
from .layers import Initializer, affine_sizes, bias_or_none, channels_of, filter_shape, glorot, weight
from .registration import parametric_function_api

WEIGHT = ("W", "Weight before quantization", "as in the plain layer", True)
BINARY = ("Wb", "Weight in use, written by forward", "as W", False)
FACTORS = ("alpha", "Factor of each output, written by forward", "that of one output", False)
FIXED = ("I", "1 where the weight is fixed, else 0", "as W", False)
BIAS = ("b", "Bias", "as in the plain layer", True)


def _not_trained(name: str, shape: tuple[int, ...], init: Initializer) -> Any:
    """A parameter that forward writes, zeros at first without `init`."""
    return get_parameter_or_create(name, shape, ConstantInitializer(0) if init is None else init, False, False)


def _affine_weights(
    function: str,
    second: str,
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int,
    inits: tuple[Initializer, Initializer],
    fix_parameters: bool,
    rng: np.random.RandomState | None,
) -> tuple[tuple[int, ...], Any, Any]:
    """Shape of one output, the weight, and the parameter `second` of the same shape."""
    features, outmaps = affine_sizes(inp, n_outmaps, base_axis, function)
    return outmaps, *_pair(
        second, (features, *outmaps), features, math.prod(outmaps), (1, 1), inits, fix_parameters, rng
    )


def _convolution_weights(
    function: str,
    second: str,
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    group: int,
    base_axis: int,
    inits: tuple[Initializer, Initializer],
    fix_parameters: bool,
    rng: np.random.RandomState | None,
) -> tuple[Any, Any]:
    """The weight, and the parameter `second` of the same shape."""
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, function, group=group)
    shape = filter_shape(outmaps, inmaps, kernel, group=group)
    return _pair(second, shape, inmaps, outmaps, kernel, inits, fix_parameters, rng)


def _pair(
    second: str,
    shape: tuple[int, ...],
    inmaps: int,
    outmaps: int,
    kernel: Sequence[int],
    inits: tuple[Initializer, Initializer],
    fix_parameters: bool,
    rng: np.random.RandomState | None,
) -> tuple[Any, Any]:
    w = weight("W", shape, glorot(inits[0], inmaps, outmaps, kernel, rng), fix_parameters, None)
    # Binary weights are random as well until the first forward pass.
    init = glorot(inits[1], inmaps, outmaps, kernel, rng) if second == BINARY[0] else inits[1]
    return w, _not_trained(second, shape, init)


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
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        quantize_zero_to: what 0 becomes.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        wb_init: initializer or array for the binary weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Courbariaux, Bengio and David, "BinaryConnect", arXiv:1511.00363.
    """
    inits = (w_init, wb_init)
    outmaps, w, wb = _affine_weights(
        "binary_connect_affine", "Wb", inp, n_outmaps, base_axis, inits, fix_parameters, rng
    )
    b = bias_or_none(with_bias, outmaps, b_init, fix_parameters, None)
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
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        quantize_zero_to: what 0 becomes.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        wb_init: initializer or array for the binary weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Courbariaux, Bengio and David, "BinaryConnect", arXiv:1511.00363.
    """
    inits = (w_init, wb_init)
    w, wb = _convolution_weights(
        "binary_connect_convolution", "Wb", inp, outmaps, kernel, group, base_axis, inits, fix_parameters, rng
    )
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
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        quantize_zero_to: what 0 becomes.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        wb_init: initializer or array for the binary weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Rastegari et al., "XNOR-Net", arXiv:1603.05279.
    """
    inits = (w_init, wb_init)
    outmaps, w, wb = _affine_weights(
        "binary_weight_affine", "Wb", inp, n_outmaps, base_axis, inits, fix_parameters, rng
    )
    alpha = _not_trained("alpha", outmaps, None)
    b = bias_or_none(with_bias, outmaps, b_init, fix_parameters, None)
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
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        quantize_zero_to: what 0 becomes.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        wb_init: initializer or array for the binary weight; default Glorot's uniform distribution.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Rastegari et al., "XNOR-Net", arXiv:1603.05279.
    """
    inits = (w_init, wb_init)
    w, wb = _convolution_weights(
        "binary_weight_convolution", "Wb", inp, outmaps, kernel, group, base_axis, inits, fix_parameters, rng
    )
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
        n_outmaps: number of output features, or the shape of one output.
        base_axis: number of leading axes kept as batch.
        num_bits: bits of a weight, at least 2.
        inq_iterations: after how many forward passes half of the free weights is fixed; the last time all are.
        selection_algorithm: which are fixed: ``"largest_abs"`` or ``"random"``.
        seed: of the random selection; -1 for nnabla's.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        i_init: initializer or array for the indicators, 1 for fixed; default zeros.
        b_init: initializer or array for the bias; default zeros.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Source: Zhou et al., "Incremental Network Quantization", arXiv:1702.03044.
    """
    inits = (w_init, i_init)
    outmaps, w, fixed = _affine_weights("inq_affine", "I", inp, n_outmaps, base_axis, inits, fix_parameters, rng)
    b = bias_or_none(with_bias, outmaps, b_init, fix_parameters, None)
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
        outmaps: number of filters.
        kernel: size of the filters along each spatial axis.
        pad: zeros added at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis; default 1.
        dilation: distance of neighbouring filter elements; default 1.
        group: number of groups that channels are split into.
        num_bits: bits of a weight, at least 2.
        inq_iterations: after how many forward passes half of the free weights is fixed; the last time all are.
        selection_algorithm: which are fixed: ``"largest_abs"`` or ``"random"``.
        seed: of the random selection; -1 for nnabla's.
        w_init: initializer or array for the weight; default Glorot's uniform distribution.
        i_init: initializer or array for the indicators, 1 for fixed; default zeros.
        b_init: initializer or array for the bias; default zeros.
        base_axis: number of leading batch axes.
        fix_parameters: do not train the parameters.
        rng: random generator of the default initializer; default nnabla's.
        with_bias: whether to add a bias.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Source: Zhou et al., "Incremental Network Quantization", arXiv:1702.03044.
    """
    inits = (w_init, i_init)
    w, fixed = _convolution_weights(
        "inq_convolution", "I", inp, outmaps, kernel, group, base_axis, inits, fix_parameters, rng
    )
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
