"""Describing a network by calling functions with ProtoVariables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .. import parameter
from .._nd_array import NdArray
from ..errors import ShapeError
from ..graph.callback import Callback
from ..graph.operator import Operator
from ..graph.setup import set_up
from ..graph.variable import Variable
from .in_force import in_force
from .live_functions import DEFAULT_NAME, LiveFunctions, name_below, path_of
from .proto_function import ProtoFunction
from .proto_graph import ProtoGraph
from .proto_network import ProtoNetwork
from .proto_variable import PARAMETER, ProtoVariable


class FlatModule:
    """What stands for a module where functions are called outside of any: a name, and the parameters in force.

    Args:
        name: of the network.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def get_path_name(self) -> str:
        """What names of functions and variables begin with; nothing in a network with the default name."""
        return path_of(self.name)

    @staticmethod
    def get_parameters(recursive: bool = True, grad_only: bool = False, memo: Any = None) -> OrderedDict[str, Variable]:
        """Parameters of the current scope.

        Args:
            recursive: accepted for compatibility.
            grad_only: only those with `need_grad`.
            memo: accepted for compatibility.
        """
        return parameter.get_parameters(grad_only=grad_only)


class ProtoGraphBuilder:
    """Collects what is described into networks.

    A module called with ProtoVariables becomes a network of its own, which ends with the call; so do functions called
    after one another outside of modules.

    Args:
        name: of the first network; default the name of the module, or ``"model"``.
        parameter_scope: where parameters are created and looked up; default the current scope.

    Attributes:
        networks: finished networks by name.
        current: the network that is being described, or ``None``.
        module: the module that is being called, or what stands for it; ``None`` before the first function.
        path: what names of functions begin with: those of the modules that are being called.
        stack: the modules that are being called, from the outermost.
        names: how often each name of a network was needed.
        dirty_flag: whether `current` has functions.
        graph_name: name for the next network, or ``None``.
        proto_graph: what the networks become part of.
    """

    def __init__(self, name: str | None = None, parameter_scope: parameter.Scope | None = None) -> None:
        self.proto_graph = ProtoGraph(parameter_scope=parameter_scope)
        self.networks = self.proto_graph.networks
        self.stack: list[Any] = []
        self.current: ProtoNetwork | None = None
        self.module: Any = None
        self.path = ""
        self.names: dict[str, int] = {}
        self.dirty_flag = False
        self.graph_name = name
        self._scope = parameter.get_current_parameter_scope() if parameter_scope is None else parameter_scope
        self._live: LiveFunctions | None = None
        self._in_scope: dict[Variable, str] = {}
        self._named: dict[Variable, str] = {}
        self._proposed: dict[Variable, str] = {}

    def get_current(self) -> ProtoNetwork:
        """The network that is being described, begun if there is none."""
        if self.current is None:
            self.current = ProtoNetwork(self.proto_graph, self.graph_name or DEFAULT_NAME)
            self._live = LiveFunctions(self.current, self._describe_parameter)
            if self.module is None:
                self._enter(FlatModule(self.current.name))
        return self.current

    def _enter(self, module: Any) -> None:
        self.module = module
        self.path = module.get_path_name()

    def get_module(self) -> Any:
        """The module that is being called, or what stands for it."""
        self.get_current()
        return self.module

    def get_graph(self) -> ProtoGraph:
        """All finished networks."""
        return self.proto_graph

    def dirty(self) -> None:
        """Note that `current` has functions."""
        self.dirty_flag = True

    def is_dirty(self) -> bool:
        """Whether `current` has functions."""
        return self.dirty_flag

    def begin_module(self, module: Any) -> None:
        """Functions belong to `module` from now on."""
        if not self.stack:
            # What was called before the module becomes part of its network.
            self.get_current().name = self.graph_name or module.name
        self.stack.append(module)
        self._enter(module)

    def end_module(self) -> None:
        """Functions belong to the module around this one again. The end of the outermost one ends its network."""
        self.stack.pop()
        if self.stack:
            self._enter(self.stack[-1])
        else:
            self.commit_network()

    def commit_network(self) -> None:
        """Make what was described a network of the graph, if it is anything; the next function begins another one."""
        network = self.current
        self.current = self.module = None
        dirty, self.dirty_flag = self.dirty_flag, False
        if network is None or not dirty:
            return
        self.graph_name = None
        network.name = network._unique(network.name, self.names, self.networks.__contains__)
        self.networks[network.name] = network

    def discard(self) -> None:
        """Forget what was described since the last network was finished."""
        self.current = self.module = None
        self.stack.clear()
        self.dirty_flag = False

    # ---- parameters --------------------------------------------------------------------------------------

    def propose_names(self, names: Mapping[Variable, str]) -> None:
        """Names for Variables that are parameters, should they not be found in the scope."""
        self._proposed |= names

    def describe_live(self, variable: Variable, position: str) -> str:
        """The name in the current network of a Variable that a function reads beside a ProtoVariable.

        A Variable that no function made is a parameter, even if it is registered nowhere. For others, the functions
        that lead to them become part of the network.

        Args:
            position: name for a parameter that has none.
        """
        if variable.parent is None:
            return self._describe_parameter(variable, position)
        self.get_current()
        assert self._live is not None
        self._live.add([variable], self.path)
        return self._live.known[variable]

    def _describe_parameter(self, variable: Variable, position: str, default: str = "") -> str:
        network = self.get_current()
        name = self._parameter_name(variable, position)
        if name not in network.parameters:
            described = ProtoVariable(variable.shape, name, variable.need_grad, PARAMETER)
            described.variable_instance = variable
            network.add_variable(described)
            self.proto_graph.set_parameter(name, variable)
        return name

    def _parameter_name(self, variable: Variable, default: str) -> str:
        name = self._named.get(variable)
        if name is None:
            name = self._name_in_scope(variable) or self._proposed.get(variable, default)
            registered = self.proto_graph._parameter(name)
            if registered is not None and registered != variable:
                # Two modules in one graph may have parameters of the same name.
                name = self.get_current()._unique(name, {}, self.proto_graph.get_parameters().__contains__)
            self._named[variable] = name
        return name

    def _name_in_scope(self, variable: Variable) -> str | None:
        name = self._in_scope.get(variable)
        if name is None:
            # A new parameter, most likely: they are created as functions are called.
            self._in_scope = self._parameters()
            name = self._in_scope.get(variable)
        return name

    def _parameters(self) -> dict[Variable, str]:
        with parameter.parameter_scope("", self._scope):
            found = {param: key for key, param in parameter.get_parameters(grad_only=False).items()}
        if self.stack:
            found |= {param: key for key, param in self.stack[0].get_parameters(grad_only=False).items()}
        return found

    # ---- one call ----------------------------------------------------------------------------------------

    def trace(self, operator: Operator, inputs: Sequence[Any], n_outputs: int = -1) -> Any:
        """Add a call to the network that is being described.

        Args:
            operator: with the values of its arguments.
            inputs: ProtoVariables and Variables, which are parameters; ``None`` for an optional input that is left out.
            n_outputs: how many outputs are wanted, for the functions where that may be chosen.

        Returns:
            One or a tuple of ProtoVariables.
        """
        given = [x for x in inputs if x is not None]
        network = self.get_current()
        _check_inputs(operator, given)
        network.check_adoptable([x for x in given if isinstance(x, ProtoVariable)])
        stand_ins = [Variable(x.shape) for x in given] if isinstance(operator, Callback) else given
        shapes = set_up(operator, inputs, stand_ins, n_outputs)
        prefix = name_below(self.path, operator.declaration.type_name)
        function_name = network.new_function_name(prefix)
        function = ProtoFunction.describe(operator, function_name, self.path, network)
        function.inputs = [
            network.adopt(x, f"{prefix}_in")
            if isinstance(x, ProtoVariable)
            else self.describe_live(x, f"{function_name}_{i}")
            for i, x in enumerate(given)
        ]
        outputs = [
            network.add_variable(ProtoVariable(shape, network.new_variable_name(f"{prefix}_out"))) for shape in shapes
        ]
        function.outputs = [str(y.name) for y in outputs]
        network.add_function(function)
        self.dirty()
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _check_inputs(operator: Operator, given: Sequence[Any]) -> None:
    name = operator.declaration.name
    for x in given:
        if isinstance(x, NdArray) or not isinstance(x, (ProtoVariable, Variable)):
            raise TypeError(
                f"{name}: inputs beside a ProtoVariable must be ProtoVariables or Variables, not {type(x).__name__}"
            )
        if isinstance(x, ProtoVariable) and any(length < 0 for length in x.shape):
            raise ShapeError(f"{name}: a ProtoVariable must have a definite shape, not {x.shape}")


