"""Functions left out of a graph, and graphs as they are run after training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError
from ...graph.function import Function
from ...graph.variable import Variable
from .conversion import FunctionModifier
from .rebuilding import connected, rebuilt

_BATCH_STATISTICS = frozenset({"BatchNormalization", "FusedBatchNormalization", "SyncBatchNormalization"})


class RemoveFunctionModifier(FunctionModifier):
    """Leaves out functions of some types: what read their output reads their first input.

    Args:
        rm_funcs: type names, such as ``"Dropout"``.

    Raises:
        ArgumentError: such a function has no inputs, or several outputs (when it is met).

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> y = F.tanh(F.dropout(nn.Variable((2, 3))))
        >>> GraphConverter([RemoveFunctionModifier(["Dropout"])]).convert(y).visit(lambda f: print(f.name))
        Tanh
    """

    def __init__(self, rm_funcs: Sequence[str] = ()) -> None:
        super().__init__()
        self._types = frozenset([rm_funcs] if isinstance(rm_funcs, str) else rm_funcs)

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if f.info.type_name not in self._types:
            return None
        if not inputs or len(f.outputs) != 1:
            raise ArgumentError(
                f"RemoveFunctionModifier: {f.info.type_name} cannot be removed: it must have inputs and one output, "
                f"not {len(inputs)} and {len(f.outputs)}"
            )
        return inputs[0]


class BatchNormBatchStatModifier(FunctionModifier):
    """Lets batch normalizations use the running statistics: ``batch_stat=False``."""

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if f.info.type_name not in _BATCH_STATISTICS or not f.info.args["batch_stat"]:
            return None
        if len(f.outputs) != 1:
            raise ArgumentError(
                f"BatchNormBatchStatModifier: {f.info.type_name} returns statistics of the batch, which there are "
                "none of with batch_stat=False"
            )
        return rebuilt(f, inputs, batch_stat=False)

    def connect(self, fname: str, inputs: Sequence[Variable], args: dict[str, Any]) -> Any:
        """A function of a type, on inputs."""
        return connected(fname, inputs, args)


class TestModeModifier(list[FunctionModifier]):
    """Makes of a graph for training one for inference: batch normalizations use the running statistics, and functions
    of some types are left out. A list of the two modifiers that do it.

    Args:
        rm_funcs: type names, such as ``"Dropout"``.
    """

    __test__ = False  # no test, whatever its name

    def __init__(self, rm_funcs: Sequence[str] = ()) -> None:
        super().__init__([BatchNormBatchStatModifier(), RemoveFunctionModifier(rm_funcs)])
