"""Weights of convolutions and affine layers times a factor for each channel, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...graph.function import Function
from ...graph.variable import Variable
from .rebuilding import inputs_by_name

# What computes sums of weights times inputs, plus a bias.
FOLDABLE = frozenset({"Convolution", "Deconvolution", "Affine", "DepthwiseConvolution", "DepthwiseDeconvolution"})


class AffineForm(NamedTuple):
    """A batch normalization by its running statistics, ``y = scale * x + shift``, a number for each channel."""

    scale: np.ndarray
    shift: np.ndarray


def affine_form(normalization: Function, inputs: Sequence[Variable]) -> AffineForm:
    """What a batch normalization computes with its running statistics, in float64.

    Args:
        normalization: of type BatchNormalization.
        inputs: what it reads.
    """
    given = inputs_by_name(normalization, inputs)

    def values(name: str, default: float) -> np.ndarray:
        v = given[name]
        mean = given["mean"]
        assert mean is not None
        return np.full(mean.size, default) if v is None else np.array(v.d, np.float64).reshape(-1)

    scale = values("gamma", 1.0) / np.sqrt(values("variance", 1.0) + normalization.info.args["eps"])
    return AffineForm(scale, values("beta", 0.0) - scale * values("mean", 0.0))


def output_axis(f: Function) -> int | None:
    """The axis of the result that has the output maps of a convolution, or the last one of an Affine with one."""
    args, ndim = f.info.args, f.outputs[0].ndim
    if args.get("channel_last"):
        return ndim - 1
    axis = int(args["base_axis"]) % f.inputs[0].ndim
    return axis if axis < ndim else None


def input_axis(f: Function) -> int:
    """The axis of the first input that has the channels."""
    ndim = f.inputs[0].ndim
    return ndim - 1 if f.info.args.get("channel_last") else int(f.info.args["base_axis"]) % ndim


def times_output_factor(f: Function, weight: np.ndarray, factor: np.ndarray) -> np.ndarray | None:
    """The weight with which each output map is multiplied by its factor; ``None`` where there is none."""
    kind, args = f.info.type_name, f.info.args
    if kind == "Affine":
        # Of several axes behind the batch, only the first is that of the factors.
        if weight.shape[1] != factor.size:
            return None
        return weight * factor.reshape(1, -1, *[1] * (weight.ndim - 2))
    if kind in ("Convolution", "DepthwiseConvolution"):
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    if kind == "DepthwiseDeconvolution":
        return weight * np.repeat(factor, args["divisor"]).reshape(-1, *[1] * (weight.ndim - 1))
    # Deconvolution: the maps of each group lie on axis 1, or on the last one.
    group, n = args["group"], weight.ndim - 2
    grouped = (
        factor.reshape(group, 1, *([1] * n), -1) if args["channel_last"] else factor.reshape(group, 1, -1, *[1] * n)
    )
    return (weight.reshape(group, -1, *weight.shape[1:]) * grouped).reshape(weight.shape)


def times_input_factor(f: Function, weight: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The weight that does to inputs what `weight` does to inputs times a factor for each channel."""
    kind, args = f.info.type_name, f.info.args
    if kind == "Affine":
        shape = f.inputs[0].shape[input_axis(f) :]
        each = np.broadcast_to(factor.reshape(-1, *[1] * (len(shape) - 1)), shape).reshape(-1)
        return weight * each.reshape(-1, *[1] * (weight.ndim - 1))
    if kind == "DepthwiseConvolution":
        return weight * np.repeat(factor, args["multiplier"]).reshape(-1, *[1] * (weight.ndim - 1))
    if kind in ("Deconvolution", "DepthwiseDeconvolution"):
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    group, n = args["group"], weight.ndim - 2
    grouped = (
        factor.reshape(group, 1, *([1] * n), -1) if args["channel_last"] else factor.reshape(group, 1, -1, *[1] * n)
    )
    return (weight.reshape(group, -1, *weight.shape[1:]) * grouped).reshape(weight.shape)


def bias_of_input_shift(f: Function, weight: np.ndarray, shift: np.ndarray) -> np.ndarray | None:
    """What a shift of each input channel adds to each output map; ``None`` where that differs from place to place."""
    if not shift.any():
        return np.zeros(f.outputs[0].shape[output_axis(f) or 0])
    kind, args = f.info.type_name, f.info.args
    shifted = times_input_factor(f, weight, shift)
    if kind == "Affine":
        return shifted.sum(axis=0)
    # Zeros of the pad are not shifted; sums of a deconvolution have fewer terms at the borders.
    if kind in ("Deconvolution", "DepthwiseDeconvolution") or any(args["pad"]):
        return None
    return shifted.reshape(weight.shape[0], -1).sum(axis=1)


def as_array(v: Variable) -> np.ndarray:
    """The values in float64."""
    return np.array(v.d, np.float64)


def weight_and_bias(f: Function, inputs: Sequence[Variable]) -> tuple[Variable, Variable, Variable | None]:
    """First input, weight and bias of a convolution or an affine layer."""
    given: Any = inputs_by_name(f, inputs)
    return given["x"], given["weight"], given["bias"]
