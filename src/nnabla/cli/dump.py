"""``nnabla_cli dump``: what a model file holds, as text. Nothing is built."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..errors import ArgumentError
from ..files.model_files import LOADERS, format_of
from ..network import ProtoNetwork, ProtoVariable
from ..network.loops import KEPT
from ..network.saved_graphs import graph_of, read_files


class _Use(NamedTuple):
    """How a network is used."""

    head: str
    message: Any
    kind: str
    outputs: Iterable[Any]


def dump_command(args: argparse.Namespace) -> bool:
    """Print inputs and outputs of every optimizer, monitor and executor, and of their functions and variables.

    Several files are parts of one model. Nothing in model files says which functions prepare inputs, so
    ``--nnp-exclude-preprocess`` changes nothing, as with NNabla.

    Raises:
        ArgumentError: the format of a file is not known, or there is no executor of the number that was asked for.
        FormatError: a file is damaged.
        ValueError: names do not fit together.
    """
    expand = not args.nnp_no_expand_network
    for path in args.files:
        format_of(path, None, LOADERS, "dump")
        print(f"Importing {path}")
    model = read_files(args.files, "", "dump").model
    uses = _uses(model, args.nnp_import_executor_index)
    graph = graph_of(model, [], exclude_parameter=True, function="dump", expand_loops=expand)
    if expand:
        for name in graph.networks:
            print(f" Expanding {name}.")
    if args.dump_verbose:
        print(model)
    for use in uses:
        name = use.message.network_name
        if name not in graph.networks:
            raise ValueError(f"dump: network {name!r} is not found; there are {list(graph.networks)}")
        _dump(use, graph.networks[name], args)
    return True


def _uses(model: Any, executor: int | None) -> list[_Use]:
    if executor is not None:
        if not 0 <= executor < len(model.executor):
            raise ArgumentError(
                f"dump: -E must be the number of one of {len(model.executor)} executors, not {executor}"
            )
        only = model.executor[executor]
        print(f" Try to leave only executor[{only.name}].")
        return [_Use("Executor [0]:", only, "Output", only.output_variable)]
    return [
        *(_Use(f"Optimizer[{i}]:", each, "Loss", each.loss_variable) for i, each in enumerate(model.optimizer)),
        *(_Use(f"Monitor  [{i}]:", each, "Monitor", each.monitor_variable) for i, each in enumerate(model.monitor)),
        *(_Use(f"Executor [{i}]:", each, "Output", each.output_variable) for i, each in enumerate(model.executor)),
    ]


def _dump(use: _Use, network: ProtoNetwork, args: argparse.Namespace) -> None:
    head = f"  {use.head}"
    print(f"{head} {use.message.name}")
    for what, given in (
        ("(In) Data     ", use.message.data_variable),
        ("(In) Generator", use.message.generator_variable),
        (f"(Out){use.kind:9}", use.outputs),
    ):
        _dump_variables(f"{head}  {what}", [network._variable(each.variable_name) for each in given])
    everything = {**network.variables, **network.parameters}
    if args.dump_variable_name:
        found = everything.get(args.dump_variable_name)
        if found is None:
            print(f"DUMP ERROR: variable {args.dump_variable_name} not found.")
        else:
            print(f"Variable Name: {found.name:20} Shape: {list(found.shape)}")
        return
    if args.dump_functions:
        # What loops leave when they are written out only hands on values.
        functions = [each for each in network.functions.values() if not str(each.name).startswith(KEPT)]
        for index, function in enumerate(functions if args.dump_limit < 0 else functions[: args.dump_limit]):
            print(f"{head}   Function[{index:^5}]: Type: {function.type:20} Name: {function.name}")
    if args.dump_variables:
        _dump_variables(f"{head}   Variable", everything.values())


def _dump_variables(head: str, variables: Iterable[ProtoVariable]) -> None:
    for index, variable in enumerate(variables):
        print(f"{head} variable[{index}]: Name:{variable.name:30} Shape:{list(variable.shape)}")
