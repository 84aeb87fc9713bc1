"""`load`: model files, with all that training and inference need."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ... import functions as F
from ... import parameter
from ...context import Context, get_current_context
from ...ext_utils import get_extension_context
from ...graph.variable import Variable
from ...network import ProtoNetwork, ProtoVariable
from ...network.initializers import StoredInitializer
from ...network.loops import KEPT
from ...network.saved_graphs import graph_of, read_files
from ...rewriting.graph_optimizer import IdentityRemover
from .contents import (
    DEFAULT_MONITOR_INTERVAL,
    Executor,
    GlobalConfig,
    Info,
    Monitor,
    Optimizer,
    TrainingConfig,
)
from .contexts import context_of
from .datasets import dataset_of
from .solver_settings import decay_of, scheduler_of, solver_of
from .solver_states import SHARED_MEMBER, own_member, restore_states

GENERATORS = ("Normal", "Uniform", "Range", "Constant")


def load(
    filenames: Any,
    prepare_data_iterator: bool = True,
    batch_size: int | None = None,
    exclude_parameter: bool = False,
    parameter_only: bool = False,
    extension: str = ".nntxt",
    context: Context | str | None = None,
) -> Info:
    """Read one or several model files: networks, parameters, and how they are trained and run.

    Parameters go into the current scope; those that are there and have the shape in the file keep their identity. As
    with NNabla, all parameters of the networks have `need_grad` afterwards. Functions of type Identity are left out of
    the networks, which are built.

    Args:
        filenames: a path, a binary file object, or a list of them, such as a model and its parameters. The formats are
            ``.nnp``, ``.nntxt``, ``.prototxt``, ``.protobuf``, and for parameters ``.h5`` and ``.safetensors``, too.
            Files with another extension are passed over with a warning; if there are no others, nothing is loaded.
        prepare_data_iterator: whether data sets can be opened. Nothing is opened before it is asked for.
        batch_size: for variables that leave it open, and for data sets, instead of what the file says.
        exclude_parameter: leave out the values of parameters. They are made by their initializers, or 0.
        parameter_only: leave out all but the parameters.
        extension: the format of file objects.
        context: to build the networks in, or name of an extension as in ``"cpu"``; default what the file says.

    Raises:
        ArgumentError: a file has no extension, or `extension` is not known.
        FileNotFoundError: there is no such file.
        FormatError: a file is damaged or not of its format.
        ValueError: a function, solver or generator is not known, or names or shapes do not fit together.
        NotImplementedError: a network computes the learning rate.
    """
    found = read_files(filenames, extension, "load")
    stored, model, states = found.parameters, found.model, found.states
    info = Info(
        model,
        parameter.get_current_parameter_scope(),
        prepare_data_iterator,
        batch_size,
        exclude_parameter,
        parameter_only,
    )
    info.optimizer_states_checkpoint = checkpoints(states, model)
    graph = graph_of(
        model, stored, batch_size, exclude_parameter, parameter_only, info.parameter_scope, function="load"
    )
    info.proto_graph = graph
    if parameter_only:
        return info
    file_context = model.HasField("global_config") and model.global_config.HasField("default_context")
    if isinstance(context, str):
        context = get_extension_context(context)
    if context is None:
        context = context_of(model.global_config.default_context) if file_context else get_current_context()
    info.default_context = context
    info.global_config = GlobalConfig(context)
    if model.HasField("training_config"):
        info.training_config = training_config_of(model.training_config)
    for index, message in enumerate(model.dataset):
        info.datasets[message.name] = dataset_of(message, index, prepare_data_iterator, batch_size)
    graph.current_context = context
    for name, network in graph.networks.items():
        build(network, info.renamed_variables)
        info.networks[name] = network
    link_components(info)
    return info


def checkpoints(states: Sequence[tuple[str, bytes]], model: Any) -> OrderedDict[str, tuple[str, Any]]:
    """Format and contents of files of solver states, by name of the optimizer."""
    by_name = {os.path.basename(name): data for name, data in states}
    found: OrderedDict[str, tuple[str, Any]] = OrderedDict()
    for optimizer in model.optimizer:
        own = by_name.get(own_member(optimizer.name, optimizer.solver.type))
        shared = by_name.get(SHARED_MEMBER)
        if own is not None:
            found[optimizer.name] = (".h5", io.BytesIO(own))
        elif shared is not None:
            found[optimizer.name] = (".protobuf", io.BytesIO(shared))
        elif len(optimizer.solver.states):
            found[optimizer.name] = (".protobuf", optimizer)
    return found


def training_config_of(message: Any) -> TrainingConfig:
    """What a message ``TrainingConfig`` says."""
    return TrainingConfig(
        message.max_epoch,
        message.iter_per_epoch,
        message.save_best,
        message.monitor_interval or DEFAULT_MONITOR_INTERVAL,
    )


def build(network: ProtoNetwork, renamed: dict[str, str]) -> None:
    """Build the graph of a network, without its Identity functions; its parameters get `need_grad`."""
    remover = IdentityRemover(renamed, lambda function: not str(function.name).startswith(KEPT))
    network.execute_on_proto(remover)
    for described in network.parameters.values():
        described.need_grad = True
        found = network.owner._parameter(str(described.name))
        if found is not None:
            found.need_grad = True
    if network.functions:
        network()


# ---- what uses the networks --------------------------------------------------------------------------------


def link_components(info: Info) -> None:
    """Read optimizers, monitors and executors of ``info.proto``, which use what is read already."""
    for message in info.proto.optimizer:
        info.optimizers[message.name] = _optimizer(info, message)
    for message in info.proto.monitor:
        info.monitors[message.name] = _monitor(info, message)
    for message in info.proto.executor:
        info.executors[message.name] = _executor(info, message)


def _found(table: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in table:
        raise ValueError(f"load: {what} {name!r} is not found; there are {list(table)}")
    return table[name]


def _variable(info: Info, network: ProtoNetwork, name: str) -> ProtoVariable:
    current = info.renamed_variables.get(name, name)
    found = network.variables.get(current) or network.parameters.get(current)
    if found is None:
        raise ValueError(f'load: Variable "{name}" is not found in network {network.name!r}.')
    return found


def _assigned(info: Info, network: ProtoNetwork, messages: Iterable[Any]) -> OrderedDict[ProtoVariable, str]:
    return OrderedDict((_variable(info, network, m.variable_name), m.data_name) for m in messages)


def _generators(
    info: Info, network: ProtoNetwork, messages: Iterable[Any]
) -> OrderedDict[ProtoVariable, StoredInitializer]:
    found = OrderedDict()
    for message in messages:
        if message.type not in GENERATORS:
            raise ValueError(f'Generator type "{message.type}" is not supported.')
        variable = _variable(info, network, message.variable_name)
        found[variable] = StoredInitializer(message.type, message.multiplier)
    return found


def _target(variables: list[ProtoVariable], what: str) -> Variable:
    """A Variable that runs all of `variables` when it is run."""
    if not variables:
        raise ValueError(f"load: {what} has no variables to run")
    target: Variable = F.sink(*[variable.variable_instance for variable in variables])
    return target


def _iterators(info: Info, message: Any) -> OrderedDict[str, Any]:
    return OrderedDict((name, _found(info.datasets, name, "data set").data_iterator) for name in message.dataset_name)


def _multipliers(info: Info, network: ProtoNetwork, messages: Iterable[Any]) -> OrderedDict[ProtoVariable, float]:
    found = OrderedDict()
    for message in messages:
        for name in matching_parameters(message.variable_name, network):
            found[network.parameters[name]] = message.learning_rate_multiplier
    return found


def matching_parameters(name: str, network: ProtoNetwork) -> list[str]:
    """The parameters of a network that a file means by a name: that one, or its copies in a loop.

    Raises:
        ValueError: there is none.
    """
    if name in network.parameters:
        return [name]
    if name not in network.copies:
        raise ValueError(f'Variable "{name}" is not found.')
    return network.copies[name]


def _optimizer(info: Info, message: Any) -> Optimizer:
    network = _found(info.networks, message.network_name, "network")
    solver = solver_of(message.solver)
    multipliers = _multipliers(info, network, message.parameter_variable)
    trained: OrderedDict[str, Variable] = OrderedDict(
        sorted((str(v.name), v.variable_instance) for v, multiplier in multipliers.items() if multiplier != 0)
    )
    if trained:
        solver.set_parameters(trained)
    losses = [_variable(info, network, each.variable_name) for each in message.loss_variable]
    decay, interval = decay_of(message.solver)
    optimizer = Optimizer(
        message,
        message.name,
        message.order,
        network,
        solver,
        scheduler_of(message.solver, solver.learning_rate()),
        message.solver.weight_decay,
        decay,
        interval,
        message.update_interval or 1,
        message.start_iter,
        message.end_iter,
        _iterators(info, message),
        _assigned(info, network, message.data_variable),
        _generators(info, network, message.generator_variable),
        losses,
        multipliers,
        trained,
        _target(losses, f"optimizer {message.name!r}"),
        info.optimizer_states_checkpoint.get(message.name),
    )
    restore_optimizer_state(optimizer)
    return optimizer


def restore_optimizer_state(optimizer: Optimizer) -> None:
    """Give the solver of an optimizer the states that the file holds, if it holds any."""
    if optimizer.solver_checkpoint is not None:
        kind, source = optimizer.solver_checkpoint
        restore_states(optimizer.solver, optimizer.name, kind, source)


def _monitor(info: Info, message: Any) -> Monitor:
    network = _found(info.networks, message.network_name, "network")
    variables = [_variable(info, network, each.variable_name) for each in message.monitor_variable]
    return Monitor(
        message,
        network,
        _iterators(info, message),
        _assigned(info, network, message.data_variable),
        _generators(info, network, message.generator_variable),
        variables,
        _target(variables, f"monitor {message.name!r}"),
        message.name,
    )


def _executor(info: Info, message: Any) -> Executor:
    network = _found(info.networks, message.network_name, "network")
    outputs: OrderedDict[ProtoVariable, list[str]] = OrderedDict(
        (_variable(info, network, m.variable_name), [m.type, m.data_name]) for m in message.output_variable
    )
    parameters = OrderedDict(
        (network.parameters[name], name)
        for each in message.parameter_variable
        for name in matching_parameters(each.variable_name, network)
    )
    executor = Executor(
        message,
        network,
        message.num_evaluations or 1,
        message.repeat_evaluation_type,
        message.need_back_propagation,
        message.no_image_normalization,
        _assigned(info, network, message.data_variable),
        _generators(info, network, message.generator_variable),
        outputs,
        parameters,
        _target(list(outputs), f"executor {message.name!r}"),
        message.name,
    )
    if executor.need_back_propagation:
        losses = [_variable(info, network, each.variable_name) for each in message.loss_variable]
        executor.loss_variables = losses
        executor.parameter_learning_rate_multipliers = _multipliers(info, network, message.parameter_variable)
        executor.backward_target = _target(losses, f"executor {message.name!r}")
    return executor