# ---- the builder in force ----------------------------------------------------------------------------------


def _default_builder() -> ProtoGraphBuilder:
    with parameter.parameter_scope("", parameter.root_scope):
        return ProtoGraphBuilder()


in_force.builder = _default_builder()


def current_graph_builder() -> ProtoGraphBuilder:
    """The builder that functions called with ProtoVariables add to."""
    builder: ProtoGraphBuilder = in_force.builder
    return builder


def current_network() -> ProtoNetwork:
    """The network that is being described."""
    return current_graph_builder().get_current()


def current_module() -> Any:
    """The module that is being called with ProtoVariables, or what stands for it."""
    return current_graph_builder().get_module()


@contextmanager
def graph(name: str | None = None, parameter_scope: parameter.Scope | None = None) -> Iterator[ProtoGraph]:
    """Describe networks: functions called with ProtoVariables inside the ``with`` block become part of the graph.

    The networks are there when the block has ended, or the module that was called has returned.

    Args:
        name: of the first network; default the name of the module, or ``"model"``.
        parameter_scope: where parameters are created and looked up; default the current scope.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> with nn.graph_def.graph(name="net") as g:
        ...     y = F.tanh(nn.ProtoVariable((2, 3), "x"))
        >>> g.net.inputs, g.net.outputs
        (['x'], ['@net/Tanh_out'])
    """
    previous = in_force.builder
    builder = ProtoGraphBuilder(name, parameter_scope)
    in_force.builder = builder
    try:
        with parameter.parameter_scope("", builder._scope):
            yield builder.get_graph()
        builder.commit_network()
    finally:
        in_force.builder = previous


