"""``nnabla_cli check --target``: whether a model runs on a device, before it is written to one."""

from __future__ import annotations

import os

from ..converters.nnb.linter import Findings, board, check_model, check_network
from ..converters.nnb.reader import load
from .model_formats import executed_in_file


def check_for(path: str, target: str) -> bool:
    """Print what a model of any format needs on a device, and what keeps it from running; whether there is nothing.

    Raises:
        FileNotFoundError: there is no such file.
        ArgumentError: there is no such target, or nothing says which network is meant.
        FormatError: the file is damaged.
    """
    device = board(target)
    if os.path.splitext(path)[1].lower() == ".nnb":
        model = load(path)
        print(f"{path}: {len(model.functions)} functions, {len(model.variables)} variables, version {model.version}")
        return _print(check_model(model, device), device.name)
    source = executed_in_file(path)
    print(f"{path}: network {source.network.name!r}")
    return _print(check_network(source, device), device.name)


def _print(findings: Findings, device: str) -> bool:
    for line in findings.lines:
        print(f"  {line}")
    for problem in findings.problems:
        print(f"problem: {problem}")
    print(f"This would not run on {device}." if findings.problems else f"This would run on {device}.")
    return not findings.problems
