"""Switches that hold for all functions created while they are set: auto-forward, no_grad, recompute, lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any


class _Modes:
    """One object, so that hot code reads one attribute."""

    __slots__ = ("auto_forward", "lines", "no_grad", "recompute")

    def __init__(self) -> None:
        self.auto_forward = False
        self.no_grad = False
        self.recompute = False
        # Whether functions note the line that they are called at; see `lines.py`.
        self.lines = os.environ.get("NNABLA_RECORD_LINES", "0") not in ("", "0")


modes = _Modes()


@contextmanager
def switched(name: str, value: bool) -> Iterator[None]:
    """Context in which the mode of that name has another value."""
    previous = getattr(modes, name)
    setattr(modes, name, bool(value))
    try:
        yield
    finally:
        setattr(modes, name, previous)


def auto_forward(auto: bool = True) -> Any:
    """Context in which functions compute as soon as they are created (dynamic graphs).

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([-1.0, 2.0])
        >>> with nn.auto_forward():
        ...     y = F.relu(x)
        >>> y.d
        array([0., 2.], dtype=float32)
    """
    return switched("auto_forward", auto)


def switched_auto_forward(auto: bool | None) -> Any:
    """`auto_forward` for True or False; for None the mode stays as it is."""
    return nullcontext() if auto is None else auto_forward(auto)


def set_auto_forward(auto: bool) -> None:
    """Switch dynamic graphs on or off outside of `auto_forward` contexts."""
    modes.auto_forward = bool(auto)


def get_auto_forward() -> bool:
    """Whether functions compute as soon as they are created."""
    return modes.auto_forward


def no_grad(no_grad_: bool = True) -> Any:
    """Context for building a network that will not be trained.

    Parameters are taken without `need_grad`; the registered ones keep their flag. Gradients still go through to inputs
    that ask for them: a loss may use a fixed network. In dynamic mode nothing is kept for backward: results have
    no parent and need no gradient.
    """
    return switched("no_grad", no_grad_)


def recompute(recompute_: bool = True) -> Any:
    """Context in which outputs of functions are created with the `recompute` flag set."""
    return switched("recompute", recompute_)


def recompute_fn(recompute_: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorator form of `recompute`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with recompute(recompute_):
                return function(*args, **kwargs)

        return wrapped

    return decorate


def set_global_recompute(recompute: bool) -> None:
    """Set the `recompute` flag of all variables that functions will create."""
    modes.recompute = bool(recompute)


def get_global_recompute() -> bool:
    """Whether created variables have the `recompute` flag set."""
    return modes.recompute
