"""From what was read of a model to a described network with parameters."""

from __future__ import annotations

import numpy as np

from ...graph.variable import Variable
from ...network import ProtoExecutor, ProtoFunction, ProtoGraph, ProtoNetwork, ProtoVariable
from ...network.proto_variable import PARAMETER
from ..obstacles import Unsupported
from .graph_reader import Edge
from .readings import Reading

EXECUTOR = "runtime"
"""Name of the executor that says what the inputs and outputs are."""


def described(reading: Reading, name: str, inputs: list[str], outputs: list[str]) -> ProtoGraph:
    """A graph of one network, with its parameters and an executor.

    Args:
        reading: what was read.
        name: of the network.
        inputs, outputs: names of the variables for those of the model. One that is an input and an output ends in
            ``_out`` as the latter.

    Raises:
        Unsupported: a parameter holds an integer that float32 cannot, or nothing is asked for.
    """
    if not outputs:
        raise Unsupported("it has no outputs")
    return _Description(reading, name, inputs, outputs).graph


class _Description:
    def __init__(self, reading: Reading, name: str, inputs: list[str], outputs: list[str]) -> None:
        self.graph = ProtoGraph()
        self.graph[name] = ProtoNetwork(self.graph, name, reading.batch)
        self.network = self.graph[name]
        self.reading = reading
        self.names: dict[Edge, str] = {}
        outputs = [f"{variable}_out" if variable in inputs else variable for variable in outputs]
        self.reserved = {*inputs, *outputs}
        for edge, variable in zip(reading.inputs, inputs, strict=True):
            self._variable(edge, variable)
        ends = dict(zip(reading.outputs, outputs, strict=True))
        for number, call in enumerate(reading.calls):
            operator = call.operator
            function = ProtoFunction(None, call.type_name, {}, self._function_name(call.type_name), self.network)
            function.args = dict(operator.arguments) | reading.open_args.get(number, {})
            function.inputs = [self._source(edge) for edge in call.inputs]
            function._present = operator.present
            for edge in call.outputs:
                wanted = ends.get(edge)
                self._variable(edge, wanted or self._new(edge.name or f"{function.name}_out"))
            function.outputs = [self.names[edge] for edge in call.outputs]
            self.network.add_function(function)
        # Those of the model come first.
        others = [variable for variable in self.network.outputs if variable not in outputs]
        for variable in (*outputs, *others):
            self.network.variables.move_to_end(variable)
        executor = {"name": EXECUTOR, "data": inputs, "output": outputs}
        self.graph.executors[EXECUTOR] = ProtoExecutor.create_from_dict({**executor, "network": name}, self.network)

    def _function_name(self, type_name: str) -> str:
        return self.network.new_function_name(type_name)

    def _new(self, name: str) -> str:
        return self.network.new_variable_name(name, self.reserved)

    def _variable(self, edge: Edge, name: str) -> None:
        axes = self.reading.open_axes.get(edge, ())
        shape = tuple([-1 if axis in axes else d for axis, d in enumerate(edge.shape)])
        self.network.add_variable(ProtoVariable(shape, name))
        self.names[edge] = name

    def _source(self, edge: Edge) -> str:
        if edge not in self.names:
            assert edge.array is not None
            self._parameter(edge, edge.array)
        return self.names[edge]

    def _parameter(self, edge: Edge, array: np.ndarray) -> None:
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(array, np.float32).reshape(array.shape)
        if array.dtype.kind in "iu" and (values.astype(np.float64) != array.astype(np.float64)).any():
            raise Unsupported(f"array {edge.name!r} holds integers that float32 cannot hold")
        wanted = "/".join([part for part in edge.name.split("/") if part]) or "constant"
        while True:
            key = self._new(wanted)
            try:
                self.graph.set_parameter(key, Variable.from_numpy_array(values, need_grad=edge.learned))
                break
            except ValueError:
                # Part of it names a parameter, or it is the beginning of the name of one.
                wanted = wanted.replace("/", "_") + "_"
        self.network.add_variable(ProtoVariable(values.shape, key, edge.learned, PARAMETER))
        self.names[edge] = key
