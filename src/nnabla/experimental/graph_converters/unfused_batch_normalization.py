"""Door to `nnabla.rewriting.graph_converters.fusing`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.fusing import UnfusedBatchNormalizationModifier

__all__ = ["FunctionModifier", "UnfusedBatchNormalizationModifier"]
