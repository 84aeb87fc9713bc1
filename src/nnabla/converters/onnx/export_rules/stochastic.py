"""Random numbers, which a model draws anew each time it is run."""

from __future__ import annotations

from typing import Any

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter, Shape
from .registry import Call, export


@export("Rand")
def rand(g: GraphWriter, f: Call) -> str:
    return drawn(g, "RandomUniform", f.shape_out, low=f.low, high=f.high, seed=_seed(f))


@export("Randn")
def randn(g: GraphWriter, f: Call) -> str:
    return drawn(g, "RandomNormal", f.shape_out, mean=f.mu, scale=abs(f.sigma), seed=_seed(f))


@export("Randint")
def randint(g: GraphWriter, f: Call) -> str:
    if max(-f.low, f.high) > 2**24:
        raise Unsupported("float32 does not hold all integers of the range")
    whole = g("Floor", drawn(g, "RandomUniform", f.shape_out, low=float(f.low), high=float(f.high), seed=_seed(f)))
    # The end of the range itself may come of rounding.
    return g.clip(whole, f.low, f.high - 1)


def _seed(f: Call) -> float | None:
    return None if f.seed == -1 else float(f.seed)


def drawn(g: GraphWriter, op_type: str, shape: Shape, **how: Any) -> str:
    """What ``RandomUniform`` or ``RandomNormal`` draws.

    Raises:
        Unsupported: a length is open.
    """
    if -1 in shape:
        raise Unsupported("with an open batch size, the shape of random numbers is not known")
    y = g(op_type, shape=list(shape) or [1], **how)
    return str(y) if shape else g.reshape(y, [])
