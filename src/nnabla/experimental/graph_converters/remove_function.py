"""Door to `nnabla.rewriting.graph_converters.removing`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.removing import RemoveFunctionModifier

__all__ = ["FunctionModifier", "RemoveFunctionModifier"]
