"""What tools say of a function: its layer, how deep it is in its graph, and its arguments as NNabla holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import parameter
from .._nd_array import KEPT
from ..graph.function import Function
from ..graph.variable import Variable


def parameter_names() -> dict[Variable, str]:
    """The name of each registered parameter, in the current scope."""
    return {variable: name for name, variable in parameter.get_parameters(grad_only=False).items()}


def layer_of(function: Function, names: dict[Variable, str]) -> str:
    """The scope of the first parameter that `function` reads; empty if it reads none.

    Args:
        function: whose layer is asked for.
        names: of parameters, see `parameter_names`.
    """
    for variable in function.inputs:
        name = names.get(variable)
        if name is not None:
            return name.rpartition("/")[0]
    return ""


def depth_of(function: Function) -> int:
    """The number of functions before it on the longest way to it; one more once it has run, as NNabla counts."""
    arrays = [buffers.data for buffers in function._outputs]
    ran = any([a._tensor is not None or a._fill is not None or a._cleared != KEPT for a in arrays])
    return function.rank + ran


def arguments_of(function: Function) -> dict[str, Any]:
    """The arguments of a function by name, those that NNabla holds in single precision rounded to it.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> arguments_of(F.leaky_relu(nn.Variable((2,)), 0.1).parent)["alpha"]
        0.10000000149011612
    """
    single = {a.name for a in function._operator.declaration.arguments if a.stored.endswith("float")}
    found = function.info.args
    return {name: _rounded(value) if name in single else value for name, value in found.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value if value is None else float(np.float32(value))
