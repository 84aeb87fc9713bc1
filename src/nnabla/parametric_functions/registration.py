"""What makes a function parametric: its own scope, a `name` argument, and nothing left behind when it fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .. import parameter
from .argument_docs import describe_arguments


def parametric_function_api(
    scope_name: str | None = None, param_desc: Sequence[tuple[str, str, str, bool]] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that makes a function parametric.

    Inside the function `nnabla.parameter.get_parameter_or_create` works below ``<name>/<scope_name>``, where `name`
    is an argument that the decorator adds. If the function raises, parameters that it created are removed again.

    Args:
        scope_name: scope of the parameters; default the function's name.
        param_desc: for each parameter its name, a description, its shape as text, and whether it needs a gradient;
            added to the function's documentation.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> @parametric_function_api("shift", [("b", "Shift", "``(n,)``", True)])
        ... def shift(x):
        ...     '''Adds a vector that is learned.'''
        ...     return F.add2(x, nn.parameter.get_parameter_or_create("b", (1, x.shape[1])))
        >>> nn.clear_parameters()
        >>> y = shift(nn.Variable((2, 3)), name="first")
        >>> list(nn.get_parameters())
        ['first/shift/b']
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        scope = function.__name__ if scope_name is None else scope_name

        @wraps(function)
        def call(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
            if len(args) > position:
                name, args = args[position], args[:position]
            with parameter.building(scope if name is None else f"{name}/{scope}"):
                return function(*args, **kwargs)

        signature = inspect.signature(function)
        position = len(signature.parameters)
        named = inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
        call.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), named]
        )
        if function.__module__.startswith("nnabla.parametric_functions"):
            call.__module__ = "nnabla.parametric_functions"
            # Of nnabla's own functions only: in those of users, the same names may mean something else.
            describe_arguments()(call)
        call.__doc__ = _documented(call.__doc__, scope, param_desc or ())
        return call

    return decorate


def _documented(docstring: str | None, scope: str, param_desc: Sequence[tuple[str, str, str, bool]]) -> str:
    doc = inspect.cleandoc(docstring or "")
    if not param_desc:
        return doc
    lines = [f"* {name}: {text}, shape {shape}, need_grad={need_grad}" for name, text, shape, need_grad in param_desc]
    listed = "\n".join(lines)
    return f"{doc}\n\nParameters registered in scope ``<name>/{scope}``:\n\n{listed}\n"
