"""Products of matrices with parameters as affine layers: what other frameworks' models have in place of these."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np

from ..graph.variable import Variable
from ..network import ProtoFunction, ProtoGraph, ProtoNetwork
from ..network.proto_variable import PARAMETER, ProtoVariable
from .graph_optimizer import IdentityRemover

__all__ = ["optimize_nnp", "simplified"]


def optimize_nnp(graph_def: ProtoGraph) -> ProtoNetwork:
    """The first network of `simplified`."""
    return simplified(graph_def).default_graph()


def simplified(graph_def: ProtoGraph) -> ProtoGraph:
    """A graph whose networks compute the same with fewer functions.

    Reshapes of parameters are done beforehand; a BatchMatmul with a matrix that is a parameter becomes an Affine, with
    the row of parameters that an Add2 adds to it as its bias, and without the reshapes around it that give matrices the
    axis of a batch; functions that compute nothing go.

    Args:
        graph_def: networks with values for their parameters. It stays as it is.

    Returns:
        A graph of its own, with the parameters that are left, and the executors.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> nn.clear_parameters()
        >>> x, w = nn.Variable((5, 2, 3)), nn.parameter.get_parameter_or_create("w", (1, 3, 4))
        >>> graph = nn.graph_def.create_graph_from_variable("net", F.batch_matmul(x, w), names={"x": x})
        >>> [f.type for f in simplified(graph)["net"].functions.values()]
        ['Affine']
    """
    given = graph_def.get_parameters()
    values = {name: parameter.d for name, parameter in given.items()}
    found = ProtoGraph()
    for name, network in graph_def.networks.items():
        found[name] = network.promote(lambda copy: _Simplifier(copy, values).run())
    found.executors = OrderedDict(graph_def.executors)
    for network in found.networks.values():
        for name, described in network.parameters.items():
            if name in values:
                found.set_parameter(name, given.get(name) or _variable(values[name], described.need_grad))
    return found


def _variable(values: np.ndarray, need_grad: bool) -> Variable:
    variable = Variable(values.shape, need_grad=need_grad)
    variable.d = values
    return variable


class _Simplifier:
    """Changes one network.

    Args:
        network: to be changed.
        values: of parameters by name; those that it makes are added.
    """

    def __init__(self, network: ProtoNetwork, values: dict[str, np.ndarray]) -> None:
        self.network = network
        self.values = values

    def run(self) -> None:
        self.network.execute_on_proto(IdentityRemover())
        for change in (self._reshaped_parameter, self._product, self._shapes_around, self._bias):
            for function in list(self.network.forward_sequence()):
                if change(function):
                    self.network.relink()
        parameters = self.network.parameters
        for name in [name for name, parameter in parameters.items() if not parameter.required]:
            del parameters[name]

    def _reshaped_parameter(self, f: ProtoFunction) -> bool:
        if f.type != "Reshape" or not self._is_known(f.inputs[0]) or not self._is_inner(f.outputs[0]):
            return False
        shape = self.network.variables[f.outputs[0]].shape
        name = self._parameter(f.inputs[0], self.values[f.inputs[0]].reshape(shape))
        self._let_read(f.outputs[0], name)
        self._remove(f)
        return True

    def _product(self, f: ProtoFunction) -> bool:
        if f.type != "BatchMatmul" or f.args.get("transpose_a") or not self._is_known(f.inputs[1]):
            return False
        x, weight = self.network._variable(f.inputs[0]), self.values[f.inputs[1]]
        if weight.ndim != len(x.shape) or math.prod(weight.shape[:-2]) != 1:
            return False
        table = weight.reshape(weight.shape[-2:])
        table = table.T if f.args.get("transpose_b") else table
        f.type, f.args = "Affine", {"base_axis": len(x.shape) - 1}
        f.inputs = [f.inputs[0], self._parameter(f.inputs[1], table)]
        f._present = None
        return True

    def _shapes_around(self, f: ProtoFunction) -> bool:
        """An affine layer between reshapes that only give matrices the axes of a batch, and take them away."""
        if f.type != "Affine" or self._is_known(f.inputs[0]):
            return False
        inner, outer = (self.network._variable(name) for name in (f.inputs[0], f.outputs[0]))
        before = self.network.functions.get(inner.parent or "")
        after = self.network.functions.get(outer.required[0]) if len(outer.required) == 1 else None
        if before is None or after is None or before.type != "Reshape" or after.type != "Reshape":
            return False
        x, y = self.network._variable(before.inputs[0]), self.network._variable(after.outputs[0])
        last = int(f.args["base_axis"]) == len(inner.shape) - 1 and x.shape[-1:] == inner.shape[-1:]
        if not last or y.shape != (*x.shape[:-1], outer.shape[-1]):
            return False
        f.args = {"base_axis": len(x.shape) - 1}
        f.inputs = [str(x.name), *f.inputs[1:]]
        f.outputs = list(after.outputs)
        del self.network.variables[str(outer.name)], self.network.functions[str(after.name)]
        if inner.required == [f.name]:
            self._remove(before)
        return True

    def _bias(self, f: ProtoFunction) -> bool:
        if f.type != "Add2":
            return False
        for result, row in (f.inputs, f.inputs[::-1]):
            layer = self.network.functions.get(self.network._variable(result).parent or "")
            if layer is None or layer.type != "Affine" or len(layer.inputs) != 2 or not self._is_known(row):
                continue
            shape, numbers = self.network.variables[result].shape, self.values[row]
            if self.network.variables[result].required != [f.name] or len(shape) != int(layer.args["base_axis"]) + 1:
                continue
            if numbers.size != shape[-1] or numbers.shape[-1:] != shape[-1:] or numbers.ndim > len(shape):
                continue
            layer.inputs = [*layer.inputs, self._parameter(row, numbers.ravel())]
            layer._present = None
            del self.network.variables[result]
            layer.outputs = list(f.outputs)
            del self.network.functions[str(f.name)]
            return True
        return False

    # ---- names -------------------------------------------------------------------------------------------

    def _is_known(self, name: str) -> bool:
        return name in self.network.parameters and name in self.values

    def _is_inner(self, name: str) -> bool:
        return bool(self.network.variables[name].required)

    def _parameter(self, old: str, values: np.ndarray) -> str:
        """The name of a parameter with these values, that of `old` where it has them already."""
        if self.values[old].shape == values.shape and np.shares_memory(self.values[old], values):
            return old
        name = self.network.new_variable_name(f"{old}_{'x'.join(map(str, values.shape))}")
        given = self.network.parameters[old]
        self.network.add_variable(ProtoVariable(values.shape, name, given.need_grad, PARAMETER))
        self.values[name] = np.ascontiguousarray(values)
        return name

    def _let_read(self, old: str, new: str) -> None:
        for function in self.network.functions.values():
            function.inputs = [new if name == old else name for name in function.inputs]

    def _remove(self, f: ProtoFunction) -> None:
        for name in f.outputs:
            del self.network.variables[name]
        del self.network.functions[str(f.name)]
