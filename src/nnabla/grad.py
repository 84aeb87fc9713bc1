"""Door to gradients as a graph, and to the registry of what builds them."""

from .graph.grad import Grad, GradEndFunction, grad
from .graph.gradient_builders import registry
from .graph.python_function import PythonFunction

__all__ = ["Grad", "GradEndFunction", "PythonFunction", "grad", "registry"]
