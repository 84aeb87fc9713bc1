"""For each type name, a constructor of a node that has no inputs yet.

>>> import nnabla as nn
>>> relu = nn.function.ReLU(nn.get_current_context(), inplace=False)
>>> relu(nn.Variable((2, 3))).shape
(2, 3)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..context import Context
from ..graph.argument import REQUIRED
from ..graph.function import Function
from ..graph.operator import registry

_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


def constructor(type_name: str) -> Callable[..., Function]:
    """The constructor of functions of a type: it takes a context, and the arguments in their order.

    Raises:
        AttributeError: there is no such type.
    """
    cls = registry.get(type_name)
    if cls is None:
        raise AttributeError(f"module 'nnabla.function' has no attribute {type_name!r}")

    def construct(ctx: Context, *args: Any, **kwargs: Any) -> Function:
        if not isinstance(ctx, Context):
            raise TypeError(f"{type_name}: ctx must be a nnabla.Context, not {type(ctx).__name__}")
        operator = cls(*args, **kwargs)
        operator.settle(ctx)
        return Function(operator, ())

    parameters = [inspect.Parameter("ctx", _KIND)]
    for argument in cls.declaration.arguments:
        default = inspect.Parameter.empty if argument.default is REQUIRED else argument.default
        parameters.append(inspect.Parameter(argument.name, _KIND, default=default))
    construct.__name__ = construct.__qualname__ = type_name
    construct.__module__ = "nnabla.function"
    construct.__doc__ = cls.__doc__
    construct.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return construct
