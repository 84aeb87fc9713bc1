"""Door to `nnabla.rewriting.graph_converters.removing`."""

from ...rewriting.graph_converters.removing import TestModeModifier

__all__ = ["TestModeModifier"]
