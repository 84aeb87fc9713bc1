"""Door to `nnabla.rewriting.graph_converters.copying`."""

from ...initializer import ConstantInitializer
from ...parameter import get_parameter_or_create
from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.copying import NoGradModifier

__all__ = ["ConstantInitializer", "FunctionModifier", "NoGradModifier", "get_parameter_or_create"]
