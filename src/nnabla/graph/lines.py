"""The lines of the user's program at which functions are called."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from .modes import modes, switched

if TYPE_CHECKING:
    from .function import Function

# What belongs to the package, a path with a separator behind it.
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

LINE = "line"
"""The tag of a function that says where it was called."""


CALLED_AT = "\n  called at "
"""How errors name a line."""


def user_line() -> str:
    """The innermost line outside of this package that is being run, as ``path:number, in function``; else empty."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"


def line_of(function: Function | None) -> str:
    """What errors end with where it is known at which line `function` was called; else empty."""
    line = "" if function is None else function.tags.get(LINE, "")
    return f"{CALLED_AT}{line}" if line else ""


def record_lines(record: bool = True) -> AbstractContextManager[None]:
    """Context in which functions note where they are called, as ``function.tags["line"]``.

    Errors in forward and backward, and `nnabla.utils.inspection.NanInfTracer`, then name the line. It takes two or
    three microseconds for each call, so it is off by default; graphs run as fast as without it.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> with nn.record_lines():
        ...     y = F.relu(nn.Variable((2,)))
        >>> y.parent.tags["line"].rpartition(":")[2]
        '2, in <module>'
    """
    return switched("lines", record)


def set_record_lines(record: bool) -> None:
    """Switch recording on or off outside of `record_lines` contexts. The environment variable NNABLA_RECORD_LINES=1
    does it for a whole program."""
    modes.lines = bool(record)
