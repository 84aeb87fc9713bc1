"""Signatures of functions, changed and written out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, NamedTuple

PARAM_KINDS = [
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.VAR_POSITIONAL,
    Parameter.KEYWORD_ONLY,
    Parameter.VAR_KEYWORD,
]
"""Kinds of parameters in the order in which they stand in a signature."""

param_kind_to_int = {kind: number for number, kind in enumerate(PARAM_KINDS)}


class SignatureEx(Signature):
    """A signature that others can be made from, with parameters added and dropped.

    Example:
        >>> def scale(x, factor: float = 2.0, *, name=None) -> float: ...
        >>> signature = SignatureEx.from_callable(scale)
        >>> signature.drop_arg("factor").add_arg("y").format_argument_signature()
        'x, y, *, name=None'
        >>> signature.format_caller_argument_signature()
        'x, factor, name=name'
    """

    @property
    def has_return_annotation(self) -> bool:
        """Whether it says what is returned."""
        return self.return_annotation is not self.empty

    def drop_arg(self, argname: str, raise_if_not_found: bool = False) -> SignatureEx:
        """The signature without a parameter.

        Args:
            argname: its name.
            raise_if_not_found: raise an error if there is none.

        Raises:
            KeyError: there is no such parameter.
        """
        if raise_if_not_found and argname not in self.parameters:
            raise KeyError(f"drop_arg: there is no parameter {argname!r}, only {list(self.parameters)}")
        return self.replace(parameters=[p for name, p in self.parameters.items() if name != argname])

    def add_arg(
        self,
        argname: str,
        kind: Any = Parameter.POSITIONAL_OR_KEYWORD,
        *,
        default: Any = Parameter.empty,
        annotation: Any = Parameter.empty,
    ) -> SignatureEx:
        """The signature with one more parameter, the last one of its kind.

        Args:
            argname: its name.
            kind: one of `PARAM_KINDS`.
            default, annotation: of the parameter; none if not given.

        Raises:
            ValueError: there is a parameter of that name, or the result would not be valid.
        """
        new = Parameter(argname, kind, default=default, annotation=annotation)
        before = [p for p in self.parameters.values() if p.kind <= kind]
        after = [p for p in self.parameters.values() if p.kind > kind]
        return self.replace(parameters=[*before, new, *after])

    def format_argument_signature(self) -> str:
        """What stands between the parentheses of the definition."""
        return str(self.replace(return_annotation=self.empty))[1:-1]

    def format_return_annotation(self) -> str:
        """What stands behind the parentheses, `` -> float``; empty if there is nothing."""
        return str(self)[len(str(self.replace(return_annotation=self.empty))) :]

    def format_caller_argument_signature(self) -> str:
        """What stands between the parentheses of a call that hands all parameters on."""
        stars: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
        return ", ".join(
            f"{name}={name}" if p.kind is Parameter.KEYWORD_ONLY else f"{stars.get(p.kind, '')}{name}"
            for name, p in self.parameters.items()
        )


class ArgSpec(NamedTuple):
    """Positional parameters, the names that collect further ones, and the defaults of the last parameters."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(func: Callable[..., Any]) -> ArgSpec:
    """The positional parameters of a function, as Python's function of that name had them.

    Raises:
        TypeError: it is not callable.

    Example:
        >>> getargspec(lambda x, y=1, *rest: x)
        ArgSpec(args=['x', 'y'], varargs='rest', keywords=None, defaults=(1,))
    """
    return ArgSpec(*inspect.getfullargspec(func)[:4])
