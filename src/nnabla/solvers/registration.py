"""The decorator for functions that make solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..context import called_in_current_context


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
        >>> import inspect
        >>> str(inspect.signature(describe))
        '(lr=0.1)'
    """
    return called_in_current_context(func, "solver_api")
