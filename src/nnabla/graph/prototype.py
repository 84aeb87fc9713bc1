"""Operators as they are after they have met their inputs: what later calls of the same kind start from."""

from __future__ import annotations

from collections.abc import Hashable
from types import EllipsisType
from typing import Any

import numpy as np
import torch

from .._threads import OneThread, ThreadChoice
from .operator import Operator, Shape

# How many are kept for each class of operators: sequences of ever new lengths would pile up.
_MOST = 128


class OneOfItsKind:
    """In the place of a prototype, for an operator that is like no other.

    Attributes:
        kind: equal for operators that compute the same from inputs of the same shapes.
        threads: how many such calls run on when they compute at once; None for as many as there are, ... if not known.
    """

    __slots__ = ("kind", "threads")

    def __init__(self) -> None:
        self.kind: Hashable = object()
        self.threads: OneThread | ThreadChoice | EllipsisType | None = ...


class Prototype(OneOfItsKind):
    """What one call worked out.

    Args:
        operator: it has met its inputs, and has not run.
        key: of the call.
        shapes: of its outputs.
    """

    __slots__ = ("cls", "resolved", "shapes", "state")

    def __init__(self, operator: Operator, key: Hashable, shapes: list[Shape]) -> None:
        super().__init__()
        self.cls = type(operator)
        self.state = dict(operator.__dict__)
        self.shapes = shapes
        # The address of the context is part of the key. If another context has that address by now, or the context was
        # changed in place, its `resolved` is another object.
        self.resolved = operator.context.resolved
        # Not the prototype itself: it may have made room for others, and been worked out once more, within a graph.
        self.kind = self.cls, key, id(self.resolved)

    def copy(self) -> Any:
        """A copy of the operator, for a new node."""
        operator = self.cls.__new__(self.cls)
        operator.__dict__ = self.state.copy()
        operator.prototype = self
        return operator


def kind_of(operator: Operator) -> Hashable:
    """What is equal for operators that compute the same from inputs of the same shapes."""
    return operator if operator.prototype is None else operator.prototype.kind


def remember(operator: Operator, key: tuple[Any, ...], shapes: list[Shape]) -> None:
    """Keep `operator` as the prototype of calls with this key.

    It is not kept where copies would share what changes (an operator within the operator, or a method of it) or is
    large (a tensor); nor with arguments whose value may change, or that compare equal to others that
    differ.
    """
    if not all([_lasts(value) for value in key]):
        return
    for value in operator.__dict__.values():
        if isinstance(value, (Operator, torch.Tensor, torch.Generator)) or (
            isinstance(getattr(value, "__self__", None), Operator)
        ):
            return
    for argument in operator.declaration.arguments:
        if _has_zero(getattr(operator, argument.name)):
            return
    prototypes = operator.prototypes
    if len(prototypes) >= _MOST:
        prototypes.clear()
    operator.prototype = prototypes[key] = Prototype(operator, key, shapes)


def _lasts(value: Any) -> bool:
    """Whether the value of an argument cannot change. Being hashable is not enough: tensors and generators are, too."""
    if isinstance(value, tuple):
        return all([_lasts(v) for v in value])
    return value is None or isinstance(value, (int, float, str, np.generic))


def _has_zero(value: Any) -> bool:
    """Whether there is a 0.0, which compares equal to -0.0."""
    if type(value) is tuple:
        return any([_has_zero(v) for v in value])
    return type(value) is float and value == 0
