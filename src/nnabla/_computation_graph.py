"""Door to `nnabla.forward_all`."""

from .graph.forward import forward_all

__all__ = ["forward_all"]
