"""Pictures of graphs: what is drawn (`diagram`), where (`layout`), and how it becomes a file (`svg`, `picture`)."""

from .diagram import Diagram, Node
from .picture import write_picture
from .svg import svg

__all__ = ["Diagram", "Node", "svg", "write_picture"]
