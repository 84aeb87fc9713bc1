"""The decorator for functions that make solvers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..context import get_current_context


def solver_api(func: Callable[..., Any]) -> Callable[..., Any]:
    """`func` without its first argument, ``ctx``: it is given the current context when it is called.

    Raises:
        TypeError: the first argument of `func` is not named ``ctx``.

    Example:
        >>> @solver_api
        ... def describe(ctx, lr=0.1):
        ...     return f"{lr} on {ctx.backend[0]}"
        >>> describe(lr=0.2)
        '0.2 on cpu:float'
        >>> str(inspect.signature(describe))
        '(lr=0.1)'
    """
    signature = inspect.signature(func)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].name != "ctx":
        raise TypeError(f"solver_api: the first argument of {func.__name__} must be named 'ctx', got {signature}")

    @functools.wraps(func)
    def with_context(*args: Any, **kwargs: Any) -> Any:
        return func(get_current_context(), *args, **kwargs)

    with_context.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    return with_context
