"""`SimpleGraph`: a picture of the graph that leads to a variable."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...graph.function import Function
from ...graph.order import topological
from ...graph.variable import Variable
from ..functions_seen import arguments_of, parameter_names
from .diagram import Diagram, Node
from .picture import dot_source, write_picture
from .svg import svg

# By what the type of a function contains, the first that fits.
_COLORS = {
    "Normalization": "orange",
    "Convolution": "blue",
    "Affine": "red",
    "Pooling": "lightblue2",
    "ReLU": "green",
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), "purple"),
}
_PARAMETER, _OTHER = "pink", "lightgray"


class _Step(NamedTuple):
    """A function with what is drawn of it; inputs and outputs in their order."""

    function: Node
    inputs: list[Node]
    outputs: list[Node]


class View:
    """A picture that was made; as the last line of a notebook's cell, it is shown there.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: str, diagram: Diagram) -> None:
        self.path = path
        self._diagram = diagram

    def _repr_svg_(self) -> str:
        """Representation in a notebook."""
        return svg(self._diagram)

    def __repr__(self) -> str:
        return f"<View of {len(self._diagram.nodes)} nodes in {self.path}>"


class SimpleGraph:
    """Draws graphs: functions as boxes, variables as ellipses, parameters in pink.

    Graphviz draws where its program ``dot`` is installed; else the picture is an SVG file of this package's own layout.

    Args:
        format: of the file, ``"png"``, ``"svg"``, ``"pdf"``, ``"jpg"`` or ``"gif"``.
        verbose: also show the arguments of functions, and shapes and `need_grad` of variables.
        fname_color_map: colors of functions by their type, or by type and number, such as ``"ReLU-1"``.
        vname_color_map: colors of variables that are no parameters, by their name.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> y = F.relu(PF.affine(nn.Variable((8, 3)), 4, name="fc"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = SimpleGraph(format="svg").save(y, os.path.join(folder, "network"), cleanup=True)
        ...     os.listdir(folder)
        ['network.svg']
    """

    def __init__(
        self,
        format: str = "png",
        verbose: bool = False,
        fname_color_map: Mapping[str, str] | None = None,
        vname_color_map: Mapping[str, str] | None = None,
    ) -> None:
        self._format = format
        self._verbose = verbose
        self._fname_color_map = dict(fname_color_map or {})
        self._vname_color_map = dict(vname_color_map or {})
        self.functor: Callable[[Variable, Mapping[str, Variable] | None], Diagram] = self.diagram
        """What makes the diagram of a graph."""

    def _steps(self, vleaf: Variable, params: Mapping[str, Variable] | None) -> Iterator[_Step]:
        if not isinstance(vleaf, Variable):
            raise TypeError(f"SimpleGraph: vleaf must be a Variable, not {type(vleaf).__name__}")
        names = parameter_names() if params is None else {v: name for name, v in params.items()}
        made: set[Variable] = set()
        numbers: Counter[str] = Counter()
        for function in topological([vleaf]):
            inputs, outputs = function.inputs, function.outputs
            numbers[function.name] += 1
            node = self._function(function, numbers[function.name], names)
            shown = [self._variable(v, v in made, names) for v in inputs]
            made.update(outputs)
            yield _Step(node, shown, [self._variable(v, True, names) for v in outputs])

    def _function(self, function: Function, number: int, names: Mapping[Variable, str]) -> Node:
        key = f"{function.name}-{number}"
        scopes = [names[v].rpartition("/")[0] for v in function.inputs if v in names]
        arguments = arguments_of(function)
        lines = [function.name, *scopes[:1]] if any(scopes) else [function.name]
        if self._verbose:
            lines.append(f"({json.dumps(arguments, default=str)})")
        found = self._fname_color_map.get(key) or self._fname_color_map.get(function.name)
        color = found or next((c for part, c in _COLORS.items() if part in function.name), "gray")
        tooltip = "\n".join(f"{name}: {value}" for name, value in arguments.items())
        return Node(key, tuple(lines), True, color, color, tooltip or function.name)

    def _variable(self, variable: Variable, made: bool, names: Mapping[Variable, str]) -> Node:
        name = names.get(variable)
        color = self._vname_color_map.get(variable.name, _OTHER) if name is None else _PARAMETER
        lines = [variable.name or "h" if name is None else name.rpartition("/")[2]]
        if self._verbose:
            lines.append(f"(({variable.shape}, need_grad={variable.need_grad}))")
        border = "black" if variable.need_grad else color
        tooltip = f"{name or lines[0]} {variable.shape}"
        return Node(f"{hash(variable)}-{int(made)}", tuple(lines), False, color, border, tooltip)

    def diagram(self, vleaf: Variable, params: Mapping[str, Variable] | None = None) -> Diagram:
        """What is drawn.

        Args:
            vleaf: the end of the graph.
            params: parameters by name; default those that are registered.
        """
        found = Diagram()
        for step in self._steps(vleaf, params):
            for node in (step.function, *step.inputs, *step.outputs):
                found.add(node)
            for node in step.inputs:
                found.connect(node.key, step.function.key)
            for node in step.outputs:
                found.connect(step.function.key, node.key)
        return found

    def create_graphviz_digraph(
        self, vleaf: Variable, params: Mapping[str, Variable] | None = None, format: str | None = None
    ) -> Any:
        """The graph as an object of the package ``graphviz``.

        Args:
            vleaf: the end of the graph.
            params: parameters by name; default those that are registered.
            format: of files that the object makes; default as the viewer was made with.

        Raises:
            ImportError: the package is not installed. `save` and `view` do without it.
        """
        try:
            from graphviz import Digraph
        except ImportError as error:
            raise ImportError(
                "SimpleGraph.create_graphviz_digraph needs graphviz: pip install 'nnabla[graphviz]'", name="graphviz"
            ) from error
        shapes = {True: "box", False: ""} if self._verbose else {True: "square", False: "circle"}
        graph = Digraph(format=format or self._format)
        graph.attr("node", style="filled")

        def draw(node: Node) -> None:
            attributes = {"fontcolor": "white"} if node.box else {"fillcolor": node.color}
            graph.node(node.key, "\n".join(node.lines), color=node.border, **attributes, shape=shapes[node.box])

        for step in self._steps(vleaf, params):
            for node in step.inputs:
                graph.edge(node.key, step.function.key)
                draw(node)
            for node in step.outputs:
                graph.edge(step.function.key, node.key)
                draw(node)
            draw(step.function)
        return graph

    def save(self, vleaf: Variable, fpath: str, cleanup: bool = False, format: str | None = None) -> str:
        """Write a picture.

        Args:
            vleaf: the end of the graph.
            fpath: of the file, without the extension; folders are made.
            cleanup: do not leave the text that graphviz draws from, which goes to `fpath` itself.
            format: of the file; default as the viewer was made with.

        Returns:
            The path of the picture.

        Raises:
            ArgumentError: the format is unknown.
        """
        return self._saved(self.diagram(vleaf), fpath, cleanup, format)

    def _saved(self, diagram: Diagram, fpath: str, cleanup: bool, format: str | None) -> str:
        path = write_picture(diagram, fpath, format or self._format)
        if not cleanup:
            with open(fpath, "w", encoding="utf-8") as file:
                file.write(dot_source(diagram))
        return path

    def view(
        self,
        vleaf: Variable,
        fpath: str | None = None,
        cleanup: bool = True,
        format: str | None = None,
        params: Mapping[str, Variable] | None = None,
    ) -> View:
        """Write a picture and open it in the program that shows such files.

        Args:
            vleaf: the end of the graph.
            fpath: of the file, without the extension; default one in a temporary folder.
            cleanup: as in `save`.
            format: of the file; default as the viewer was made with.
            params: parameters by name; default those that are registered.

        Returns:
            What a notebook shows.
        """
        if fpath is None:
            fpath = os.path.join(tempfile.mkdtemp(prefix="nnabla-"), "graph")
        diagram = self.diagram(vleaf, params)
        found = View(self._saved(diagram, fpath, cleanup, format), diagram)
        webbrowser.open(f"file://{os.path.abspath(found.path)}")
        return found
