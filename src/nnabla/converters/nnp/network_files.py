"""`NnpLoader`: networks of a file as graphs of Variables."""

from __future__ import annotations

from typing import Any

from ... import parameter
from ..._memory import collector_resting
from ...context import context_scope
from ...graph.variable import Variable
from ...network import ProtoNetwork
from ...network.initial_values import InitialValues
from ...network.saved_graphs import load
from .network_passes import Network, NnpNetworkPass, PassVariable


class NnpNetwork:
    """A network of a file, built.

    Args:
        proto_network: the description, which is not changed.
        batch_size: for variables that leave it open; ``None`` for what the description says.
        callback: changes the network; ``None`` for none.

    Attributes:
        proto_network: as it was built.
    """

    def __init__(
        self, proto_network: ProtoNetwork, batch_size: int | None, callback: NnpNetworkPass | None = None
    ) -> None:
        passes = NnpNetworkPass() if callback is None else callback
        network = self.proto_network = proto_network.clone()
        if batch_size is not None:
            network.batch_size = batch_size
        described = Network(network)
        passes.change(described, network.owner.parameter_scope)
        self._variables: dict[str, Variable] = {}
        with collector_resting(), context_scope(network.current_context), InitialValues(network.owner) as initial:
            self._build(described, passes, initial)
        self._inputs = {name: self._variables[name] for name in network.inputs}
        self._outputs = {name: self._variables[name] for name in network.outputs}

    def _build(self, described: Network, passes: NnpNetworkPass, initial: InitialValues) -> None:
        network = described.network
        for name, parameter_ in network.parameters.items():
            variable = initial.parameter(parameter_)
            variable.need_grad = passes.trains
            self._set(described.variables[name], variable)
        self._batch = network.batch_size
        for name in network.inputs:
            self._make_input(passes.variable(described.variables[name]), network, initial)
        for f in described.ordered():
            for v in f.outputs:
                passes.variable(v)
            passes.function(f).settle()
            for v in f.inputs:
                # The callback may have put another one in the place of a parameter.
                given = v.variable if v.name in network.parameters else None
                if given is not None and given is not self._variables[v.name]:
                    self._set(v, given)
            for v, variable in zip(f.outputs, f.pf.graph_call(batch_size=self._batch), strict=True):
                self._set(v, variable)

    def _make_input(self, v: PassVariable, network: ProtoNetwork, initial: InitialValues) -> None:
        v.pv.shape = v.described_shape()
        variable = v.variable
        if variable is None:
            variable = initial.input(network.variables[v.name], network.name, network.batch_size)
        for described, length in zip(v.pv.shape, variable.shape, strict=False):
            if described < 1:
                self._batch = length
        self._set(v, variable)

    def _set(self, v: PassVariable, variable: Variable) -> None:
        v.pv.variable_instance = variable
        v.settle(variable.shape)
        self._variables[v.name] = variable

    @property
    def inputs(self) -> dict[str, Variable]:
        """Inputs by name."""
        return self._inputs

    @property
    def outputs(self) -> dict[str, Variable]:
        """Outputs by name."""
        return self._outputs

    @property
    def variables(self) -> dict[str, Variable]:
        """All variables and parameters by name."""
        return self._variables


class NnpLoader:
    """Networks of a model file.

    Args:
        filepath: a path, a binary file object, or a list of them.
        scope: where the parameters go; default a scope of its own.
        extension: the format of a file object.

    Attributes:
        g: the described networks.
        network_dict: these by name.

    Raises:
        ArgumentError, FileNotFoundError, FormatError, ValueError: as `nnabla.graph_def.load`.
    """

    def __init__(self, filepath: Any, scope: parameter.Scope | None = None, extension: str = ".nntxt") -> None:
        self.g = load(filepath, parameter_scope=scope, extension=extension)
        self.network_dict: dict[str, ProtoNetwork] = dict(self.g.networks)

    def get_network_names(self) -> list[str]:
        """Names of the networks."""
        return list(self.network_dict)

    def get_network(
        self, name: str, batch_size: int | None = None, callback: NnpNetworkPass | None = None
    ) -> NnpNetwork:
        """Build a network; its parameters are registered in the current scope, and get `need_grad`.

        Args:
            name: of the network.
            batch_size: for variables that leave it open; default what the file says.
            callback: changes the network.

        Raises:
            KeyError: there is no such network.
        """
        if name not in self.network_dict:
            raise KeyError(f"NnpLoader.get_network: there is no network {name!r}; there are {list(self.network_dict)}")
        network = NnpNetwork(self.network_dict[name], batch_size, callback)
        for key in network.proto_network.parameters:
            parameter.set_parameter(key, network.variables[key])
        return network
