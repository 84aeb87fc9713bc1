"""Door to `nnabla.rewriting.graph_converters.layouts`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.layouts import ChannelLastModifier

__all__ = ["ChannelLastModifier", "FunctionModifier"]
