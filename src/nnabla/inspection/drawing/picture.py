"""A diagram as a file: by graphviz where it is installed, as SVG where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess

from ...errors import ArgumentError
from ...files.atomic import replacing
from ...logger import logger
from .diagram import Diagram
from .svg import svg

FORMATS = ("png", "svg", "pdf", "jpg", "gif", "dot")


def write_picture(diagram: Diagram, path: str, format: str = "png") -> str:
    """Write a picture and return its path.

    Args:
        diagram: what is drawn.
        path: of the file, without the extension.
        format: ``"png"``, ``"svg"``, ``"pdf"``, ``"jpg"``, ``"gif"`` or ``"dot"`` (the text that graphviz reads).
            Without the program ``dot`` of graphviz, SVG is written in place of the first four, and the log says so.

    Raises:
        ArgumentError: the format is none of these.
        RuntimeError: graphviz fails.
    """
    if format not in FORMATS:
        raise ArgumentError(f"draw_graph: format must be one of {', '.join(FORMATS)}, not {format!r}")
    dot = shutil.which("dot")
    if format == "dot":
        return _written(f"{path}.dot", dot_source(diagram).encode())
    if dot is None:
        if format != "svg":
            logger.warning("The program dot of graphviz is not installed: %s.svg is written, no %s.", path, format)
        return _written(f"{path}.svg", svg(diagram).encode())
    done = subprocess.run([dot, f"-T{format}"], input=dot_source(diagram).encode(), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"draw_graph: graphviz failed: {done.stderr.decode(errors='replace').strip()}")
    return _written(f"{path}.{format}", done.stdout)


def _written(path: str, data: bytes) -> str:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
    return path


def dot_source(diagram: Diagram) -> str:
    """The diagram in graphviz' language; keys are replaced by numbers, texts are quoted."""
    number = {key: i for i, key in enumerate(diagram.nodes)}
    lines = ["digraph {", 'node [fontname="Helvetica" fontsize=12 style=filled]']
    for key, node in diagram.nodes.items():
        attributes = {
            "label": "\n".join(node.text()),
            "shape": "box" if node.box else "ellipse",
            "fillcolor": node.color,
            "color": node.border,
            "fontcolor": node.text_color,
            "tooltip": node.tooltip,
        }
        lines.append(f"n{number[key]} [{' '.join(f'{k}={_quoted(v)}' for k, v in attributes.items())}]")
    lines += [f"n{number[source]} -> n{number[target]}" for source, target in dict.fromkeys(diagram.edges)]
    return "\n".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    # Backslashes start graphviz' own escapes.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