@contextmanager
def graph_name(name: str) -> Iterator[None]:
    """Name the network that is described inside the ``with`` block; it ends with the block."""
    builder = current_graph_builder()
    builder.commit_network()
    previous, builder.graph_name = builder.graph_name, name
    try:
        yield
        builder.commit_network()
    finally:
        builder.graph_name = previous


@contextmanager
def module_scope(pgb: ProtoGraphBuilder, module: Any) -> Iterator[None]:
    """Functions called inside the ``with`` block belong to `module`.

    Args:
        pgb: the builder that describes the call.
        module: has a `name`, and the methods `get_path_name` and `get_parameters` of `nnabla.Module`.
    """
    pgb.begin_module(module)
    try:
        yield
    except BaseException:
        pgb.discard()
        raise
    pgb.end_module()


def describes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call with these arguments is to be described: a ProtoVariable is among them, or in a list or tuple."""
    for value in (*args, *kwargs.values()):
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, ProtoVariable):
                return True
    return False


def get_default_graph(*args: Any, **kwargs: Any) -> ProtoGraph:
    """The networks described outside of any `graph` block, or so far inside of one. Ends the current network.

    Args:
        args, kwargs: accepted for compatibility.
    """
    builder = current_graph_builder()
    builder.commit_network()
    return builder.get_graph()


def get_default_graph_by_variable(proto_variable: ProtoVariable) -> ProtoNetwork:
    """The network that `proto_variable` is an output of. Ends the current network.

    Raises:
        ValueError: there is none.
    """
    for network in get_default_graph().networks.values():
        if any(network.variables[name] is proto_variable for name in network.outputs):
            return network
    raise ValueError(f"get_default_graph_by_variable: {proto_variable!r} is not an output of any network")


def reset_default_graph() -> None:
    """Forget all networks described outside of any `graph` block, or so far inside of one."""
    in_force.builder = _default_builder()
