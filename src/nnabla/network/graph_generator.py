"""`ProtoGraphGenerator`: live functions, visited one after the other, become part of the network being described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.variable import Variable
from .in_force import in_force
from .live_functions import LiveFunctions
from .proto_variable import PARAMETER, ProtoVariable


class ProtoGraphGenerator:
    """Describes the functions that it is called with, each after those whose outputs it reads.

    Args:
        names: Variables by the names that they shall have; ``None`` for none.
        params: names of parameters by their arrays. What no function made and is not among them becomes an input.

    Attributes:
        names: by array, with those of `params`.
        params: as given.
        variables: the described variables by array.
        outputs: the Variables that the last function computed.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> x = nn.Variable((2, 3))
        >>> y = F.relu(PF.affine(x, 4, name="fc"))
        >>> params = {param.data: name for name, param in nn.get_parameters().items()}
        >>> with nn.graph_def.graph(name="net") as g, ProtoGraphGenerator({"x": x}, params) as generator:
        ...     y.visit(generator)
        >>> g.net.inputs, list(g.net.parameters), g.net.outputs
        (['x'], ['fc/affine/W', 'fc/affine/b'], ['@net/ReLU_out'])
    """

    def __init__(self, names: Mapping[str, Variable] | None, params: Mapping[NdArray, str]) -> None:
        self.params = params
        self.names: dict[NdArray, str] = {variable.data: name for name, variable in (names or {}).items()}
        self.names.update(params)
        self.variables: dict[NdArray, ProtoVariable] = {}
        self.outputs: list[Variable] = []
        self._functions: LiveFunctions | None = None

    def __enter__(self) -> ProtoGraphGenerator:
        return self

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        self._functions = None

    def renaming(self, i: int, v_name: str) -> str:
        """The name of output number `i` of the last function, where `v_name` is proposed."""
        return self.names.get(self.outputs[i].data, v_name)

    def __call__(self, func: Function) -> None:
        """Add a function to the network that is being described.

        Raises:
            ValueError: it is none of the registered functions, as the gradients in a graph made by `nnabla.grad`.
        """
        builder = in_force.builder
        network = builder.get_current()
        functions = self._functions
        if functions is None or functions.network is not network:
            names = frozenset(self.names.values())
            functions = LiveFunctions(network, self._describe_leaf, lambda v: self.names.get(v.data), names)
            self._functions = functions
        self.outputs = list(func.outputs)
        functions.add_function(func, builder.path)
        builder.dirty()
        for variable in (*func.inputs, *func.outputs):
            self.variables[variable.data] = network._variable(functions.known[variable])

    def _describe_leaf(self, variable: Variable, position: str, default: str) -> str:
        network = in_force.builder.get_current()
        name = self.params.get(variable.data)
        if name is None:
            name = self.names.get(variable.data) or network.new_variable_name(default, frozenset(self.names.values()))
            described = ProtoVariable(variable.shape, name, variable.need_grad)
        else:
            described = ProtoVariable(variable.shape, name, variable.need_grad, PARAMETER)
            described.variable_instance = variable
            network.owner.set_parameter(name, variable)
        return str(network.add_variable(described).name)
