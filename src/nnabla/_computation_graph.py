"""Door to `nnabla.forward_all`."""

from .engine.forward import forward_all

__all__ = ["forward_all"]
