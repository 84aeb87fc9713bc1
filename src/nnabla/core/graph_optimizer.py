"""Door to `nnabla.rewriting.graph_optimizer`."""

from ..logger import logger
from ..rewriting.graph_optimizer import IdentityRemover, remove_function, rename_variable

__all__ = ["IdentityRemover", "logger", "remove_function", "rename_variable"]
