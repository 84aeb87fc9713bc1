"""Errors of public calls that are Python functions of their own and not declarations.

Such a function checks as little as it can: it calls others, whose errors name those others. Only after such an error
are its arguments compared with its annotations, so that the message names the call that the user made.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._nd_array import NdArray
from ..errors import ArgumentError, GraphError, ShapeError
from .argument import Argument, Bool, Float, Floats, Int, Ints, Str
from .variable import Variable


class Axes(Argument):
    """One axis, or several."""

    kind = "an integer or a sequence of integers"

    def cast(self, value: Any) -> tuple[int, ...]:
        return Ints().cast(value) if isinstance(value, Iterable) else (Int().cast(value),)


# By the annotation of a parameter what it has to be.
_KINDS: Mapping[str, Callable[[], Argument]] = {
    "int": Int,
    "float": Float,
    "bool": Bool,
    "str": Str,
    "Axes": Axes,
    "int | Sequence[int]": Axes,
    "Sequence[int]": Ints,
    "Sequence[float]": Floats,
}


_REFUSALS = (TypeError, ValueError)


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, made to raise errors that name it, and the argument of a wrong type if there is one."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            _explain(function, args, kwargs, error)
            raise

    return call


def _explain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> None:
    """Raise a better error than `error` if there is one."""
    name = function.__name__
    named = re.search(rf"\b{name}\b", str(error).partition("\n")[0]) is not None
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return  # `error` says so already.
    for key, value in given.items():
        parameter = signature.parameters[key]
        kind, _, rest = str(parameter.annotation).partition(" | None")
        if value is None and (rest or str(parameter.annotation).endswith("None") or parameter.default is None):
            continue
        if kind == "Array" and not isinstance(value, (Variable, NdArray)):
            raise TypeError(
                f"{name}: input {key} must be a Variable or an NdArray, not {type(value).__name__}"
            ) from None
        if named:
            continue
        if kind == "float | Array":
            if isinstance(value, (Variable, NdArray)):
                continue
            kind = "float"
        if kind in _KINDS:
            argument = _KINDS[kind]()
            argument.name = key
            argument.convert(value, name)
    if not named and (isinstance(error, (ShapeError, ArgumentError, GraphError)) or type(error) in _REFUSALS):
        raise type(error)(f"{name}: {error}") from error.__cause__
