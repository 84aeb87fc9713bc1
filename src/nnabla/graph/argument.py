"""Arguments of an operator: declared once, as a class attribute, with type, default, check and documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._nd_array import integer, scalar
from ..errors import ArgumentError

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "<required>"})()

Check = tuple[Callable[[Any], bool], str]

positive: Check = (lambda value: value > 0, "positive")
not_negative: Check = (lambda value: value >= 0, "at least 0")
probability: Check = (lambda value: 0 <= value < 1, "in [0, 1)")


class Argument:
    """One argument of an operator.

    Args:
        default: value when the caller gives none; `REQUIRED` if the caller must; ``None`` if it follows from the
            shapes of the inputs, which the operator's `shape` then settles.
        doc: what it means, with unit and range.
        check: a predicate and the words for what it demands.
        choices: all values allowed.
    """

    kind = ""
    # How model files hold it: a type of `files.messages`, "shape" or "communicator" for the message of that name.
    stored = ""
    # What stands for None in a list there.
    none: int | None = None

    def __init__(
        self, default: Any = REQUIRED, doc: str = "", check: Check | None = None, choices: tuple[Any, ...] = ()
    ) -> None:
        self.name = ""
        self.default = default
        self.doc = doc
        self.check = check
        self.choices = choices

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    # Typed as Any, so that code of an operator reads `self.axis` as the value that instances hold.
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        raise AttributeError(self.name)

    def cast(self, value: Any) -> Any:
        """`value` in the argument's type; TypeError or ValueError if it has another."""
        raise NotImplementedError

    def convert(self, value: Any, function: str) -> Any:
        """`value` checked and in the argument's type.

        Raises:
            ArgumentError: names `function`, the argument, what was given and what is allowed.
        """
        if value is None and self.default is None:
            return None
        try:
            value = self.cast(value)
        except (TypeError, ValueError, AttributeError):
            raise ArgumentError(f"{function}: {self.name} must be {self.kind}, not {value!r}") from None
        except OverflowError:
            words = f"{self.kind} of at most 64 bits"
            raise ArgumentError(f"{function}: {self.name} must be {words}, not {value!r}") from None
        if self.check is not None and not self.check[0](value):
            raise ArgumentError(f"{function}: {self.name} must be {self.check[1]}, not {value!r}")
        if self.choices and value not in self.choices:
            raise ArgumentError(f"{function}: {self.name} must be one of {list(self.choices)}, not {value!r}")
        return value


class Int(Argument):
    kind = "an integer"
    stored = "int64"

    def cast(self, value: Any) -> int:
        return integer(value)


class Float(Argument):
    kind = "a number"
    stored = "double"

    def cast(self, value: Any) -> float:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(scalar(value))


class Single(Float):
    """A number that model files hold in single precision."""

    stored = "float"


class Bool(Argument):
    kind = "True or False"
    stored = "bool"

    def cast(self, value: Any) -> bool:
        if isinstance(value, str):
            raise TypeError
        return bool(value)


class Str(Argument):
    kind = "a string"
    stored = "string"

    def cast(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value


class Ints(Argument):
    """A list of integers; held as a tuple."""

    kind = "a sequence of integers"
    stored = "repeated int64"

    def cast(self, value: Any) -> tuple[int, ...]:
        if isinstance(value, (bytes, dict)):
            raise TypeError
        return tuple([integer(v) for v in value])


class Sizes(Ints):
    """A list of integers that model files hold in a message ``Shape``: lengths of axes, most of the time."""

    stored = "shape"


class Floats(Argument):
    """A list of numbers; held as a tuple."""

    kind = "a sequence of numbers"
    stored = "repeated float"

    def cast(self, value: Any) -> tuple[float, ...]:
        if isinstance(value, (str, bytes, dict)):
            raise TypeError
        return tuple([float(scalar(v)) for v in value])
