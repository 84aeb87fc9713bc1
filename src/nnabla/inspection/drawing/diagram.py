"""What a picture of a graph shows, whatever draws it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...network.proto_network import ProtoNetwork

FUNCTION_COLOR = "#3366cc"
INPUT_COLOR = "#d9d9d9"
BUFFER_COLOR = "#f2f2f2"
PARAMETER_COLOR = "#ffc0cb"


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        key: what edges name it by.
        lines: its text.
        box: a box with white text, for functions; else an ellipse with black text.
        color: that it is filled with, such as ``"#3366cc"`` or a name that SVG knows.
        border: color of its outline.
        tooltip: shown by a browser where the pointer rests on it.
    """

    key: str
    lines: tuple[str, ...]
    box: bool = False
    color: str = BUFFER_COLOR
    border: str = "#666666"
    tooltip: str = ""


@dataclass
class Diagram:
    """A directed graph to be drawn from top to bottom. Edges are pairs of keys; they must not form a circle."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, node: Node) -> None:
        """Add a node; one with the same key is replaced."""
        self.nodes[node.key] = node

    def connect(self, source: str, target: str) -> None:
        """Add an edge between two nodes, which may be added later."""
        self.edges.append((source, target))


def network_diagram(network: ProtoNetwork, shapes: bool = True) -> Diagram:
    """The functions, variables and parameters of a described network.

    Args:
        shapes: write the shape of each variable below its name.
    """
    diagram = Diagram()
    for variable in (*network.variables.values(), *network.parameters.values()):
        name = str(variable.name)
        parameter = variable.type == "Parameter"
        color = PARAMETER_COLOR if parameter else INPUT_COLOR if variable.parent is None else BUFFER_COLOR
        # Of a parameter or a result, the last part says what it is; the function says where.
        lines = [name.rsplit("/", 1)[-1]]
        if shapes:
            lines.append(" × ".join(map(str, variable.shape)) or "scalar")
        tooltip = f"{name} {tuple(variable.shape)}"
        diagram.add(Node(f"v:{name}", tuple(lines), color=color, tooltip=tooltip))
    for function in network.functions.values():
        name = str(function.name)
        arguments = "\n".join(f"{key}: {value}" for key, value in function.args.items())
        lines = [function.type] if name == function.type else [function.type, name]
        diagram.add(Node(f"f:{name}", tuple(lines), box=True, color=FUNCTION_COLOR, tooltip=arguments or name))
        for source in function.inputs:
            diagram.connect(f"v:{source}", f"f:{name}")
        for result in function.outputs:
            diagram.connect(f"f:{name}", f"v:{result}")
    return diagram
