"""Graphs built again as they are: with other inputs, or without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...errors import ShapeError
from ...graph.function import Function
from ...graph.variable import Variable
from .conversion import FunctionModifier
from .rebuilding import rebuilt


class IdentityModifier(FunctionModifier):
    """Builds all functions again as they are.

    Args:
        inputs: Variables that the new graph shall read, by those of the original graph for which they stand; by
            default it reads the same.
        copy_value: give these Variables the values of those that they stand for.

    Raises:
        ShapeError: `copy_value` is set, and shapes differ.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> x, single = nn.Variable((8, 3)), nn.Variable((1, 3))
        >>> GraphConverter([IdentityModifier({x: single})]).convert(F.relu(x)).shape
        (1, 3)
    """

    def __init__(self, inputs: Mapping[Variable, Variable] = MappingProxyType({}), copy_value: bool = False) -> None:
        self._inputs = dict(inputs)
        if copy_value:
            for original, new in self._inputs.items():
                if new.shape != original.shape:
                    raise ShapeError(f"IdentityModifier: with copy_value, {new!r} must have the shape {original.shape}")
                new.d = original.d
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self._leaves.update(self._inputs)


class NoGradModifier(FunctionModifier):
    """Builds all functions again with parameters and inputs that get no gradient. The registered parameters, and
    the original graph, keep their flags.
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        fixed = [v.get_unlinked_variable(need_grad=False) if v.parent is None and v.need_grad else v for v in inputs]
        return rebuilt(f, fixed)
