"""Parts of the network of an executor, by the numbers of their functions, as models of their own."""

from __future__ import annotations

import re
from typing import Any

from ...errors import ArgumentError, shown
from .importer import ImportedModel


def ranges_in(text: str, count: int) -> list[tuple[int, int]]:
    """The first and the last function of each part.

    Args:
        text: parts such as ``3-``, ``-2`` or ``0-2,5-7``: numbers of functions from 0, the last one included.
        count: how many functions there are.

    Raises:
        ArgumentError: it says no parts, or there are no such functions.
    """
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{0,9})\s*-\s*([0-9]{0,9})\s*", part)
        if match is None:
            raise ArgumentError(f"convert: -S must be parts such as 3-, -2 or 0-2,5-7, not {shown(repr(text))}")
        first = int(match[1] or 0)
        last = int(match[2]) if match[2] else count - 1
        if not first <= last < count:
            raise ArgumentError(f"convert: -S: {part.strip()} is no part of {count} functions, 0 to {count - 1}")
        found.append((first, last))
    return found


def part_of(model: ImportedModel, first: int, last: int) -> ImportedModel:
    """The functions from number `first` to number `last` of the network of the only executor.

    Inputs are what they read and do not compute themselves, outputs what they compute and do not read.

    Args:
        model: with one executor. It is not changed.
        first, last: numbers of functions in the order in which the network has them.
    """
    found: Any = type(model.protobuf)()
    found.CopyFrom(model.protobuf)
    for field in ("optimizer", "monitor", "training_config", "dataset"):
        found.ClearField(field)
    executor = found.executor[0]
    network = next(n for n in found.network if n.name == executor.network_name)
    functions = list(network.function)[first : last + 1]
    read = list(dict.fromkeys([name for f in functions for name in f.input]))
    made = list(dict.fromkeys([name for f in functions for name in f.output]))
    parameters = {v.name for v in network.variable if v.type == "Parameter"}
    drawn = {g.variable_name for g in executor.generator_variable}
    _keep(network.function, [f.name for f in functions], "name")
    _keep(network.variable, {*read, *made}, "name")
    _keep(found.parameter, {*read, *made}, "variable_name")
    for field in ("generator_variable", "parameter_variable", "loss_variable"):
        _keep(getattr(executor, field), {*read, *made}, "variable_name")
    inputs = [name for name in read if name not in made and name not in parameters and name not in drawn]
    outputs = [name for name in made if name not in read]
    named = {v.variable_name: v.data_name for v in (*executor.data_variable, *executor.output_variable)}
    executor.ClearField("data_variable")
    executor.ClearField("output_variable")
    for field, names in ((executor.data_variable, inputs), (executor.output_variable, outputs)):
        for name in names:
            field.add(variable_name=name, data_name=named.get(name, name))
    return ImportedModel(found, list(model.other_files))


def _keep(entries: Any, names: Any, field: str) -> None:
    kept = [entry for entry in entries if getattr(entry, field) in names]
    del entries[:]
    entries.extend(kept)
