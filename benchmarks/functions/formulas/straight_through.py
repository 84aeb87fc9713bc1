"""Values with a gradient that is not theirs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def straight_through(x: Tensor, y: Tensor) -> Tensor:
    """The values of `y` with the gradient of `x`."""
    return x + (y - x).detach()


def with_gradient(y: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`y`, whose gradient goes through `change`."""
    if y.requires_grad:
        y.register_hook(change)
    return y
