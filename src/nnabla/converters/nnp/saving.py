"""`save`: networks, parameters, and how they are trained and run, in a model file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ... import parameter
from ...files import model_files
from ...files.model_files import Model
from ...files.model_messages import MODEL
from ...files.parameter_messages import merged
from ...graph.variable import Variable
from ...logger import logger
from ...network import ProtoExecutor, ProtoGraph, ProtoNetwork
from ...network.from_variables import describe_variables
from ...network.proto_executor import known
from ...parameter_files import stored_parameters
from .contexts import put_context
from .solver_settings import put_scheduler, put_solver, type_name
from .solver_states import SHARED_MEMBER, own_member, put_states, shared_states, write_states

Entry = Mapping[str, Any]


def save(
    filename: Any,
    contents: Entry,
    include_params: bool = False,
    variable_batch_size: bool = True,
    extension: str = ".nnp",
    parameters: Mapping[str, Variable] | None = None,
    parameter_format: str = ".h5",
    include_solver_state: bool = False,
    solver_state_format: str = ".h5",
) -> None:
    """Save networks, with their parameters and how they are trained and run, to a model file.

    A Variable that networks read and that is neither named nor registered keeps its values as a parameter if it has
    `need_grad`, or if it has values and the inputs are named. Live graphs are not touched.

    Args:
        filename: a path, whose extension is the format: ``.nnp``, ``.nntxt``, ``.prototxt`` or ``.protobuf``; or a
            binary file object, which is set back to its start.
        contents: what to save, by kind, see below. All kinds may be left out.
        include_params: with the values of parameters, which an ``.nnp`` has in any case.
        variable_batch_size: leave the size of the batch open, see `nnabla.core.variable_batch_size`.
        extension: the format of a file object.
        parameters: for an ``.nnp``, by name; default those of the current scope.
        parameter_format: of the parameters in an ``.nnp``: ``".h5"`` or ``".protobuf"``.
        include_solver_state: with the states of the solvers of all optimizers.
        solver_state_format: of these states in an ``.nnp``: ``".h5"`` or ``".protobuf"``.

    =====================  =======================================================================================
    kind                   value
    =====================  =======================================================================================
    ``global_config``      dict with ``default_context``, a Context
    ``training_config``    dict with ``max_epoch``, ``iter_per_epoch``, ``save_best``; optional ``monitor_interval``
    ``networks``           list of dicts with ``name``, ``batch_size``, ``outputs`` and ``names``, the last two
                           dicts of Variables by name
    ``datasets``           list of dicts with ``name``, ``uri``, ``variables`` (names), ``shuffle``, ``batch_size``,
                           ``no_image_normalization``; optional ``cache_dir``, ``overwrite_cache``,
                           ``create_cache_explicitly``
    ``optimizers``         list of dicts with ``name``, ``solver``, ``network``, ``dataset`` (one or several names),
                           ``weight_decay``, ``lr_decay``, ``lr_decay_interval``, ``update_interval``; optional
                           ``data_variables`` (names of data by variables), ``loss_variables`` (default the network's
                           outputs), ``generator_variables``, ``scheduler`` (of the learning rate), ``order``,
                           ``start_iter``, ``end_iter``
    ``monitors``           list of dicts with ``name``, ``network``, ``dataset``; optional ``data_variables``,
                           ``monitor_variables`` (default the network's outputs), ``generator_variables``
    ``executors``          list of dicts, see `nnabla.core.graph_def.ProtoExecutor.create_from_dict`, with ``network``
    =====================  =======================================================================================

    Raises:
        ArgumentError: the format is not known, or cannot hold something.
        FileNotFoundError: the directory does not exist.
        KeyError: an entry that must be there is missing.
        ValueError: a network, data set or variable that is named is not there; no function leads to an output.

    Example:
        >>> import io, nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((8, 3))
        >>> file = io.BytesIO()
        >>> network = {"name": "net", "batch_size": 8, "outputs": {"y": F.relu(x)}, "names": {"x": x}}
        >>> save(file, {"networks": [network]}, extension=".nntxt")
        >>> nn.graph_def.load(file, extension=".nntxt").net.outputs
        ['y']
    """
    extension = model_files.format_of(filename, extension, model_files.WRITERS, "save")
    archive = extension == ".nnp"
    logger.info("Saving %s as %s", filename, extension.removeprefix("."))
    message, kept = _described(contents, variable_batch_size)
    if kept:
        logger.info("Constants and parameters that are not registered are saved as %s", ", ".join(kept))
    given = dict(parameter.get_parameters(grad_only=False) if parameters is None else parameters) | kept
    states: list[tuple[str, Any]] = []
    if include_solver_state and archive:
        states = _state_members(_list(contents, "optimizers", required=True), solver_state_format)
    elif include_solver_state:
        _put_states(message, contents)
    if include_params and not archive:
        merged(message, None, stored_parameters(given))
    elif kept and not archive:
        merged(message, None, stored_parameters(kept))
    model_files.write(
        filename, extension, Model(message, stored_parameters(given) if archive else [], parameter_format, states)
    )
    logger.info("Model file is saved as (%s): %s", extension, filename)


def create_proto(
    contents: Entry,
    include_params: bool = False,
    variable_batch_size: bool = True,
    save_solver_in_proto: bool = False,
) -> Any:
    """The message ``NNablaProtoBuf`` that `save` writes.

    Args:
        contents, variable_batch_size: as for `save`.
        include_params: with the values of the parameters.
        save_solver_in_proto: with the states of the solvers.
    """
    message, kept = _described(contents, variable_batch_size)
    if save_solver_in_proto:
        _put_states(message, contents)
    given = dict(parameter.get_parameters(grad_only=False)) | kept if include_params else kept
    merged(message, None, stored_parameters(given))
    return message


def _state_members(optimizers: list[Entry], state_format: str) -> list[tuple[str, Any]]:
    solvers = [(entry["name"], type_name(entry["solver"]), entry["solver"]) for entry in optimizers]
    if state_format != ".h5":
        return [(SHARED_MEMBER, shared_states(solvers))]
    return [
        (own_member(name, kind), lambda file, solver=solver: write_states(file, solver))
        for name, kind, solver in solvers
    ]


def _put_states(message: Any, contents: Entry) -> None:
    for optimizer, entry in zip(message.optimizer, _list(contents, "optimizers"), strict=True):
        put_states(optimizer, entry["solver"])


# ---- the message -------------------------------------------------------------------------------------------


def _described(contents: Entry, variable_batch_size: bool) -> tuple[Any, dict[str, Variable]]:
    """The message without parameters, and Variables that are parameters although they are not registered."""
    message = MODEL.message("NNablaProtoBuf")()
    if "global_config" in contents:
        put_context(message.global_config.default_context, _needed(contents["global_config"], "default_context"))
    if "training_config" in contents:
        _put_training_config(message.training_config, contents["training_config"])
    networks = _Networks(_list(contents, "networks"))
    message.network.extend(networks.graph.as_proto(variable_batch_size=variable_batch_size).network)
    datasets = [_needed(entry, "name") for entry in _list(contents, "datasets")]
    for entry in _list(contents, "datasets"):
        _put_dataset(message.dataset.add(), entry)
    for entry in _list(contents, "optimizers"):
        _put_optimizer(message.optimizer.add(), entry, networks.of(entry), datasets)
    for entry in _list(contents, "monitors"):
        _put_monitor(message.monitor.add(), entry, networks.of(entry), datasets)
    for entry in _list(contents, "executors"):
        message.executor.add().CopyFrom(ProtoExecutor.create_from_dict(entry, networks.of(entry)).as_proto())
    return message, networks.kept


def _needed(entry: Entry, key: str) -> Any:
    if key not in entry:
        raise KeyError(f"save: {key!r} is missing in {sorted(map(str, entry))}")
    return entry[key]


def _list(contents: Entry, key: str, required: bool = False) -> list[Entry]:
    if required:
        _needed(contents, key)
    return list(contents.get(key) or ())


def _put_training_config(message: Any, entry: Entry) -> None:
    for key in ("max_epoch", "iter_per_epoch", "save_best"):
        setattr(message, key, _needed(entry, key))
    message.monitor_interval = entry.get("monitor_interval", 0)


class _Networks:
    """The networks of `contents`, described.

    Attributes:
        graph: the descriptions.
        kept: Variables that are parameters although they are not registered, by name.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.graph = ProtoGraph()
        self.kept: dict[str, Variable] = {}
        parameters = {variable: key for key, variable in parameter.get_parameters(grad_only=False).items()}
        registered = set(parameters)
        for entry in entries:
            self._add(entry, parameters)
        for variable, key in parameters.items():
            if variable not in registered:
                self.kept[key] = variable

    def _add(self, entry: Entry, parameters: dict[Variable, str]) -> None:
        name, outputs = _needed(entry, "name"), _needed(entry, "outputs")
        given: dict[Variable, str] = {}
        for table in (_needed(entry, "names"), outputs):
            for key, variable in table.items():
                if not isinstance(variable, Variable):
                    raise TypeError(f"save: {key!r} of network {name!r} must be a Variable, not {variable!r}")
                given[variable] = key
        if len(set(given.values())) < len(given):
            raise ValueError(f"save: two variables of network {name!r} have the same name")
        if all(variable.parent is None for variable in outputs.values()):
            raise ValueError(f"save: no function leads to the outputs of network {name!r}")
        inputs_are_named = any(v.parent is None and v not in parameters for v in given)

        def is_parameter(variable: Variable) -> bool:
            return variable.need_grad or (inputs_are_named and variable.data._has_values())

        network = describe_variables(self.graph, name, list(outputs.values()), given, parameters, is_parameter)
        network.batch_size = _needed(entry, "batch_size")

    def of(self, entry: Entry) -> ProtoNetwork:
        """The network that an entry names."""
        name = _needed(entry, "network")
        if name not in self.graph:
            raise KeyError(
                f"save: {_needed(entry, 'name')!r} names network {name!r}; there are {list(self.graph.networks)}"
            )
        return self.graph[name]


def _put_dataset(message: Any, entry: Entry) -> None:
    for key in ("name", "uri", "batch_size", "shuffle", "no_image_normalization"):
        setattr(message, key, _needed(entry, key))
    message.variable.extend(_needed(entry, "variables"))
    message.cache_dir = entry.get("cache_dir") or ""
    for key in ("overwrite_cache", "create_cache_explicitly"):
        setattr(message, key, entry.get(key, False))


def _put_uses(message: Any, entry: Entry, network: ProtoNetwork, datasets: list[str], what: str) -> None:
    """What optimizers and monitors have in common: network, data sets, and what the variables are given."""
    message.name = _needed(entry, "name")
    message.network_name = network.name
    given = _needed(entry, "dataset")
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in datasets:
            raise ValueError(f"Invalid dataset_name is found in {what}: {name}; there are {datasets}")
    message.dataset_name.extend(names)
    assigned = entry.get("data_variables") or {}
    pairs: Iterable[Any] = assigned.items() if isinstance(assigned, Mapping) else zip(assigned, assigned, strict=True)
    for variable, data in pairs:
        message.data_variable.add(variable_name=variable, data_name=data)
    for variable in known(entry.get("generator_variables") or (), network):
        message.generator_variable.add(variable_name=variable, type="Constant", multiplier=0)


def _put_optimizer(message: Any, entry: Entry, network: ProtoNetwork, datasets: list[str]) -> None:
    _put_uses(message, entry, network, datasets, "optimizer")
    solver = _needed(entry, "solver")
    put_solver(message.solver, solver)
    for key in ("weight_decay", "lr_decay", "lr_decay_interval"):
        setattr(message.solver, key, _needed(entry, key))
    if entry.get("scheduler") is not None:
        put_scheduler(message.solver, entry["scheduler"])
    message.update_interval = _needed(entry, "update_interval")
    for key in ("order", "start_iter", "end_iter"):
        setattr(message, key, entry.get(key, 0))
    for name in known(entry.get("loss_variables", network.outputs), network):
        message.loss_variable.add(variable_name=name)
    trained = solver.get_parameters()
    for name in network.parameters:
        message.parameter_variable.add(variable_name=name, learning_rate_multiplier=float(name in trained))


def _put_monitor(message: Any, entry: Entry, network: ProtoNetwork, datasets: list[str]) -> None:
    _put_uses(message, entry, network, datasets, "monitor")
    for name in known(entry.get("monitor_variables", network.outputs), network):
        message.monitor_variable.add(variable_name=name, type="Error")
