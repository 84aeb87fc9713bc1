"""Errors raised for a caller's mistake. Each is also the built-in type that a Python user would catch.

NNabla 1.x reported most of these as ``RuntimeError``; scripts that catch that keep working.
"""

from __future__ import annotations


class ShapeError(ValueError, RuntimeError):
    """Shapes of inputs, parameters or assigned values do not fit together."""


class ArgumentError(ValueError, RuntimeError):
    """An argument's value is outside of what the function allows."""


class GraphError(RuntimeError):
    """A graph cannot be executed as asked, for example backward before forward."""


class ExtensionError(RuntimeError):
    """A backend was asked for that this machine or installation does not have."""


class CommunicationError(RuntimeError):
    """Processes exchange nothing any more: one of them has ended or does not answer, or they do not do the same."""


class FormatError(ValueError, RuntimeError):
    """A file does not hold what its format requires."""


def shown(text: str, limit: int = 100) -> str:
    """`text` as an error message shows what a file says: the middle of a long one is left out."""
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 4 :]} ({len(text)} characters)"
