"""Door to `nnabla.rewriting.graph_converters.pruning`."""

from ...parameter import get_parameter_or_create
from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.pruning import PruningModifier

__all__ = ["FunctionModifier", "PruningModifier", "get_parameter_or_create"]
