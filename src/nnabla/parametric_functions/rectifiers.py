"""Rectifiers with a slope that is learned."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..errors import ArgumentError
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from .layers import Initializer, weight
from .registration import parametric_function_api


@parametric_function_api("prelu", [("slope", "Slope below 0", "``()``, or ``(inp.shape[base_axis],)``", True)])
def prelu(
    inp: Any,
    base_axis: int = 1,
    shared: bool = True,
    fix_parameters: bool = False,
    slope_init: Initializer = None,
) -> Variable:
    """ReLU with a slope below 0 that is learned; see `nnabla.functions.prelu`.

    Args:
        inp: any shape.
        base_axis: the axis of the channels.
        shared: one slope for all channels, else one for each.
        fix_parameters: do not train the slope.
        slope_init: initializer or array for the slope; default 0.25.

    Returns:
        Shape of `inp`.

    Source: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    if not shared and not -inp.ndim <= base_axis < inp.ndim:
        raise ArgumentError(f"prelu: base_axis must be in [{-inp.ndim}, {inp.ndim}), not {base_axis}")
    shape = () if shared else (inp.shape[base_axis],)
    slope = weight(
        "slope", shape, ConstantInitializer(0.25) if slope_init is None else slope_init, fix_parameters, None
    )
    return F.prelu(inp, slope, base_axis)
