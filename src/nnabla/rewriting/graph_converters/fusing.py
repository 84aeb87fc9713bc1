"""Batch normalization, addition and ReLU as one function, and as three again."""

from __future__ import annotations

from typing import Any

from ... import functions as F
from ...graph.function import Function
from ...graph.variable import Variable
from .conversion import FunctionModifier
from .rebuilding import inputs_by_name, take_flags

_SHARED = ("axes", "decay_rate", "eps", "batch_stat")


class FusedBatchNormalizationModifier(FunctionModifier):
    """Puts a FusedBatchNormalization in place of BatchNormalization, Add2 and ReLU.

    The block must be the only one that reads what lies between: the statistics of a batch must not be counted twice.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> x, z = nn.Variable((2, 3)), nn.Variable((2, 3))
        >>> y = F.relu(F.add2(PF.batch_normalization(x), z))
        >>> fused = GraphConverter([FusedBatchNormalizationModifier()]).convert(y)
        >>> fused.visit(lambda f: print(f.name))
        FusedBatchNormalization
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        block = self._block(f)
        if block is None:
            return None
        normalization, z = block
        given = inputs_by_name(normalization, self._map_func_inputs[normalization])
        options = {name: normalization.info.args[name] for name in _SHARED}
        y = F.fused_batch_normalization(**given, z=self._now(z), nonlinearity="relu", **options)
        take_flags(f, [y])
        return y

    def _block(self, f: Function) -> tuple[Function, Variable] | None:
        """The batch normalization that `f`, a ReLU of the original graph, ends a block with, and what is added."""
        if f.info.type_name != "ReLU":
            return None
        added = f.inputs[0].parent
        if added is None or added.info.type_name != "Add2" or not self._is_inner(added.outputs[0]):
            return None
        for normalized, z in (added.inputs, added.inputs[::-1]):
            found = normalized.parent
            if found is None or found.info.type_name != "BatchNormalization" or normalized.shape != z.shape:
                continue
            if normalized is not z and self._is_inner(normalized) and len(found.outputs) == 1:
                return found, z
        return None


class UnfusedBatchNormalizationModifier(FunctionModifier):
    """Puts BatchNormalization, Add2 (where something is added) and ReLU in place of FusedBatchNormalization.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> y = PF.fused_batch_normalization(nn.Variable((2, 3)), nn.Variable((2, 3)))
        >>> GraphConverter([UnfusedBatchNormalizationModifier()]).convert(y).visit(lambda f: print(f.name))
        BatchNormalization
        Add2
        ReLU
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if f.info.type_name != "FusedBatchNormalization" or len(f.outputs) != 1:
            return None
        given = inputs_by_name(f, inputs)
        z = given.pop("z")
        y = F.batch_normalization(**given, **{name: f.info.args[name] for name in _SHARED})
        y = F.relu(y if z is None else F.add2(y, z))
        take_flags(f, [y])
        return y
