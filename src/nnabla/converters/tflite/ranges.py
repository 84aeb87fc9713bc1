"""Between which numbers the tensors of a graph lie, over representative inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...engine.forward import forward_all
from ...graph.call import apply
from ...graph.operator import registry
from ...graph.setup import with_gaps
from ...graph.variable import Variable
from ..reading.graph_reader import Budget, Edge
from .flat_graph import FlatGraph
from .flat_reader import FlatReader
from .importer import Walk

Ranges = dict[int, tuple[float, float]]

# Borders that only say "less than anything" lie beyond this.
_NO_BORDER = 1e37


def ranges_of(g: FlatGraph, inputs: Sequence[int], batches: Iterable[Sequence[np.ndarray]]) -> Ranges:
    """The least and the largest number of each float tensor that operators read or compute; 0 is always between them.

    The graph is read as a network and run.

    Args:
        g: of float32.
        inputs: numbers of the tensors that are given.
        batches: for each run, an array for each input.

    Raises:
        FormatError: an operator cannot be read.
    """
    # Everything is known here already: nothing is bounded by the size of a file.
    reader = FlatReader(Budget(1 << 50))
    walk = Walk(reader, g, 1 << 50)
    given = [walk.input(n) for n in inputs]
    walk.operators()
    walk.refuse("the network")
    variables = _run(reader, [x.edge for x in given])
    watched = {
        n: variables[value.edge]
        for n, value in walk.values.items()
        if value is not None and value.edge in variables and g.tensors[n].dtype == np.float32
    }
    ends = list(watched.values())
    found: Ranges = {}
    for batch in batches:
        for x, array in zip(given, batch, strict=True):
            variables[x.edge].d = array
        forward_all(ends)
        for n, variable in watched.items():
            found[n] = _joined(found.get(n, (0.0, 0.0)), variable.d)
    for n, value in walk.values.items():
        if n not in found and value is not None and value.array is not None and g.tensors[n].dtype == np.float32:
            found[n] = _joined((0.0, 0.0), value.array)
    return found


def _run(reader: FlatReader, inputs: list[Edge]) -> dict[Edge, Variable]:
    """A graph of all calls; its variables."""
    variables = {edge: Variable(edge.shape) for edge in inputs}

    def source(edge: Edge) -> Variable:
        if edge not in variables:
            assert edge.array is not None
            variables[edge] = Variable.from_numpy_array(np.asarray(edge.array, np.float32))
        return variables[edge]

    for call in reader.calls:
        operator = registry[call.type_name](**call.operator.arguments)
        results = apply(operator, with_gaps(call.operator, [source(edge) for edge in call.inputs]), len(call.outputs))
        for edge, variable in zip(call.outputs, results if isinstance(results, tuple) else (results,), strict=False):
            variables[edge] = variable
    return variables


def _joined(range_: tuple[float, float], values: np.ndarray) -> tuple[float, float]:
    inside = values[np.abs(values) < _NO_BORDER]
    if not inside.size:
        return range_
    return min(range_[0], float(inside.min())), max(range_[1], float(inside.max()))
