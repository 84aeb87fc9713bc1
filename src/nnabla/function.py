"""`Function`, `PythonFunction`, and for each type name a constructor of a function that has no inputs yet.

>>> import nnabla as nn
>>> from nnabla import function
>>> relu = function.ReLU(nn.get_current_context(), inplace=False)
>>> relu(nn.Variable((2, 3))).shape
(2, 3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import operators  # noqa: F401  (declares them all)
from .context import Context
from .graph.function import Function, Info, PythonFunction
from .graph.operator import registry

__all__ = ["Function", "Info", "PythonFunction"]


def __getattr__(name: str) -> Callable[..., Function]:
    cls = registry.get(name)
    if cls is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def construct(ctx: Context, *args: Any, **kwargs: Any) -> Function:
        operator = cls(*args, **kwargs)
        operator.settle(ctx)
        return Function(operator, ())

    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = cls.__doc__
    return construct


def __dir__() -> list[str]:
    return sorted([*__all__, *registry])
