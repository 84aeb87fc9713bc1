"""Normalization by mean and variance, or by norms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter, Shape
from .reductions import norm_of
from .registry import Call, export


def statistics(g: GraphWriter, x: str, axes: Sequence[int]) -> tuple[str, str, str]:
    """Mean and variance along axes, which are kept, and `x` without the mean."""
    mean = g.reduce("ReduceMean", x, axes, True)
    rest = g("Sub", x, mean)
    return mean, g.reduce("ReduceMean", g("Mul", rest, rest), axes, True), rest


def standardized(g: GraphWriter, rest: str, variance: str, eps: float) -> str:
    """`rest` divided by the standard deviation."""
    return str(g("Div", rest, g("Sqrt", g.add(variance, eps))))


def scaled(g: GraphWriter, y: str, gamma: str | None, beta: str | None) -> str:
    """``y * gamma + beta``."""
    if gamma is not None:
        y = g("Mul", y, gamma)
    return y if beta is None else str(g("Add", y, beta))


@export("BatchNormalization", "SyncBatchNormalization")
def batch_normalization(
    g: GraphWriter,
    f: Call,
    x: str,
    beta: str | None = None,
    gamma: str | None = None,
    mean: str | None = None,
    variance: str | None = None,
) -> list[str] | str:
    shape = g.shape(x)
    axis = f.axes[0] % len(shape)
    if f.batch_stat:
        # The statistics of the batch; the running ones, which nothing reads here, stay as they are.
        found, spread, rest = statistics(g, x, [a for a in range(len(shape)) if a != axis])
        y = scaled(g, standardized(g, rest, spread, f.eps), gamma, beta)
        return [y, found, spread] if f.n_outputs == 3 else y
    if mean is None or variance is None:
        raise Unsupported("mean and variance are missing")
    channels = shape[axis]
    if axis != 1 or channels < 0:
        y = standardized(g, g("Sub", x, mean), variance, f.eps)
        return scaled(g, y, gamma, beta)
    scale = g.constant([1.0] * channels) if gamma is None else g.reshape(gamma, [channels])
    bias = g.constant([0.0] * channels) if beta is None else g.reshape(beta, [channels])
    statistic = [g.reshape(v, [channels]) for v in (mean, variance)]
    return str(g("BatchNormalization", x, scale, bias, *statistic, epsilon=f.eps))


@export("FusedBatchNormalization")
def fused_batch_normalization(
    g: GraphWriter, f: Call, x: str, beta: str, gamma: str, mean: str, variance: str, z: str | None = None
) -> list[str] | str:
    found = batch_normalization(g, f, x, beta, gamma, mean, variance)
    y, *others = [found] if isinstance(found, str) else found
    y = g("Relu", y if z is None else g("Add", y, z))
    return [y, *others] if others else y


def _normalized(
    g: GraphWriter, f: Call, x: str, axes: Sequence[int], gamma: str | None, beta: str | None
) -> list[str] | str:
    mean, variance, rest = statistics(g, x, axes)
    y = scaled(g, standardized(g, rest, variance, f.eps), gamma, beta)
    return [y, mean, variance] if f.n_outputs == 3 else y


def _others(rank: int, axes: Sequence[int]) -> list[int]:
    kept = {a % rank for a in axes}
    return [a for a in range(rank) if a not in kept]


@export("LayerNormalization")
def layer_normalization(
    g: GraphWriter, f: Call, x: str, beta: str | None = None, gamma: str | None = None
) -> list[str] | str:
    rank = g.rank(x)
    axes = _others(rank, f.batch_axis)
    trailing = bool(axes) and axes == list(range(axes[0], rank))
    if g.opset < 17 or not trailing or f.n_outputs != 1:
        return _normalized(g, f, x, axes, gamma, beta)
    inner = g.shape(x)[axes[0] :]
    if gamma is None or -1 in inner:
        y = g("LayerNormalization", x, g.constant(1.0), axis=axes[0], epsilon=f.eps)
        return scaled(g, y, gamma, beta)
    scale = g.reshape(gamma, inner)
    bias = None if beta is None else g.reshape(beta, inner)
    return str(g("LayerNormalization", x, scale, bias, axis=axes[0], epsilon=f.eps))


@export("InstanceNormalization")
def instance_normalization(
    g: GraphWriter, f: Call, x: str, beta: str | None = None, gamma: str | None = None
) -> list[str] | str:
    rank = g.rank(x)
    return _normalized(g, f, x, _others(rank, [*f.batch_axis, f.channel_axis]), gamma, beta)


@export("TensorNormalization")
def tensor_normalization(
    g: GraphWriter, f: Call, x: str, beta: str | None = None, gamma: str | None = None
) -> list[str] | str:
    return _normalized(g, f, x, _others(g.rank(x), f.axes), gamma, beta)


@export("GroupNormalization")
def group_normalization(
    g: GraphWriter, f: Call, x: str, beta: str | None = None, gamma: str | None = None
) -> list[str] | str:
    shape = g.shape(x)
    channel = f.channel_axis % len(shape)
    groups, members = f.num_groups, shape[channel] // f.num_groups
    split: Shape = (*shape[:channel], groups, members, *shape[channel + 1 :])
    batch = [a % len(shape) for a in f.batch_axis]
    kept = [a if a < channel else a + 1 for a in batch] + [channel]
    mean, variance, rest = statistics(g, g.reshape(x, split), _others(len(split), kept))
    y = g.reshape(standardized(g, rest, variance, f.eps), shape)
    y = scaled(g, y, gamma, beta)
    return [y, mean, variance] if f.n_outputs == 3 else y


@export("WeightStandardization")
def weight_standardization(g: GraphWriter, f: Call, w: str) -> list[str] | str:
    return _normalized(g, f, w, _others(g.rank(w), [f.channel_axis]), None, None)


@export("NormNormalization")
def norm_normalization(g: GraphWriter, f: Call, x: str) -> str:
    norm = norm_of(g, x, f.p, f._axes, True)
    inverse = g("Where", g("Greater", norm, g.constant(0.0)), g("Div", g.constant(1.0), norm), g.constant(0.0))
    return str(g("Mul", x, inverse))


@export("WeightNormalization")
def weight_normalization(g: GraphWriter, f: Call, w: str, scale: str) -> str:
    square = g.reduce("ReduceSumSquare", w, f._others, True)
    if not f._others:
        square = g("Mul", w, w)
    unit = g("Div", w, g("Sqrt", g.add(square, f.eps)))
    return str(g("Mul", unit, g.reshape(scale, f._wide)))


@export("SpectralNorm")
def spectral_norm(g: GraphWriter, f: Call, w: str, u: str) -> list[str] | str:
    shape = g.shape(w)
    n, size = shape[f.dim], math.prod(shape)
    order = [f.dim, *[a for a in range(len(shape)) if a != f.dim]]
    matrix = g.reshape(g.transpose(w, order), [n, size // n])
    turned = g.transpose(matrix, [1, 0])
    left = before = g.reshape(u, [n, 1])
    right = left
    for _ in range(f.itr):
        right = _unit(g, g("MatMul", turned, left), f.eps)
        left = _unit(g, g("MatMul", matrix, right), f.eps)
    sigma = g("MatMul", g.transpose(left, [1, 0]), g("MatMul", matrix, right))
    y = g("Div", w, g.reshape(sigma, [1] * len(shape)))
    return [y, g.reshape(before, [n])] if f.output_u else y


def _unit(g: GraphWriter, vector: str, eps: float) -> str:
    square = g.reduce("ReduceSumSquare", vector, [0], True)
    return str(g("Div", vector, g("Sqrt", g.add(square, eps))))


@export("VATNoise")
def vat_noise(g: GraphWriter, f: Call, x: str, w: str) -> str:
    square = g.reduce("ReduceSumSquare", x, f._axes, True)
    norm = g("Sqrt", g.add(square, 1e-8))
    return str(g("Mul", x, g("Div", g.constant(f.eps), norm)))


@export("MeanSubtraction")
def mean_subtraction(g: GraphWriter, f: Call, x: str, mean: str, t: str) -> str:
    if f.update_running_mean:
        raise Unsupported("the running mean, which it subtracts, changes in each run; use update_running_mean=False")
    return str(g("Sub", x, mean))
