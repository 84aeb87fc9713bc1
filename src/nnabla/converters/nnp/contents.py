"""What a model file holds, typed: `load` returns it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ... import parameter
from ...context import Context
from ...graph.variable import Variable
from ...network import ProtoGraph, ProtoNetwork, ProtoVariable
from ...network.initializers import StoredInitializer
from ...solvers import Solver
from ...solvers.learning_rates import BaseLearningRateScheduler
from .datasets import Dataset

DEFAULT_MONITOR_INTERVAL = 10


@dataclass
class GlobalConfig:
    """What holds for the whole file.

    Attributes:
        default_context: the context that networks are computed in.
    """

    default_context: Context


@dataclass
class TrainingConfig:
    """How long to train.

    Attributes:
        max_epoch: number of epochs.
        iter_per_epoch: updates in an epoch.
        save_best: whether to keep the parameters of the epoch with the smallest validation error.
        monitor_interval: epochs between two looks at the validation data.
    """

    max_epoch: int
    iter_per_epoch: int
    save_best: bool
    monitor_interval: int = DEFAULT_MONITOR_INTERVAL


@dataclass(eq=False)
class Optimizer:
    """How some parameters are trained.

    Attributes:
        name: in the file.
        order: optimizers run in the order of these numbers.
        network: whose losses are minimized; its variables have `variable_instance`.
        data_iterators: functions that make iterators, by name of the data set.
        dataset_assign: the data by the variables that they are for.
        generator_assign: what draws values, by the variables that they are for.
        loss_variables: what is minimized.
        target: the Variable to run: the loss, or a function of no value that reads all of them.
        solver: has its parameters, and the states that the file holds.
        parameters: those of `solver` by name.
        parameter_learning_rate_multipliers: of each parameter of the network that the file names, 0 where it is not
            trained. As with NNabla, all other numbers mean the same.
        weight_decay: of all parameters; 0 for none.
        lr_decay, lr_decay_interval: of exponential decay, if nothing else is said.
        scheduler: the learning rate by iteration.
        update_interval: backward passes that are summed up for an update.
        start_iter, end_iter: first and last iteration, counted from 1; 0 for the first and the last of the training.
        solver_checkpoint: format and contents of the file of solver states, or ``None``.
        comm: what connects processes, or ``None``.
        proto: the message.
    """

    proto: Any = field(repr=False)
    name: str
    order: int
    network: ProtoNetwork
    solver: Solver
    scheduler: BaseLearningRateScheduler
    weight_decay: float
    lr_decay: float
    lr_decay_interval: int
    update_interval: int
    start_iter: int
    end_iter: int
    data_iterators: OrderedDict[str, Any]
    dataset_assign: OrderedDict[ProtoVariable, str]
    generator_assign: OrderedDict[ProtoVariable, StoredInitializer]
    loss_variables: list[ProtoVariable]
    parameter_learning_rate_multipliers: OrderedDict[ProtoVariable, float]
    parameters: OrderedDict[str, Variable]
    target: Variable
    solver_checkpoint: tuple[str, Any] | None = None
    comm: Any = None


@dataclass(eq=False)
class Monitor:
    """What is looked at on validation data.

    Attributes:
        network, data_iterators, dataset_assign, generator_assign, target, proto: as in `Optimizer`.
        monitor_variables: what is averaged over the data.
        name: in the file.
    """

    proto: Any = field(repr=False)
    network: ProtoNetwork
    data_iterators: OrderedDict[str, Any]
    dataset_assign: OrderedDict[ProtoVariable, str]
    generator_assign: OrderedDict[ProtoVariable, StoredInitializer]
    monitor_variables: list[ProtoVariable]
    target: Variable
    name: str = ""


@dataclass(eq=False)
class Executor:
    """How a network is run on data.

    Attributes:
        network, dataset_assign, generator_assign, proto: as in `Optimizer`.
        name: in the file.
        num_evaluations: how often each batch is run; generated values are drawn once for it, as with NNabla.
        repeat_evaluation_type: what is made of these results: ``"mean"``, ``"std"`` or ``"last"``.
        need_back_propagation: whether gradients of the inputs are wanted.
        no_image_normalization: whether the values of images are left as they are.
        output_assign: for each output a list of its type and the name of the data.
        parameters: names of parameters by their variables.
        forward_target: the Variable to run forward.
        backward_target: the Variable to go back from, where gradients are wanted; else ``None``.
        loss_variables: what gradients are of.
        parameter_learning_rate_multipliers: as in `Optimizer`.
    """

    proto: Any = field(repr=False)
    network: ProtoNetwork
    num_evaluations: int
    repeat_evaluation_type: str
    need_back_propagation: bool
    no_image_normalization: bool
    dataset_assign: OrderedDict[ProtoVariable, str]
    generator_assign: OrderedDict[ProtoVariable, StoredInitializer]
    output_assign: OrderedDict[ProtoVariable, list[str]]
    parameters: OrderedDict[ProtoVariable, str]
    forward_target: Variable
    name: str = ""
    backward_target: Variable | None = None
    loss_variables: list[ProtoVariable] = field(default_factory=list)
    parameter_learning_rate_multipliers: OrderedDict[ProtoVariable, float] = field(default_factory=OrderedDict)


@dataclass(eq=False)
class Info:
    """All that a model file holds.

    Attributes:
        proto: the message ``NNablaProtoBuf``, without the values of parameters.
        parameter_scope: where the parameters are.
        global_config, training_config: ``None`` where the file has none.
        default_context: the context that networks are computed in.
        datasets, networks, optimizers, monitors, executors: by name.
        proto_graph: the networks as described, with `networks` in it.
        renamed_variables: what took the place of variables that are gone with an Identity.
        optimizer_states_checkpoint: format and contents of files of solver states, by name of the optimizer.
        prepare_data_iterator, batch_size, exclude_parameter, parameter_only: as `load` was called.
    """

    proto: Any = field(repr=False)
    parameter_scope: parameter.Scope
    prepare_data_iterator: bool = True
    batch_size: int | None = None
    exclude_parameter: bool = False
    parameter_only: bool = False
    default_context: Context | None = None
    global_config: GlobalConfig | None = None
    training_config: TrainingConfig | None = None
    proto_graph: ProtoGraph | None = None
    datasets: OrderedDict[str, Dataset] = field(default_factory=OrderedDict)
    networks: OrderedDict[str, ProtoNetwork] = field(default_factory=OrderedDict)
    optimizers: OrderedDict[str, Optimizer] = field(default_factory=OrderedDict)
    monitors: OrderedDict[str, Monitor] = field(default_factory=OrderedDict)
    executors: OrderedDict[str, Executor] = field(default_factory=OrderedDict)
    renamed_variables: dict[str, str] = field(default_factory=dict)
    optimizer_states_checkpoint: OrderedDict[str, tuple[str, Any]] = field(default_factory=OrderedDict)
