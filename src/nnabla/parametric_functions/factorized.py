"""Layers whose weights are products of smaller ones, found by decomposing a full weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..errors import ArgumentError, ShapeError
from ..graph.variable import Variable
from ..parameter import get_parameter
from .canonical_decomposition import fitted
from .layers import Initializer, affine_weight, bias_or_none, filters, weight
from .registration import parametric_function_api


def _full_weight(init: Any, shape: tuple[int, ...], function: str, argument: str) -> np.ndarray:
    """The weight to decompose, drawn if `init` is an initializer."""
    values = np.asarray(init(shape=shape) if callable(init) else init, np.float32)
    if values.shape != shape:
        raise ShapeError(f"{function}: {argument} must have shape {shape}, not {values.shape}")
    return values


def _check_rank(r: int, largest: int, function: str) -> None:
    if not 1 <= r <= largest:
        raise ArgumentError(f"{function}: r must be in [1, {largest}], not {r}")


def _truncated(matrix: np.ndarray, r: int) -> tuple[np.ndarray, np.ndarray]:
    """Two factors of rank `r` with the best product; the first one holds the singular values."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return left[:, :r] * values[:r], right[:r]


def _factors(
    shapes: dict[str, tuple[int, ...]], decompose: Callable[[], tuple[np.ndarray, ...]], fix_parameters: bool
) -> list[Any]:
    """Parameters by name; they are computed unless all of them exist."""
    if all([get_parameter(name) is not None for name in shapes]):
        inits: Sequence[Any] = (None,) * len(shapes)
    else:
        inits = decompose()
    return [
        weight(name, shape, None if init is None else init.reshape(shape), fix_parameters, None)
        for (name, shape), init in zip(shapes.items(), inits, strict=True)
    ]


