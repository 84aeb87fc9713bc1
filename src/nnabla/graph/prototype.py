"""Operators as they were when they had met their inputs, to start like calls from."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch

from .operator import Operator, Shape

# For each class of operators. Sequences of ever new lengths would otherwise pile up.
_MOST = 128


class Prototype:
    """What one call worked out.

    Args:
        operator: it has met its inputs, and has not run.
        shapes: of its outputs.
    """

    __slots__ = ("cls", "context", "resolved", "shapes", "state")

    def __init__(self, operator: Operator, shapes: list[Shape]) -> None:
        self.cls = type(operator)
        self.state = dict(operator.__dict__)
        self.shapes = shapes
        # Held, so that its address, which is part of the key, is not used again.
        self.context = operator.context
        # A context may be changed in place; then this is another object.
        self.resolved = operator.context.resolved

    def copy(self) -> Any:
        """An operator like that one, for a node of its own."""
        operator = self.cls.__new__(self.cls)
        operator.__dict__.update(self.state)
        return operator


def remember(operator: Operator, key: Hashable, shapes: list[Shape]) -> None:
    """Keep `operator` as the prototype of calls with this key.

    Not where copies would share what changes (an operator within the operator) or is large (a tensor), and not with
    an argument 0.0, which compares equal to -0.0.
    """
    for value in operator.__dict__.values():
        if isinstance(value, (Operator, torch.Tensor)) or (type(value) is float and value == 0):
            return
    prototypes = operator.prototypes
    if len(prototypes) >= _MOST:
        prototypes.clear()
    prototypes[key] = Prototype(operator, shapes)
