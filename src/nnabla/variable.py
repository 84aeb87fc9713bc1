"""`Variable` and `Context`, under the path that scripts import them from."""

from .context import Context
from .graph.variable import Variable

__all__ = ["Context", "Variable"]
