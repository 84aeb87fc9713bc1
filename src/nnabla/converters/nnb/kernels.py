"""The kernels of the C runtime in NumPy, in double precision: ``kernel(arguments, shapes of outputs, *inputs)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import window_kernels as windows
from .model import Shape

Arguments = dict[str, Any]
Kernel = Callable[..., Any]

KERNELS: dict[str, Kernel] = {}
"""By type names; a kernel returns one array or a list of them."""


def kernel(*type_names: str) -> Callable[[Kernel], Kernel]:
    """Enter a kernel for functions of these types."""

    def enter(function: Kernel) -> Kernel:
        for name in type_names:
            KERNELS[name] = function
        return function

    return enter


def _on_each(compute: Callable[..., np.ndarray], *argument_names: str) -> Kernel:
    """A kernel for each element, or with broadcasting."""
    return lambda a, shapes, *x: compute(*x, *[a[name] for name in argument_names])


def _round(x: np.ndarray) -> np.ndarray:
    """Halves away from zero."""
    whole = np.trunc(x)
    return whole + np.sign(x) * (np.abs(x - whole) >= 0.5)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _sign(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(np.abs(x) > 0, np.sign(x), np.float64(alpha))


def _elu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


KERNELS.update(
    {
        "Sigmoid": _on_each(_sigmoid),
        "Swish": _on_each(lambda x: x * _sigmoid(x)),
        "Tanh": _on_each(np.tanh),
        "ReLU": _on_each(lambda x: np.maximum(x, 0)),
        "LeakyReLU": _on_each(lambda x, alpha: np.where(x > 0, x, alpha * x), "alpha"),
        "ELU": _on_each(_elu, "alpha"),
        "SELU": _on_each(lambda x, scale, alpha: scale * _elu(x, alpha), "scale", "alpha"),
        "Sign": _on_each(_sign, "alpha"),
        "Abs": _on_each(np.abs),
        "Exp": _on_each(np.exp),
        "Log": _on_each(np.log),
        "Identity": _on_each(np.copy),
        "Round": _on_each(_round),
        "Add2": _on_each(np.add),
        "Sub2": _on_each(np.subtract),
        "Mul2": _on_each(np.multiply),
        "Div2": _on_each(np.divide),
        "Pow2": _on_each(np.power),
        "Minimum2": _on_each(np.minimum),
        "Maximum2": _on_each(np.maximum),
        "AddScalar": _on_each(np.add, "val"),
        "MulScalar": _on_each(np.multiply, "val"),
        "PowScalar": _on_each(np.power, "val"),
        "RSubScalar": _on_each(lambda x, val: val - x, "val"),
        "RDivScalar": _on_each(lambda x, val: val / x, "val"),
        "RPowScalar": _on_each(lambda x, val: np.power(val, x), "val"),
        "MinimumScalar": _on_each(np.minimum, "val"),
        "MaximumScalar": _on_each(np.maximum, "val"),
        "BinarySigmoid": _on_each(lambda x: (x > 0).astype(np.float64)),
        "BinaryTanh": _on_each(lambda x: np.where(x > 0, 1.0, -1.0)),
    }
)


@kernel("Softmax")
def softmax(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(_axis(a["axis"], x.ndim), keepdims=True))
    return e / e.sum(a["axis"], keepdims=True)


@kernel("CReLU")
def crelu(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], _axis(a["axis"], x.ndim))


@kernel("CELU")
def celu(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return np.concatenate([_elu(x, a["alpha"]), _elu(-x, a["alpha"])], _axis(a["axis"], x.ndim))


@kernel("PReLU")
def prelu(a: Arguments, shapes: list[Shape], x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    axis = _axis(a["base_axis"], x.ndim)
    if slope.size > 1:
        slope = slope.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.where(x >= 0, x, slope.reshape(-1)[0] * x if slope.size == 1 else slope * x)


@kernel("BatchNormalization")
def batch_normalization(
    a: Arguments,
    shapes: list[Shape],
    x: np.ndarray,
    beta: np.ndarray,
    gamma: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> np.ndarray:
    (axis,) = a["axes"]
    axis = _axis(axis, x.ndim)
    others = tuple([i for i in range(x.ndim) if i != axis])
    beta, gamma, mean, variance = (
        p.reshape([-1 if i == axis else 1 for i in range(x.ndim)]) for p in (beta, gamma, mean, variance)
    )
    if a["batch_stat"]:
        mean, variance = x.mean(others, keepdims=True), x.var(others, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + a["eps"]) + beta


@kernel("MeanSubtraction")
def mean_subtraction(
    a: Arguments, shapes: list[Shape], x: np.ndarray, mean: np.ndarray, count: np.ndarray
) -> np.ndarray:
    return x - mean.reshape(x.shape[_axis(a["base_axis"], x.ndim) :])


@kernel("Sum")
def sum_(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return x.sum(tuple([_axis(axis, x.ndim) for axis in a["axes"]]))


@kernel("BatchMatmul")
def batch_matmul(a: Arguments, shapes: list[Shape], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if a["transpose_a"] or a["transpose_b"] or x.shape[:-2] != y.shape[:-2]:
        raise ValueError("the runtime neither transposes matrices nor repeats them")
    return x @ y


@kernel("Concatenate")
def concatenate(a: Arguments, shapes: list[Shape], *x: np.ndarray) -> np.ndarray:
    return np.concatenate(x, _axis(a["axis"], x[0].ndim))


@kernel("Split")
def split(a: Arguments, shapes: list[Shape], x: np.ndarray) -> list[np.ndarray]:
    return list(np.moveaxis(x, _axis(a["axis"], x.ndim), 0))


@kernel("Stack")
def stack(a: Arguments, shapes: list[Shape], *x: np.ndarray) -> np.ndarray:
    return np.stack(x, _axis(a["axis"], x[0].ndim + 1))


@kernel("Slice")
def slice_(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    if not len(a["start"]) == len(a["stop"]) == len(a["step"]) == x.ndim:
        raise ValueError("there must be a start, stop and step for each axis")
    if any(
        low < 0 or high > d or s < 1 for low, high, s, d in zip(a["start"], a["stop"], a["step"], x.shape, strict=True)
    ):
        raise ValueError("start and stop must lie within the array, and steps be positive")
    return x[tuple([slice(*cut) for cut in zip(a["start"], a["stop"], a["step"], strict=True)])]


@kernel("Pad")
def pad(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    widths = a["pad_width"]
    if len(widths) != 2 * x.ndim or min(widths, default=0) < 0 or a["mode"] == "repeat":
        raise ValueError("there must be two widths for each axis, and the mode constant or reflect")
    if math.prod([d + p + q for d, p, q in zip(x.shape, widths[::2], widths[1::2], strict=True)]) != math.prod(
        shapes[0]
    ):
        raise ValueError("the output has another size")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    if not pairs:
        return x
    if a["mode"] == "constant":
        return np.pad(x, pairs, constant_values=a["constant_value"])
    return np.pad(x, pairs, mode="reflect")


@kernel("Transpose")
def transpose(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return x.transpose([_axis(axis, x.ndim) for axis in a["axes"]])


@kernel("Flip")
def flip(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return np.flip(x, tuple([_axis(axis, x.ndim) for axis in a["axes"]]))


@kernel("Shift")
def shift(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    for axis, by in zip(range(x.ndim), a["shifts"], strict=True):
        x = x.take(shifted(x.shape[axis], by, a["border_mode"]), axis)
    return x


def shifted(length: int, by: int, border_mode: str) -> np.ndarray:
    """Where the elements of an axis come from."""
    source = np.arange(length) - by
    if border_mode == "nearest":
        return np.clip(source, 0, length - 1)
    around = np.mod(source, 2 * length)
    return np.where(around < length, around, 2 * length - 1 - around)


@kernel("Reshape")
def reshape(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return x.reshape(a["shape"])


@kernel("MatrixDiag")
def matrix_diag(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return x[..., None] * np.eye(x.shape[-1])


@kernel("MatrixDiagPart")
def matrix_diag_part(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return np.diagonal(x, 0, -2, -1)


@kernel("Dropout")
def dropout(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    return x * (1 - a["p"])


# ---- layers ------------------------------------------------------------------------------------------------


@kernel("Affine")
def affine(
    a: Arguments, shapes: list[Shape], x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    axis = _axis(a["base_axis"], x.ndim)
    rows = weight.reshape(-1, math.prod(x.shape[axis:]))
    y = x.reshape(-1, rows.shape[1]) @ rows.T
    return y if bias is None else y + bias.ravel()


@kernel("BinaryConnectAffine")
def binary_connect_affine(a: Arguments, shapes: list[Shape], x: np.ndarray, *w: np.ndarray) -> np.ndarray:
    return affine(a, shapes, x, *w[1:])


@kernel("BinaryWeightAffine")
def binary_weight_affine(
    a: Arguments,
    shapes: list[Shape],
    x: np.ndarray,
    weight: np.ndarray,
    signs: np.ndarray,
    alpha: np.ndarray,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    y = affine(a, shapes, x, signs) * alpha.ravel()
    return y if bias is None else y + bias.ravel()


@kernel("Convolution")
def convolution(a: Arguments, shapes: list[Shape], x: np.ndarray, *w: np.ndarray) -> np.ndarray:
    return windows.convolution(a, _axis(a["base_axis"], x.ndim), x, *w)


@kernel("DepthwiseConvolution")
def depthwise_convolution(
    a: Arguments, shapes: list[Shape], x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    axis = _axis(a["base_axis"], x.ndim)
    grouped = a | {"group": x.shape[axis]}
    return windows.convolution(grouped, axis, x, weight.reshape(weight.shape[0], 1, *weight.shape[1:]), bias)


@kernel("BinaryConnectConvolution")
def binary_connect_convolution(
    a: Arguments, shapes: list[Shape], x: np.ndarray, weight: np.ndarray, *w: np.ndarray
) -> np.ndarray:
    return convolution(a, shapes, x, *w)


@kernel("BinaryWeightConvolution")
def binary_weight_convolution(
    a: Arguments,
    shapes: list[Shape],
    x: np.ndarray,
    weight: np.ndarray,
    signs: np.ndarray,
    alpha: np.ndarray,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    scaled = signs * alpha.reshape(-1, *[1] * (signs.ndim - 1))
    return convolution(a, shapes, x, scaled, *([] if bias is None else [bias]))


@kernel("Deconvolution")
def deconvolution(a: Arguments, shapes: list[Shape], x: np.ndarray, *w: np.ndarray) -> np.ndarray:
    return windows.deconvolution(a, _axis(a["base_axis"], x.ndim), shapes[0], x, *w)


for _type, _reduce in (("MaxPooling", "max"), ("AveragePooling", "average"), ("SumPooling", "sum")):
    KERNELS[_type] = lambda a, shapes, x, reduce=_reduce: windows.pooling(a, reduce, shapes[0], x)


@kernel("Unpooling")
def unpooling(a: Arguments, shapes: list[Shape], x: np.ndarray) -> np.ndarray:
    if x.size * math.prod(a["kernel"]) != math.prod(shapes[0]):
        raise ValueError("the output has another size")
    for axis, k in enumerate(a["kernel"], x.ndim - len(a["kernel"])):
        x = x.repeat(k, axis)
    return x


def _axis(axis: int, rank: int) -> int:
    if not 0 <= axis <= rank:
        raise ValueError(f"there is no axis {axis}")
    return axis
