"""What a picture of a graph shows, whatever draws it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...network.proto_network import ProtoNetwork

FUNCTION_COLOR = "#3366cc"
INPUT_COLOR = "#d9d9d9"
BUFFER_COLOR = "#f2f2f2"
PARAMETER_COLOR = "#ffc0cb"

# Characters of a line, where it can be broken.
BOX_WIDTH, ELLIPSE_WIDTH = 44, 24
_LIGHT_COLORS = frozenset(
    {"green", "orange", "gray", "pink", "yellow", "gold", "cyan", "lime", "white", "beige", "wheat"}
)


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        key: what edges name it by.
        lines: its text.
        box: a box, for functions; else an ellipse.
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

    @property
    def text_color(self) -> str:
        """White in boxes of dark colors, else black."""
        return "black" if not self.box or _is_light(self.color) else "white"

    def text(self) -> list[str]:
        """Its lines as they are drawn: what has several entries with names stands on several lines, if it is long.

        Example:
            >>> Node("f", ('({"kernel": [2, 2], "stride": [2, 2], "pad": [0, 0]})',), box=True).text()
            ['({"kernel": [2, 2], "stride": [2, 2],', '"pad": [0, 0]})']
        """
        found = []
        for line in self.lines:
            first, *rest = re.split(r'(?<=,) (?="|\w+=)', line)
            found.append(first)
            for entry in rest:
                if len(found[-1]) + len(entry) < (BOX_WIDTH if self.box else ELLIPSE_WIDTH):
                    found[-1] += f" {entry}"
                else:
                    found.append(entry)
        return found


def _is_light(color: str) -> bool:
    """Whether black text is read more easily on a color; by the brightness that recommendation BT.601 gives it."""
    if re.fullmatch("#[0-9a-fA-F]{6}", color):
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue > 150
    return color.startswith("light") or color.rstrip("1234") in _LIGHT_COLORS


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
