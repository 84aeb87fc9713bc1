"""Door to variables, contexts and what `backward` calls, under the path that some scripts import them from."""

from .context import Context
from .graph.hooks import CommunicatorBackwardCallback
from .graph.variable import Variable

__all__ = ["CommunicatorBackwardCallback", "Context", "Variable"]
