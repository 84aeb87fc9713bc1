"""Shape rules that several categories share, and the two bases of functions that work element by element."""

from __future__ import annotations

from ..errors import ShapeError
from ..graph.operator import Operator, Shape


def broadcast_shape(x0: Shape, x1: Shape, function: str) -> Shape:
    """The shape that both broadcast to, by NumPy's rule.

    Raises:
        ShapeError: they do not.
    """
    if x0 == x1:
        return x0
    short, long = (x0, x1) if len(x0) <= len(x1) else (x1, x0)
    head = len(long) - len(short)
    found = list(long[:head])
    for a, b in zip(short, long[head:], strict=True):
        if a != b and a != 1 and b != 1:
            raise ShapeError(f"{function}: shapes {x0} and {x1} cannot be broadcast to each other")
        found.append(b if a == 1 else a)
    return tuple(found)


def refuse_empty(shape: Shape, function: str, name: str = "x", first: int = 0) -> None:
    """Refuse an input without elements where the kernel has no answer for it.

    Args:
        first: the first axis that must not have length 0; an empty batch may be all right.

    Raises:
        ShapeError: one has.
    """
    if 0 in shape[first:]:
        raise ShapeError(f"{function}: {name} must not have an axis of length 0, as shape {shape} does")


class Elementwise(Operator):
    """A function of one array, element by element: the output has the shape of the input."""

    elementwise = True

    def output_shape(self, x: Shape) -> Shape:
        return x


class Binary(Operator):
    """A function of two arrays, element by element; an axis of length 1 is broadcast.

    The number of axes must be equal: NNabla 1.39 reads no model in which it is not.
    """

    broadcast = True
    elementwise = True

    def output_shape(self, x0: Shape, x1: Shape) -> Shape:
        if x0 == x1:
            return x0
        name = self.declaration.name
        if len(x0) != len(x1):
            raise ShapeError(
                f"{name}: both inputs must have the same number of axes, not {len(x0)} and {len(x1)}; "
                "reshape one of them with axes of length 1"
            )
        return broadcast_shape(x0, x1, name)
