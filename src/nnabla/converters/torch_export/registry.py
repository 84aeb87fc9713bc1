"""The table of rules: how each ATen operator is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..obstacles import Unsupported
from ..reading.graph_reader import BOOL, FLOAT, INT64, GraphReader, Value
from ..rule_tables import entering

# A rule takes the reader and the operator's arguments, with `Value` for tensors; it returns one or several of them.
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}


def read(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators of these names, for all their overloads."""
    return entering(RULES, names)


def value(r: GraphReader, x: Any) -> Value:
    """A tensor, or a number as one."""
    if isinstance(x, Value):
        return x
    if isinstance(x, bool):
        return r.constant(np.bool_(x), BOOL)
    return r.constant(np.float32(x)) if isinstance(x, float) else r.constant(np.int64(x), INT64)


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front; it may be that of a tensor without axes."""
    if not -max(rank, 1) <= axis < max(rank, 1):
        raise Unsupported(f"dim {axis} is out of range for {rank} axes")
    return axis % rank if rank else 0


def axes_of(axes: Sequence[int] | int | None, rank: int) -> list[int]:
    """Axes counted from the front, in order; all where none are given."""
    if axes is None or (not isinstance(axes, int) and not axes):
        return list(range(rank))
    return sorted({axis_of(a, rank) for a in ([axes] if isinstance(axes, int) else axes)})


__all__ = ["BOOL", "FLOAT", "INT64", "RULES", "axes_of", "axis_of", "read", "value"]
