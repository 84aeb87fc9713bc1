"""Door to `nnabla.rewriting.graph_converters.self_folding`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.self_folding import BatchNormalizationSelfFoldingModifier

__all__ = ["BatchNormalizationSelfFoldingModifier", "FunctionModifier"]
