"""Normalization with learned scale and shift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..initializer import ConstantInitializer
from ..operators.axes import normalized_all
from ..parameter import get_parameter_or_create
from .registration import parametric_function_api


def statistics_shape(inp: Any, axes: Sequence[int], function: str) -> tuple[int, ...]:
    """Shape of the input with all axes but `axes` reduced to 1."""
    kept = normalized_all(tuple(axes), inp.ndim, function)
    return tuple([d if i in kept else 1 for i, d in enumerate(inp.shape)])


def initialized(
    name: str,
    shape: tuple[int, ...],
    value: float,
    param_init: Mapping[str, Callable[..., Any] | np.ndarray] | None,
    need_grad: bool,
    as_need_grad: bool,
) -> Any:
    """The parameter `name`: from `param_init`, or `value` everywhere."""
    init = (param_init or {}).get(name, ConstantInitializer(value))
    return get_parameter_or_create(name, shape, init, need_grad, as_need_grad)


@parametric_function_api(
    "bn",
    [
        ("beta", "Shift", "that of the input with all axes but `axes` reduced to 1", True),
        ("gamma", "Scale", "as beta", True),
        ("mean", "Running mean", "as beta", False),
        ("var", "Running variance", "as beta", False),
    ],
)
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
        axes: axes with statistics of their own, usually the channels.
        decay_rate: how much of the running statistics is kept at each step, in [0, 1].
        eps: added to the variance.
        batch_stat: normalize by the statistics of the batch (training), else by the running ones.
        output_stat: return mean and variance of the batch as well.
        fix_parameters: do not train beta and gamma.
        param_init: initializers or arrays by name (``beta``, ``gamma``, ``mean``, ``var``).
        no_scale: leave gamma out.
        no_bias: leave beta out.

    Returns:
        Shape of `inp`; with `output_stat` also mean and variance.
    """
    shape = statistics_shape(inp, axes, "batch_normalization")
    train = not fix_parameters
    beta = None if no_bias else initialized("beta", shape, 0, param_init, True, train)
    gamma = None if no_scale else initialized("gamma", shape, 1, param_init, True, train)
    mean = initialized("mean", shape, 0, param_init, False, False)
    var = initialized("var", shape, 1, param_init, False, False)
    return F.batch_normalization(
        inp, beta, gamma, mean, var, axes=axes, decay_rate=decay_rate, eps=eps, batch_stat=batch_stat,
        output_stat=output_stat,
    )  # fmt: skip
