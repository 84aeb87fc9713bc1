"""Door to nodes of a graph: their classes, and for each type name a constructor."""

from .graph.function import Function, Info
from .graph.operator import registry
from .graph.python_function import PythonFunction
from .graph.variable import Variable as UnsafeVariable  # what a PythonFunction works on
from .network import ProtoFunction, ProtoVariable
from .operators.constructors import constructor

__all__ = ["Function", "Info", "ProtoFunction", "ProtoVariable", "PythonFunction", "UnsafeVariable"]


def __getattr__(name: str) -> object:
    return constructor(name)


def __dir__() -> list[str]:
    return sorted([*__all__, *registry])
