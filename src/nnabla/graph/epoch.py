"""A counter that moves whenever something changes that a compiled plan may have been built on.

A plan notes the epoch in which it was last found valid; while the epoch stands still, replaying it needs no further
check. Building new functions does not move it, since that changes no existing graph.
"""

from __future__ import annotations


class _Epoch:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


epoch = _Epoch()


def advance() -> None:
    """Note that an existing graph changed: rewiring, flags, shapes, arrays bound to intermediate variables."""
    epoch.value += 1
