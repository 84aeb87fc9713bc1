"""Normalization with learned scale and shift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..operators.axes import normalized_all
from ..parameter import get_parameter_or_create
from .layers import ONES, ZEROS, Initializer
from .registration import parametric_function_api


def statistics_shape(inp: Any, axes: Sequence[int], function: str) -> tuple[int, ...]:
    """Shape of the input with all axes but `axes` reduced to 1."""
    kept = normalized_all(tuple(axes), inp.ndim, function)
    return tuple([d if i in kept else 1 for i, d in enumerate(inp.shape)])


def initialized(
    name: str,
    shape: tuple[int, ...],
    default: Initializer,
    param_init: Mapping[str, Callable[..., Any] | np.ndarray] | None,
    need_grad: bool,
    as_need_grad: bool,
) -> Any:
    """The parameter `name`: from `param_init`, or `default`."""
    init = param_init[name] if param_init and name in param_init else default
    return get_parameter_or_create(name, shape, init, need_grad, as_need_grad)


Axes = int | Sequence[int]
Inits = Mapping[str, Any] | None

SHIFT_AND_SCALE = [
    ("beta", "Shift", "that of the input with axes reduced to 1", True),
    ("gamma", "Scale", "as beta", True),
]
STATISTICS = [
    ("mean", "Running mean", "as beta", False),
    ("var", "Running variance", "as beta", False),
]


def shift_and_scale(
    shape: tuple[int, ...], param_init: Inits, fix_parameters: bool, no_scale: bool, no_bias: bool
) -> tuple[Any, Any]:
    """The parameters ``beta`` and ``gamma``, each None if it is left out."""
    train = not fix_parameters
    beta = None if no_bias else initialized("beta", shape, ZEROS, param_init, True, train)
    gamma = None if no_scale else initialized("gamma", shape, ONES, param_init, True, train)
    return beta, gamma


def running_statistics(shape: tuple[int, ...], param_init: Inits) -> tuple[Any, Any]:
    """The parameters ``mean`` and ``var``."""
    mean = initialized("mean", shape, ZEROS, param_init, False, False)
    return mean, initialized("var", shape, ONES, param_init, False, False)


@parametric_function_api("bn", [*SHIFT_AND_SCALE, *STATISTICS])
def batch_normalization(
    inp: Any,
    axes: Sequence[int] = [1],
    decay_rate: float = 0.9,
    eps: float = 1e-5,
    batch_stat: bool = True,
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Mapping[str, Any] | None = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Batch normalization; see `nnabla.functions.batch_normalization`.

    Args:
        inp: any shape.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.
    """
    shape = statistics_shape(inp, axes, "batch_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    mean, var = running_statistics(shape, param_init)
    return F.batch_normalization(
        inp, beta, gamma, mean, var, axes=axes, decay_rate=decay_rate, eps=eps, batch_stat=batch_stat,
        output_stat=output_stat,
    )  # fmt: skip


@parametric_function_api("bn", [*SHIFT_AND_SCALE, *STATISTICS])
def fused_batch_normalization(
    inp: Any,
    z: Any = None,
    axes: Sequence[int] = [1],
    decay_rate: float = 0.9,
    eps: float = 1e-5,
    batch_stat: bool = True,
    nonlinearity: str = "relu",
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Inits = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Batch normalization, addition and ReLU in one; see `nnabla.functions.fused_batch_normalization`.

    Args:
        inp: any shape.
        z: added to the normalized input, shape of `inp`; None for nothing.
        nonlinearity: ``"relu"``.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.
    """
    shape = statistics_shape(inp, axes, "fused_batch_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    mean, var = running_statistics(shape, param_init)
    return F.fused_batch_normalization(
        inp, beta, gamma, mean, var, z, axes, decay_rate, eps, batch_stat, nonlinearity, output_stat
    )


@parametric_function_api("bn", [*SHIFT_AND_SCALE, *STATISTICS])
def sync_batch_normalization(
    inp: Any,
    comm: Any,
    group: str = "world",
    axes: Sequence[int] = [1],
    decay_rate: float = 0.9,
    eps: float = 1e-5,
    batch_stat: bool = True,
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Inits = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Batch normalization over all processes of a group; see `nnabla.functions.sync_batch_normalization`.

    Args:
        inp: any shape.
        comm: the communicator of the processes.
        group: name of the group of processes.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.
    """
    shape = statistics_shape(inp, axes, "sync_batch_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    mean, var = running_statistics(shape, param_init)
    return F.sync_batch_normalization(
        inp, beta, gamma, mean, var, comm, group, axes, decay_rate, eps, batch_stat, output_stat
    )


@parametric_function_api("layer_normalization", SHIFT_AND_SCALE)
def layer_normalization(
    inp: Any,
    batch_axis: Axes = 0,
    eps: float = 1e-5,
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Inits = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Normalization over all axes but those of the batch; see `nnabla.functions.layer_normalization`.

    Args:
        inp: any shape.
        batch_axis: axes with statistics of their own; beta and gamma have size 1 there, all others in full.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.

    Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    batch = normalized_all(_as_tuple(batch_axis), inp.ndim, "layer_normalization")
    shape = statistics_shape(inp, [i for i in range(inp.ndim) if i not in batch], "layer_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    return F.layer_normalization(inp, beta, gamma, batch_axis, eps, output_stat)


@parametric_function_api("instance_normalization", SHIFT_AND_SCALE)
def instance_normalization(
    inp: Any,
    channel_axis: int = 1,
    batch_axis: Axes = 0,
    eps: float = 1e-5,
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Inits = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Normalization of each channel of each sample; see `nnabla.functions.instance_normalization`.

    Args:
        inp: any shape.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", arXiv:1607.08022.
    """
    shape = statistics_shape(inp, [channel_axis], "instance_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    return F.instance_normalization(inp, beta, gamma, channel_axis, batch_axis, eps, output_stat)


@parametric_function_api("group_normalization", SHIFT_AND_SCALE)
def group_normalization(
    inp: Any,
    num_groups: int,
    channel_axis: int = 1,
    batch_axis: Axes = 0,
    eps: float = 1e-5,
    output_stat: bool = False,
    fix_parameters: bool = False,
    param_init: Inits = None,
    no_scale: bool = False,
    no_bias: bool = False,
) -> Any:
    """Normalization of groups of channels of each sample; see `nnabla.functions.group_normalization`.

    Args:
        inp: any shape.
        num_groups: number of groups that the channels are split into.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.

    Source: Wu and He, "Group Normalization", arXiv:1803.08494.
    """
    shape = statistics_shape(inp, [channel_axis], "group_normalization")
    beta, gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale, no_bias)
    return F.group_normalization(inp, beta, gamma, num_groups, channel_axis, batch_axis, eps, output_stat)


@parametric_function_api(
    "mean_subtraction",
    [
        ("mean", "Running mean", "``inp.shape[base_axis:]``", False),
        ("t", "Number of batches seen", "``(1,)``", False),
    ],
)
def mean_subtraction(
    inp: Any, base_axis: int = 1, update_running_mean: bool = True, fix_parameters: bool = False
) -> Any:
    """Subtraction of the mean over the batch; see `nnabla.functions.mean_subtraction`.

    Args:
        inp: any shape.
        base_axis: number of leading axes that the mean is taken over; a negative one counts from the last.
        update_running_mean: subtract the mean of the batch and update the running one, else subtract that.
        fix_parameters: accepted for compatibility; nothing is trained.

    Returns:
        Shape of `inp`.
    """
    shape = inp.shape[base_axis:]
    mean = initialized("mean", shape, ZEROS, None, False, False)
    count = initialized("t", (1,), ZEROS, None, False, False)
    return F.mean_subtraction(inp, mean, count, base_axis, update_running_mean)


def _as_tuple(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
