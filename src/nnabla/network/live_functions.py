"""Functions of a live graph, added to a described network."""

from __future__ import annotations

from collections.abc import Callable

from ..graph.function import Function
from ..graph.order import topological
from ..graph.variable import Variable
from .proto_function import ProtoFunction
from .proto_network import ProtoNetwork
from .proto_variable import ProtoVariable

DEFAULT_NAME = "model"


def path_of(name: str) -> str:
    """What names of functions and variables of a network begin with: ``"@name"``, or ``""`` for the default name."""
    return "" if name == DEFAULT_NAME else f"@{name}"


def name_below(path: str, name: str) -> str:
    """``"path/name"``, or `name` where the path is empty."""
    return f"{path}/{name}" if path else name


class LiveFunctions:
    """Describes live functions in one network, each once.

    Variables that share their memory are one, as their equality says: a variable and the same one, unlinked.

    Args:
        network: that they are added to.
        describe_leaf: gives the name in the network of a Variable that no function made. It is called with the
            Variable, the name of the function and position of the input where it was first met, and the name that
            an input has there.
        name_of_output: name for a Variable that a function made, or ``None`` for one after the function.
        reserved: names that no other variable may get.
    """

    def __init__(
        self,
        network: ProtoNetwork,
        describe_leaf: Callable[[Variable, str, str], str],
        name_of_output: Callable[[Variable], str | None] = lambda variable: None,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self.network = network
        self.describe_leaf = describe_leaf
        self.name_of_output = name_of_output
        self.reserved = reserved
        self.known: dict[Variable, str] = {}
        self.added: set[Function] = set()

    def add(self, roots: list[Variable], path: str) -> None:
        """Describe the functions that lead to `roots`; new ones get names below `path`."""
        for function in topological(roots):
            if function not in self.added:
                self.added.add(function)
                self.add_function(function, path)

    def add_function(self, function: Function, path: str) -> None:
        """Describe one function, whose inputs are described, or become leaves; it gets a name below `path`."""
        network = self.network
        prefix = name_below(path, function.info.type_name)
        name = network.new_function_name(prefix)
        described = ProtoFunction.describe(function._operator, name, path, network)
        for i, variable in enumerate(function.inputs):
            if variable not in self.known:
                self.known[variable] = self.describe_leaf(variable, f"{name}_{i}", f"{prefix}_in")
            described.inputs.append(self.known[variable])
        for variable in function.outputs:
            if variable not in self.known:
                chosen = self.name_of_output(variable) or network.new_variable_name(f"{prefix}_out", self.reserved)
                self.known[variable] = chosen
                network.add_variable(ProtoVariable(variable.shape, chosen))
            described.outputs.append(self.known[variable])
        network.add_function(described)
