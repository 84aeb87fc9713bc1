"""`ProtoGraph`: networks, described, and the parameters that they share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import parameter
from ..context import Context, get_current_context
from ..graph.variable import Variable
from .initial_values import check_shape
from .proto_executor import ProtoExecutor
from .proto_network import ProtoNetwork

if TYPE_CHECKING:
    from ..files.stored import StoredParameter


class ProtoGraph:
    """Described networks by name, with their parameters.

    ``graph["name"]`` and, where the name allows, ``graph.name`` is a network; calling the graph calls the first one.

    Args:
        networks: ProtoNetworks, or a dict of them by name.
        parameter_scope: where the parameters are: an ordered dict of Variables and such dicts, as
            `nnabla.parameter_scope` yields. Default: a new one.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> with nn.graph_def.graph(name="net") as g:
        ...     y = PF.affine(nn.ProtoVariable((4, 3), "x"), 2)
        >>> list(g.networks), list(g.get_parameters())
        (['net'], ['affine/W', 'affine/b'])
        >>> g(nn.Variable((4, 3))).shape
        (4, 2)
    """

    def __init__(
        self,
        networks: Iterable[ProtoNetwork] | Mapping[str, ProtoNetwork] | None = None,
        parameter_scope: parameter.Scope | None = None,
    ) -> None:
        self.networks: OrderedDict[str, ProtoNetwork] = OrderedDict()
        self.executors: OrderedDict[str, Any] = OrderedDict()
        self.parameter_scope = OrderedDict() if parameter_scope is None else parameter_scope
        self._context: Context | None = None
        given = networks.values() if isinstance(networks, Mapping) else networks or ()
        for network in given:
            self[network.name] = network

    # ---- networks ----------------------------------------------------------------------------------------

    def __contains__(self, item: object) -> bool:
        return item in self.networks

    def __getitem__(self, item: str) -> ProtoNetwork:
        return self.networks[item]

    def __setitem__(self, key: str, value: ProtoNetwork) -> None:
        if not isinstance(value, ProtoNetwork):
            raise TypeError(f"ProtoGraph: a network must be a ProtoNetwork, not {type(value).__name__}")
        value.owner = self
        value.name = key
        self.networks[key] = value

    def __getattr__(self, item: str) -> ProtoNetwork:
        networks = self.__dict__.get("networks", {})
        if item not in networks:
            raise AttributeError(f"ProtoGraph has no attribute or network {item!r}; its networks are {list(networks)}")
        return networks[item]

    def get(self, key: str, value: Any = None) -> Any:
        """The network of that name, or `value` if there is none."""
        return self.networks.get(key, value)

    def default_graph(self) -> ProtoNetwork:
        """The first network.

        Raises:
            ValueError: there is none.
        """
        if not self.networks:
            raise ValueError("this graph has no networks")
        return next(iter(self.networks.values()))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the first network; see `ProtoNetwork.__call__`."""
        return self.default_graph()(*args, **kwargs)

    # ---- parameters --------------------------------------------------------------------------------------

    def get_parameters(self, grad_only: bool = False) -> OrderedDict[str, Variable]:
        """Parameters by name; with `grad_only` those with `need_grad`."""
        with parameter.parameter_scope("", self.parameter_scope):
            return parameter.get_parameters(grad_only=grad_only)

    def set_parameter(self, key: str, param: Variable) -> None:
        """Register `param` under the name `key`, in place of what has that name.

        Raises:
            ShapeError: a network describes a parameter of that name with another shape.
        """
        for network in self.networks.values():
            described = network.parameters.get(key)
            if described is not None and isinstance(param, Variable):
                check_shape(described, param)
        with parameter.parameter_scope("", self.parameter_scope):
            parameter.set_parameter(key, param)

    def set_parameters(self, params: Mapping[str, Variable]) -> None:
        """Register all of `params` by name; see `set_parameter`."""
        for key, param in params.items():
            self.set_parameter(key, param)

    def _parameter(self, key: str) -> Variable | None:
        with parameter.parameter_scope("", self.parameter_scope):
            return parameter.get_parameter(key)

    # ---- model files -------------------------------------------------------------------------------------

    def as_proto(
        self,
        include_parameter: bool = False,
        only_parameter: bool = False,
        networks: Iterable[ProtoNetwork | str] | None = None,
        variable_batch_size: bool = True,
    ) -> Any:
        """A message ``NNablaProtoBuf``, what a model file holds. The graph stays as it is.

        Args:
            include_parameter: with the values of the parameters.
            only_parameter: without networks.
            networks: those to include, or their names; default all.
            variable_batch_size: leave the size of the batch open, see `nnabla.core.variable_batch_size`.
        """
        from ..files import parameter_messages
        from ..files.model_messages import MODEL
        from ..parameter_files import stored_parameters

        message = MODEL.message("NNablaProtoBuf")()
        if not only_parameter:
            given = self.networks.values() if networks is None else networks
            for entry in given:
                network = self[entry] if isinstance(entry, str) else entry
                message.network.add().CopyFrom(network.as_proto(variable_batch_size))
            included = {network.name for network in message.network}
            for executor in self.executors.values():
                if executor.network_name in included:
                    message.executor.add().CopyFrom(executor.as_proto())
        if include_parameter or only_parameter:
            parameter_messages.merged(message, None, stored_parameters(self.get_parameters()))
        return message

    @staticmethod
    def from_proto(
        proto: Any,
        batch_size: int | None = None,
        param_scope: parameter.Scope | None = None,
        rng: np.random.RandomState | None = None,
    ) -> ProtoGraph:
        """The graph in a message ``NNablaProtoBuf``, with its loops as they stand there.

        Args:
            proto: the message.
            batch_size: for variables that leave it open, instead of what the networks say.
            param_scope: where its parameters go, and those that it lacks are; default a new scope.
            rng: draws the values of parameters that have an initializer.

        Raises:
            ValueError: a function is not known, or names do not fit together.
            FormatError: the numbers of a parameter do not fill its shape.
        """
        from ..files import parameter_messages
        from ..files.stored import checked

        graph = ProtoGraph(parameter_scope=param_scope)
        where = "ProtoGraph.from_proto"
        graph.register(checked(parameter_messages.contents(proto, where), where), where)
        for message in proto.network:
            graph[message.name] = ProtoNetwork.from_proto(graph, message, rng, batch_size)
        for message in proto.executor:
            graph.executors[message.name] = ProtoExecutor.from_proto(message)
        return graph

    def expand_loop_control(self) -> None:
        """Write out the loops of all networks, see `ProtoNetwork.expand_loop_control`."""
        for name, network in self.networks.items():
            self.networks[name] = network.expand_loop_control()

    def register(self, loaded: list[StoredParameter], function: str) -> None:
        """Set values and flags of parameters; one of another shape is replaced. Errors name `function`."""
        with parameter.parameter_scope("", self.parameter_scope):
            parameter.register_stored(loaded, function, replace=True)

    def save(
        self,
        filename: Any,
        include_parameter: bool = False,
        variable_batch_size: bool = True,
        executors: Iterable[Any] | None = None,
    ) -> None:
        """Save the networks, and their parameters, to a file.

        Args:
            filename: its extension is the format: ``.nnp``, ``.nntxt``, ``.prototxt`` or ``.protobuf``.
            include_parameter: with the values of the parameters, which an ``.nnp`` always has.
            variable_batch_size: leave the size of the batch open, see `nnabla.core.variable_batch_size`.
            executors: how networks are run: dicts as `nnabla.utils.save.save` takes them, or `ProtoExecutor`.

        Raises:
            ArgumentError: the format is not known.
            ValueError: an executor names a network or variable that is not there.
        """
        self._save(list(self.networks.values()), filename, include_parameter, variable_batch_size, executors)

    def _save(
        self,
        networks: list[ProtoNetwork],
        filename: Any,
        include_parameter: bool,
        variable_batch_size: bool,
        executors: Iterable[Any] | None,
        extension: str = ".nnp",
    ) -> None:
        from ..files import model_files
        from ..parameter_files import stored_parameters

        extension = model_files.format_of(filename, extension, model_files.WRITERS, "save")
        archive = extension == ".nnp"
        message = self.as_proto(include_parameter and not archive, False, networks, variable_batch_size)
        for executor in executors or ():
            message.executor.add().CopyFrom(self._executor(executor).as_proto())
        stored = stored_parameters(self.get_parameters()) if archive else []
        model_files.write(filename, extension, model_files.Model(message, stored))

    def _executor(self, executor: Any) -> ProtoExecutor:
        if isinstance(executor, ProtoExecutor):
            return executor
        name = executor["network"]
        if name not in self.networks:
            raise ValueError(f"{name} is not found in networks! They are {list(self.networks)}.")
        return ProtoExecutor.create_from_dict(executor, self.networks[name])

    # ---- context -----------------------------------------------------------------------------------------

    @property
    def current_context(self) -> Context:
        """The context that functions are made in when a network is called; the one in force unless it was set."""
        return self._context or get_current_context()

    @current_context.setter
    def current_context(self, context: Context | None) -> None:
        if context is not None and not isinstance(context, Context):
            raise TypeError(f"current_context must be a nnabla.Context or None, not {type(context).__name__}")
        self._context = context

    def __repr__(self) -> str:
        return f"<ProtoGraph: {', '.join(self.networks)}>"
