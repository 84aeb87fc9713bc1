"""The layer types of the sweep: for each, what draws a valid geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from draw import Draw
from operators.case import Case


class Layer(NamedTuple):
    """One layer type.

    Args:
        draw: makes a call of it with sizes and arguments of its choice, all of them valid.
        share: how often it is drawn, compared with the others.
        kinks: whether a derivative, or the function, jumps somewhere: there, single values may differ between types,
            but hardly ever twice.
        tolerance: how far results in single precision may lie from those in double precision, as a ratio of the largest
            value.
    """

    draw: Callable[[Draw], Case]
    share: float
    kinks: bool
    tolerance: float


LAYERS: dict[str, Layer] = {}


def layer(
    name: str, share: float = 1.0, kinks: bool = False, tolerance: float = 2e-4
) -> Callable[[Callable[[Draw], Case]], Callable[[Draw], Case]]:
    """Add a layer type; `draw` may serve several."""

    def add(draw: Callable[[Draw], Case]) -> Callable[[Draw], Case]:
        LAYERS[name] = Layer(draw, share, kinks, tolerance)
        return draw

    return add
