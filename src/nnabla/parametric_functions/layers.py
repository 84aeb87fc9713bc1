"""Layers with weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from .._nd_array import integers
from ..errors import ArgumentError
from ..graph.variable import Variable
from ..initializer import ConstantInitializer, UniformInitializer, calc_uniform_lim_glorot
from ..parameter import get_parameter_or_create
from .registration import parametric_function_api

Initializer = Callable[..., Any] | np.ndarray | None
Hook = Callable[[Any], Any] | None

ZEROS = ConstantInitializer(0)
ONES = ConstantInitializer(1)


def weight(
    name: str,
    shape: tuple[int, ...],
    init: Initializer,
    fix_parameters: bool,
    apply: Hook,
) -> Any:
    """The parameter `name`, passed through the user's hook."""
    param = get_parameter_or_create(name, shape, init, True, not fix_parameters)
    return param if apply is None else apply(param)


def bias_or_none(with_bias: bool, shape: tuple[int, ...], init: Initializer, fix_parameters: bool, apply: Hook) -> Any:
    """The parameter ``b``, zeros at first, or None."""
    if not with_bias:
        return None
    return weight("b", shape, ZEROS if init is None else init, fix_parameters, apply)


def glorot(
    init: Initializer,
    inmaps: int,
    outmaps: int,
    kernel: Sequence[int] = (1, 1),
    rng: np.random.RandomState | None = None,
) -> Any:
    """`init`, or Glorot's uniform distribution for a layer of that size if it is None."""
    if init is not None:
        return init
    # Made when it is drawn from: in dynamic graphs the parameter is there already but for the first time.
    return lambda shape: UniformInitializer(calc_uniform_lim_glorot(inmaps, outmaps, kernel), rng=rng)(shape)


def affine_weight(
    function: str,
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int,
    init: Initializer,
    rng: np.random.RandomState | None,
) -> tuple[tuple[int, ...], Any]:
    """Shape of an affine layer's weight, ``(D, L_1, ...)``, and its initializer, by default Glorot's."""
    try:
        outmaps = integers(n_outmaps)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{function}: n_outmaps must be an integer or several, not {n_outmaps!r}") from None
    if not outmaps or min(outmaps) < 1:
        raise ArgumentError(f"{function}: n_outmaps must be at least 1, not {n_outmaps}")
    features = inp.size_from_axis(base_axis if base_axis >= 0 else base_axis + inp.ndim)
    return (features, *outmaps), glorot(init, features, math.prod(outmaps), rng=rng)


@parametric_function_api("affine", [("W", "Weight", "``(D, L_1, ...)``", True), ("b", "Bias", "``(L_1, ...)``", True)])
def affine(
    inp: Any,
    n_outmaps: int | Sequence[int],
    base_axis: int = 1,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    apply_w: Hook = None,
    apply_b: Hook = None,
) -> Variable:
    """Fully connected layer; see `nnabla.functions.affine`.

    Args:
        inp: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.

    Returns:
        Shape ``(M_1, ..., M_B, L_1, ...)``.
    """
    shape, w_init = affine_weight("affine", inp, n_outmaps, base_axis, w_init, rng)
    w = weight("W", shape, w_init, fix_parameters, apply_w)
    b = bias_or_none(with_bias, shape[1:], b_init, fix_parameters, apply_b)
    return F.affine(inp, w, b, base_axis)


def channels_of(inp: Any, base_axis: int, function: str, channel_last: bool = False, group: int = 1) -> int:
    """Number of input channels, checked against `group`."""
    axis = inp.ndim - 1 if channel_last else base_axis
    if not -inp.ndim <= axis < inp.ndim:
        raise ArgumentError(f"{function}: base_axis must be in [{-inp.ndim}, {inp.ndim}), not {base_axis}")
    channels = inp.shape[axis]
    if group < 1 or channels % group:
        raise ArgumentError(f"{function}: group must divide the {channels} input channels, and is {group}")
    return channels


