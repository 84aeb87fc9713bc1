"""Batch normalizations as a factor and a shift for each channel."""

from __future__ import annotations

from typing import Any

from ... import functions as F
from ... import parameter
from ...graph.function import Function
from ...graph.variable import Variable
from .channel_factors import affine_form
from .conversion import FunctionModifier
from .derived_parameters import derived_parameter
from .folding import is_foldable_normalization
from .rebuilding import take_flags


class BatchNormalizationSelfFoldingModifier(FunctionModifier):
    """Puts a product and a sum in place of each batch normalization, which is computed with its running statistics.

    The factors are parameters ``<name>/c0-<name>-0``, ``...-1`` and so on, in the order of the graph, the shifts
    ``<name>/c1-<name>-0``, ...

    Args:
        name: of the parameters, and their scope.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> nn.clear_parameters()
        >>> y = PF.batch_normalization(nn.Variable((2, 3)), batch_stat=False)
        >>> GraphConverter([BatchNormalizationSelfFoldingModifier()]).convert(y).visit(lambda f: print(f.name))
        Mul2
        Add2
    """

    def __init__(self, name: str = "bn-self-folding") -> None:
        super().__init__()
        self._name = name

    def _begin(self) -> None:
        super()._begin()
        self._count = 0

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if not is_foldable_normalization(f):
            return None
        form, shape = affine_form(f, inputs), inputs[-1].shape
        name, number = self._name, self._count
        self._count += 1
        with parameter.parameter_scope(name):
            scale = derived_parameter(f"c0-{name}-{number}", form.scale.reshape(shape), inputs[1:])
            shift = derived_parameter(f"c1-{name}-{number}", form.shift.reshape(shape), inputs[1:])
        y = F.add2(F.mul2(scale, inputs[0]), shift)
        take_flags(f, [y])
        return y
