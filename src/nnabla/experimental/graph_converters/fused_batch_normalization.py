"""Door to `nnabla.rewriting.graph_converters.fusing`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.fusing import FusedBatchNormalizationModifier

__all__ = ["FunctionModifier", "FusedBatchNormalizationModifier"]
