"""Axis arguments: negative ones, several, none."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError

# What public calls take for one axis, several, or (where they say so) all.
Axes = int | Sequence[int] | None


def normalized(axis: int, ndim: int, function: str, name: str = "axis") -> int:
    """`axis` counted from the front.

    Raises:
        ArgumentError: it is not in ``[-ndim, ndim)``.
    """
    if not -ndim <= axis < ndim:
        raise ArgumentError(f"{function}: {name} must be in [{-ndim}, {ndim}), not {axis}")
    return axis % ndim


def normalized_all(axes: Sequence[int] | None, ndim: int, function: str, name: str = "axes") -> tuple[int, ...]:
    """`axes` counted from the front, in order; all axes for ``None``.

    Raises:
        ArgumentError: one is out of range or given twice.
    """
    if axes is None:
        return tuple(range(ndim))
    found = tuple([normalized(a, ndim, function, name) for a in axes])
    if len(set(found)) != len(found):
        raise ArgumentError(f"{function}: {name} must be distinct, not {tuple(axes)}")
    return found
