"""Door to `nnabla.rewriting.graph_optimizer`."""

from ..rewriting.graph_optimizer import IdentityRemover, remove_function, rename_variable

__all__ = ["IdentityRemover", "remove_function", "rename_variable"]
