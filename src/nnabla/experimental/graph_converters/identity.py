"""Door to `nnabla.rewriting.graph_converters.copying`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.copying import IdentityModifier

__all__ = ["FunctionModifier", "IdentityModifier"]
