"""Door to `nnabla.inspection.drawing.simple_graph`."""

from ..inspection.drawing.simple_graph import SimpleGraph

__all__ = ["SimpleGraph"]