@parametric_function_api(
    "svd_affine",
    [
        ("U", "First factor", "``(D, r)``", True),
        ("V", "Second factor", "``(r, L_1, ...)``", True),
        ("b", "Bias", "``(L_1, ...)``", True),
    ],
)
def svd_affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    r: int,
    base_axis: int = 1,
    uv_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`affine` with a weight of low rank, ``U V``: two affine layers in a row.

    The factors come from the singular value decomposition of a full weight, unless they exist.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``; ``D`` is the product of the ``D_i``.
        r: the rank, at most the smaller side of the weight.
        uv_init: initializer or array for the full weight, shape ``(D, L_1, ...)``; default Glorot's uniform
            distribution.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.

    Raises:
        ArgumentError: `r` is out of range.
        ShapeError: `uv_init` is an array of another shape.
    """
    shape, init = affine_weight("svd_affine", inp, n_outmaps, base_axis, uv_init, rng)
    features, *outmaps = shape
    count = math.prod(outmaps)
    _check_rank(r, min(features, count), "svd_affine")

    def decompose() -> tuple[np.ndarray, ...]:
        full = _full_weight(init, shape, "svd_affine", "uv_init")
        return _truncated(full.reshape(features, count), r)

    u, v = _factors({"U": (features, r), "V": (r, *outmaps)}, decompose, fix_parameters)
    b = bias_or_none(with_bias, shape[1:], b_init, fix_parameters, None)
    axis = base_axis if base_axis >= 0 else base_axis + inp.ndim
    return F.affine(F.affine(inp, u, None, axis), v, b, axis)


@parametric_function_api(
    "svd_conv",
    [
        ("U", "Filters of each channel", "``(inmaps * r, *kernel)``", True),
        ("V", "Weights of the channels", "``(outmaps, inmaps * r, 1, ...)``", True),
        ("b", "Bias", "``(outmaps,)``", True),
    ],
)
def svd_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    r: int,
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    uv_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
) -> Variable:
    """`convolution` with a weight of low rank for each channel: a depthwise and a pointwise convolution.

    The filters of each input channel, as a matrix, are decomposed into singular values, unless the factors exist.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        kernel: size of the filters along each spatial axis, one or two.
        r: the rank, at most the smaller of `outmaps` and the number of elements of a kernel.
        uv_init: initializer or array for the full weight, shape ``(outmaps, inmaps, *kernel)``; default Glorot's
            uniform distribution.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Raises:
        ArgumentError: `r` is out of range.
        ShapeError: `uv_init` is an array of another shape.
    """
    kernel = tuple(kernel)
    shape, init = filters("svd_convolution", inp, outmaps, kernel, base_axis, uv_init, rng)
    inmaps = shape[1]
    _check_rank(r, min(outmaps, math.prod(kernel)), "svd_convolution")

    def decompose() -> tuple[np.ndarray, ...]:
        full = _full_weight(init, shape, "svd_convolution", "uv_init")
        pairs = [_truncated(full[:, i].reshape(outmaps, -1).T, r) for i in range(inmaps)]
        return np.concatenate([u.T for u, _ in pairs]), np.concatenate([v.T for _, v in pairs], axis=1)

    shapes = {"U": (inmaps * r, *kernel), "V": (outmaps, inmaps * r, *[1] * len(kernel))}
    u, v = _factors(shapes, decompose, fix_parameters)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    y = F.depthwise_convolution(inp, u, None, base_axis, pad, stride, dilation, r)
    return F.convolution(y, v, b, base_axis)


def _canonical(
    tensor: np.ndarray, r: int, max_iter: int, stopping_criterion: float, lambda_reg: float
) -> list[np.ndarray]:
    """Three factors, one column for each of `r` terms, by alternating least squares; see `fitted`."""
    tensor = tensor.astype(np.float64)
    unfolded = [np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1) for axis in range(3)]
    # The leading singular vectors, which need no random numbers; a further term starts at a cosine wave.
    factors = []
    for matrix in unfolded:
        left = np.linalg.svd(matrix, full_matrices=False)[0][:, :r]
        grid = np.arange(left.shape[0])[:, None] + 0.5
        waves = np.cos(np.pi * grid * np.arange(1, r - left.shape[1] + 1) / left.shape[0]) + 0.5
        factors.append(np.concatenate([left, waves], axis=1))
    factors = fitted(tensor, factors, max_iter, stopping_criterion, lambda_reg)
    # Terms keep their product; their factors get the same size.
    sizes = [np.maximum(np.linalg.norm(factor, axis=0), 1e-30) for factor in factors]
    common = np.cbrt(sizes[0] * sizes[1] * sizes[2])
    return [factor * (common / size) for factor, size in zip(factors, sizes, strict=True)]


@parametric_function_api(
    "cpd3_conv",
    [
        ("I", "Weights of the input channels", "``(r, inmaps, 1, ...)``", True),
        ("O", "Weights of the output channels", "``(outmaps, r, 1, ...)``", True),
        ("K", "Kernels", "``(r, *kernel)``", True),
        ("b", "Bias", "``(outmaps,)``", True),
    ],
)
def cpd3_convolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    r: int,
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    oik_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    max_iter: int = 500,
    stopping_criterion: float = 1e-5,
    lambda_reg: float = 0.0,
) -> Variable:
    """`convolution` with a weight of `r` terms: a pointwise, a depthwise and a pointwise convolution.

    A full weight, as a tensor of outputs, inputs and kernel elements, is decomposed by alternating least squares,
    unless the factors exist.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``.
        kernel: size of the filters along each spatial axis, one or two.
        r: number of terms.
        oik_init: initializer or array for the full weight, shape ``(outmaps, inmaps, *kernel)``; default Glorot's
            uniform distribution.
        max_iter: most iterations of the decomposition.
        stopping_criterion: change of the relative error below which it ends; negative for never.
        lambda_reg: factor of the squares of the factors' elements, added to the error.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``.

    Raises:
        ArgumentError: `r` or `max_iter` is less than 1.
        ShapeError: `oik_init` is an array of another shape.

    Source: Lebedev et al., "Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition",
        arXiv:1412.6553.
    """
    kernel = tuple(kernel)
    shape, init = filters("cpd3_convolution", inp, outmaps, kernel, base_axis, oik_init, rng)
    inmaps = shape[1]
    if r < 1 or max_iter < 1:
        raise ArgumentError(f"cpd3_convolution: r and max_iter must be at least 1, not {r} and {max_iter}")

    def decompose() -> tuple[np.ndarray, ...]:
        full = _full_weight(init, shape, "cpd3_convolution", "oik_init")
        tensor = full.reshape(outmaps, inmaps, -1)
        o, i, k = _canonical(tensor, r, max_iter, stopping_criterion, lambda_reg)
        return i.T, o, k.T

    ones = [1] * len(kernel)
    shapes = {"I": (r, inmaps, *ones), "O": (outmaps, r, *ones), "K": (r, *kernel)}
    i, o, k = _factors(shapes, decompose, fix_parameters)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
    y = F.convolution(inp, i, None, base_axis)
    y = F.depthwise_convolution(y, k, None, base_axis, pad, stride, dilation)
    return F.convolution(y, o, b, base_axis)
