"""``nnabla_cli check``: what a file holds, and whether all of it would run."""

from __future__ import annotations

import argparse
import os
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import parameter
from ..converters.nnp.loading import load
from ..errors import shown
from ..files.model_files import LOADERS, format_of
from ..files.model_messages import MODEL
from ..files.stored import StoredParameter
from ..graph.operator import registry
from ..network.loop_control import LOOP_CONTROL
from ..network.proto_graph import ProtoGraph
from ..network.saved_graphs import read_files
from .check_target import check_for

NAMES_SHOWN = 8


def check_command(args: argparse.Namespace) -> bool:
    """Print what a file holds, and everything that would keep it from running; whether there is nothing of the kind.

    Raises:
        FileNotFoundError: there is no such file.
        ArgumentError: its format is not known.
        FormatError: it is damaged.
    """
    target = getattr(args, "target", None)
    if target is not None or os.path.splitext(args.file)[1].lower() == ".nnb":
        return check_for(args.file, target or "nnb")
    format_of(args.file, None, LOADERS, "check")
    print(f"{args.file}: {_size(os.path.getsize(args.file))}")
    for name, size in _members(args.file):
        print(f"  {name}: {_size(size)}")
    found = read_files(args.file, "", "check")
    model = found.model
    _print_parameters(found.parameters)
    for network in model.network:
        _print_network(network)
    _print_uses(model)
    problems = [*_problems(model, found.parameters)]
    if not problems and model.network:
        problems += _trouble_of_loading(args.file)
    notes = [*_notes(model, found.parameters)]
    for kind, texts in (("problem", problems), ("note", notes)):
        for text in texts:
            print(f"{kind}: {text}")
    print("This would not run." if problems else "All of it would run." if model.network else "There is no network.")
    return not problems


# ---- what there is -----------------------------------------------------------------------------------------


def _members(path: str) -> list[tuple[str, int]]:
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [(entry.filename, entry.file_size) for entry in archive.infolist() if not entry.is_dir()]


def _size(count: int) -> str:
    """Bytes in the unit in which they are easiest to read."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.4g} {unit}"
        value /= 1000
    return f"{value:.4g} GB"


def _print_parameters(stored: Sequence[StoredParameter]) -> None:
    if stored:
        numbers = sum(each.values.size for each in stored)
        size = _size(sum(each.values.nbytes for each in stored))
        kinds = Counter(str(each.values.dtype) for each in stored)
        print(f"{len(stored)} parameters, {numbers} numbers, {size}: {_listed(kinds.elements())}")


def _listed(names: Iterable[str]) -> str:
    """Names with how often they stand there, the most frequent first."""
    counts = Counter(names).most_common()
    text = ", ".join(name if count == 1 else f"{name} x {count}" for name, count in counts[:NAMES_SHOWN])
    return text + (f" and {len(counts) - NAMES_SHOWN} more" if len(counts) > NAMES_SHOWN else "")


def _print_network(network: Any) -> None:
    print(f"network {network.name!r}: batch size {network.batch_size}, {len(network.function)} functions")
    print(f"  {_listed(function.type for function in network.function)}")
    read = {name for function in network.function for name in function.input}
    made = {name for function in network.function for name in function.output}
    for what, wanted in (("inputs", read - made), ("outputs", made - read)):
        described = [
            f"{variable.name} {tuple(variable.shape.dim)}"
            for variable in network.variable
            if variable.name in wanted and variable.type != "Parameter"
        ]
        print(f"  {what}: {', '.join(described[:NAMES_SHOWN])}{' ...' if len(described) > NAMES_SHOWN else ''}")


def _print_uses(model: Any) -> None:
    for optimizer in model.optimizer:
        print(f"optimizer {optimizer.name!r}: {optimizer.solver.type} on network {optimizer.network_name!r}")
    for monitor in model.monitor:
        print(f"monitor {monitor.name!r}: network {monitor.network_name!r}")
    for executor in model.executor:
        given = ", ".join(each.variable_name for each in executor.data_variable)
        made = ", ".join(each.variable_name for each in executor.output_variable)
        print(f"executor {executor.name!r}: network {executor.network_name!r}, {given} -> {made}")
    for dataset in model.dataset:
        print(f"data set {dataset.name!r}: {dataset.uri or dataset.cache_dir}")


# ---- what is wrong -----------------------------------------------------------------------------------------


def _problems(model: Any, stored: Sequence[StoredParameter]) -> Iterator[str]:
    shapes = {each.name: each.values.shape for each in stored}
    for network in model.network:
        unknown = [f for f in network.function if f.type not in registry and f.type not in LOOP_CONTROL]
        for function in unknown:
            yield (
                f"network {network.name!r}: function {function.name!r} is of type {shown(function.type)!r}, which is "
                "not known"
            )
        for variable in network.variable:
            shape = tuple(variable.shape.dim)
            if variable.type == "Parameter" and shapes.get(variable.name, shape) != shape and not variable.repeat_id:
                yield (
                    f"network {network.name!r}: parameter {variable.name!r} has shape {shape} in the network and "
                    f"{shapes[variable.name]} in the file"
                )
        if not unknown:
            yield from _trouble_of_building(network, stored)


def _trouble_of_building(network: Any, stored: Sequence[StoredParameter]) -> Iterator[str]:
    """Why a network cannot be built by itself."""
    alone = MODEL.message("NNablaProtoBuf")()
    alone.network.add().CopyFrom(network)
    try:
        graph = ProtoGraph.from_proto(alone, None, OrderedDict())
        graph.expand_loop_control()
        graph.register(list(stored), "check")
        for built in graph.networks.values():
            if built.functions:
                built()
    except (ValueError, RuntimeError, TypeError, KeyError, NotImplementedError, MemoryError) as error:
        yield f"network {network.name!r}: {_first_line(error)}"


def _trouble_of_loading(path: str) -> list[str]:
    """Why optimizers, monitors or executors cannot be had, where the networks can."""
    try:
        with parameter.parameter_scope("", OrderedDict()):
            load(path, prepare_data_iterator=False)
    except (ValueError, RuntimeError, TypeError, KeyError, NotImplementedError, MemoryError) as error:
        return [_first_line(error)]
    return []


def _first_line(error: BaseException) -> str:
    return shown(str(error).strip().partition("\n")[0] or type(error).__name__, 300)


def _notes(model: Any, stored: Sequence[StoredParameter]) -> Iterator[str]:
    """What a user may not expect, although it runs."""
    names = {each.name for each in stored}
    described = [v for network in model.network for v in network.variable if v.type == "Parameter"]
    absent = sorted({v.name for v in described} - names)
    if absent:
        yield f"parameters without values, which are drawn anew or 0: {_listed(absent)}"
    unused = sorted(names - {v.name for v in described}) if model.network else []
    if unused:
        yield f"values that no network uses: {_listed(unused)}"
    wrong = [each.name for each in stored if each.values.dtype.kind == "f" and not np.isfinite(each.values).all()]
    if wrong:
        yield f"parameters with infinite numbers or NaN: {_listed(wrong)}"
    for dataset in model.dataset:
        place = dataset.uri or dataset.cache_dir
        if "://" not in place and not os.path.exists(place):
            yield f"data set {dataset.name!r}: there is no {place!r}, so it cannot be trained here"
    if model.network and not model.executor:
        yield "there is no executor: infer and forward have nothing to run"