def filter_shape(
    outmaps: int, inmaps: int, kernel: Sequence[int], channel_last: bool = False, group: int = 1
) -> tuple[int, ...]:
    """Shape of the filters of a convolution."""
    per_group = inmaps // group
    return (outmaps, *kernel, per_group) if channel_last else (outmaps, per_group, *kernel)


def filters(
    function: str,
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    base_axis: int,
    init: Initializer,
    rng: np.random.RandomState | None,
    channel_last: bool = False,
    group: int = 1,
) -> tuple[tuple[int, ...], Any]:
    """Shape of a convolution's filters, and their initializer, by default Glorot's."""
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, function, channel_last, group)
    return filter_shape(outmaps, inmaps, kernel, channel_last, group), glorot(init, inmaps, outmaps, kernel, rng)


@parametric_function_api(
    "conv", [("W", "Filters", "``(outmaps, inmaps / group, *kernel)``", True), ("b", "Bias", "``(outmaps,)``", True)]
)
def convolution(
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
    apply_w: Hook = None,
    apply_b: Hook = None,
) -> Variable:
    """N-dimensional convolution; see `nnabla.functions.convolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``, or ``(batch..., *spatial, inmaps)`` with `channel_last`.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``, or with channels last.
    """
    shape, w_init = filters("convolution", inp, outmaps, kernel, base_axis, w_init, rng, channel_last, group)
    w = weight("W", shape, w_init, fix_parameters, apply_w)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, apply_b)
    return F.convolution(inp, w, b, base_axis, pad, stride, dilation, group, channel_last)


@parametric_function_api(
    "deconv", [("W", "Filters", "``(inmaps, outmaps / group, *kernel)``", True), ("b", "Bias", "``(outmaps,)``", True)]
)
def deconvolution(
    inp: Any,
    outmaps: int,
    kernel: Sequence[int],
    pad: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    group: int = 1,
    channel_last: bool = False,
    output_padding: Sequence[int] | None = None,
    w_init: Initializer = None,
    b_init: Initializer = None,
    base_axis: int = 1,
    fix_parameters: bool = False,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    apply_w: Hook = None,
    apply_b: Hook = None,
) -> Variable:
    """N-dimensional transposed convolution; see `nnabla.functions.deconvolution`.

    Args:
        inp: shape ``(batch..., inmaps, *spatial)``, or ``(batch..., *spatial, inmaps)`` with `channel_last`.
        pad: rows cut off at both ends of each spatial axis; default 0.
        stride: step of the filters along each spatial axis of the output; default 1.
        output_padding: rows added at the end of each spatial axis of the output; default 0.

    Returns:
        Shape ``(batch..., outmaps, *spatial)``, or with channels last.
    """
    kernel = tuple(kernel)
    inmaps = channels_of(inp, base_axis, "deconvolution", channel_last, group)
    if outmaps % group:
        raise ArgumentError(f"deconvolution: group must divide outmaps {outmaps}, and is {group}")
    w_init = glorot(w_init, outmaps, inmaps, kernel, rng)
    shape = filter_shape(inmaps, outmaps, kernel, channel_last, group)
    w = weight("W", shape, w_init, fix_parameters, apply_w)
    b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, apply_b)
    return F.deconvolution(inp, w, b, base_axis, pad, stride, dilation, group, channel_last, output_padding)


@parametric_function_api("embed", [("W", "Table", "``(n_inputs, n_features)``", True)])
def embed(
    inp: Any,
    n_inputs: int,
    n_features: int,
    initializer: Initializer = None,
    fix_parameters: bool = False,
    apply_w: Hook = None,
) -> Variable:
    """Rows of a table that is learned; see `nnabla.functions.embed`.

    Args:
        inp: indices in ``[0, n_inputs)``, any shape.
        n_inputs: number of rows.
        n_features: length of a row.
        initializer: initializer or array for the table; default uniform in ``[-sqrt(3), sqrt(3))``, variance 1.

    Returns:
        Shape of `inp` with `n_features` appended.
    """
    if initializer is None:
        initializer = UniformInitializer((-math.sqrt(3), math.sqrt(3)))
    w = weight("W", (n_inputs, n_features), initializer, fix_parameters, apply_w)
    return F.embed(inp, w)
