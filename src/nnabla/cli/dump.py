"""``nnabla_cli dump``: what a model file holds, as text."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from ..converters.nnp.loading import load


def dump_command(args: argparse.Namespace) -> bool:
    """Print inputs and outputs of every optimizer, monitor and executor, and of their functions and variables."""
    for path in args.files:
        print(f"Importing {path}")
        info = load([path], prepare_data_iterator=False)
        for name in info.networks:
            print(f" Expanding {name}.")
        if args.dump_verbose:
            print(info.proto)
        _dump_all(info, args)
    return True


def _dump_all(info: Any, args: argparse.Namespace) -> None:
    for index, (name, optimizer) in enumerate(info.optimizers.items()):
        _dump(f"Optimizer[{index}]:", name, optimizer, "Loss", optimizer.loss_variables, args)
    for index, (name, monitor) in enumerate(info.monitors.items()):
        _dump(f"Monitor  [{index}]:", name, monitor, "Monitor", monitor.monitor_variables, args)
    for index, (name, executor) in enumerate(info.executors.items()):
        if args.nnp_import_executor_index in (None, index):
            _dump(f"Executor [{index}]:", name, executor, "Output", executor.output_assign, args)


def _dump(head: str, name: str, used: Any, kind: str, outputs: Iterable[Any], args: argparse.Namespace) -> None:
    print(f"  {head} {name}")
    for what, variables in (("(In) Data     ", used.dataset_assign), ("(In) Generator", used.generator_assign)):
        _dump_variables(f"  {head}  {what}", variables)
    _dump_variables(f"  {head}  (Out){kind:9}", outputs)
    network = used.network
    if args.dump_functions:
        functions = list(network.forward_sequence())
        shown = functions if args.dump_limit < 0 else functions[: args.dump_limit]
        for index, function in enumerate(shown):
            print(f"  {head}   Function[{index:^5}]: Type: {function.type:20} Name: {function.name}")
    if args.dump_variables:
        everything = [*network.variables.values(), *network.parameters.values()]
        _dump_variables(f"  {head}   Variable", everything)
    if args.dump_variable_name:
        found = network.variables.get(args.dump_variable_name) or network.parameters.get(args.dump_variable_name)
        if found is not None:
            print(f"Variable Name: {found.name:20} Shape: {list(found.shape)}")


def _dump_variables(head: str, variables: Iterable[Any]) -> None:
    for index, variable in enumerate(variables):
        print(f"{head} variable[{index}]: Name:{variable.name:30} Shape:{list(variable.shape)}")
