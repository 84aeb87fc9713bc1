"""A diagram as SVG, without any program but a browser to see it."""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise

from .diagram import Diagram, Node
from .layout import layered

FONT_SIZE = 12.0
LINE_HEIGHT = 15.0
MARGIN = 8.0
# Of a character of the font, in its size: a little wide, since fonts differ.
CHARACTER = 0.6


def svg(diagram: Diagram) -> str:
    """The text of an SVG file.

    Raises:
        ValueError: an edge of the diagram names no node, or its edges form a circle.
    """
    sizes = {key: _size(node) for key, node in diagram.nodes.items()}
    layout = layered(sizes, diagram.edges)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-MARGIN:.0f} {-MARGIN:.0f} {width:.1f} {height:.1f}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{FONT_SIZE:.0f}">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="#555555"/></marker></defs>',
        f'<rect x="{-MARGIN:.0f}" y="{-MARGIN:.0f}" width="{width:.1f}" height="{height:.1f}" fill="white"/>',
    ]
    for (source, target), bends in layout.bends.items():
        x0, y0 = layout.centers[source]
        x1, y1 = layout.centers[target]
        points = [(x0, y0 + sizes[source][1] / 2), *bends, (x1, y1 - sizes[target][1] / 2)]
        parts.append(f'<path d="{_curve(points)}" fill="none" stroke="#555555" marker-end="url(#arrow)"/>')
    for key, node in diagram.nodes.items():
        parts.append(_drawn(node, *layout.centers[key], *sizes[key]))
    parts.append("</svg>\n")
    return "\n".join(parts)


def _size(node: Node) -> tuple[float, float]:
    lines = node.text()
    width = max((len(line) for line in lines), default=0) * FONT_SIZE * CHARACTER
    height = len(lines) * LINE_HEIGHT
    # Text fits into an ellipse that is wider and higher by the square root of 2.
    return (width + 14, height + 10) if node.box else (width * 1.2 + 14, height * 1.3 + 8)


def _curve(points: list[tuple[float, float]]) -> str:
    """A path through the points that leaves and meets each of them vertically."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path += f" C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return path


def _drawn(node: Node, x: float, y: float, width: float, height: float) -> str:
    fill, stroke = _color(node.color), _color(node.border)
    if node.box:
        shape = (
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="3" fill="{fill}" stroke="{stroke}"/>'
        )
    else:
        shape = (
            f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{width / 2:.1f}" ry="{height / 2:.1f}" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )
    lines = node.text()
    top = y - (len(lines) - 1) * LINE_HEIGHT / 2
    texts = "".join(
        f'<text x="{x:.1f}" y="{top + i * LINE_HEIGHT:.1f}" text-anchor="middle" dominant-baseline="central" '
        f'fill="{node.text_color}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    tooltip = f"<title>{escape(node.tooltip)}</title>" if node.tooltip else ""
    return f"<g>{tooltip}{shape}{texts}</g>"


# Names that SVG gives other colors than graphviz.
_OTHERS = {"green": "#00ff00", "gray": "#c0c0c0", "purple": "#a020f0", "maroon": "#b03060"}


def _color(name: str) -> str:
    """A color of graphviz; its shades such as ``lightblue2`` are none of SVG's, but ``lightblue`` is."""
    return escape(_OTHERS.get(name) or re.sub(r"^([a-z]+)[1-4]$", r"\1", name))
