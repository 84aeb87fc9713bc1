"""Door to `nnabla.rewriting.graph_converters.conversion`."""

from ...rewriting.graph_converters.conversion import FunctionModifier, GraphConverter

__all__ = ["FunctionModifier", "GraphConverter"]
