"""Networks with a function each whose batch is left open, with parameters; part of `record_nnp`.

All inputs of the function but the first are parameters. Beside it stands an Affine: the first axis of what that reads
is the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.parametric_functions as PF
from nnabla.utils.nnp_graph import NnpLoader
from nnabla.utils.save import save

from ..operators.case import Case
from ..operators.observe import call, variables

FILE = "open_functions.nnp"
RESULTS = "open_functions.npz"
BESIDE = "beside"
# What they compute has a shape that depends on values; the original keeps the one that it had without values.
OF_VALUES = ("nonzero", "onnx_non_max_suppression")


def first_cases(cases: Iterator[tuple[str, Case]]) -> dict[str, Case]:
    """The first case of each function whose first input is an array with a batch."""
    found: dict[str, tuple[str, Case]] = {}
    for name, case in cases:
        arrays = case.arrays()
        if case.function in OF_VALUES:
            continue
        if arrays and arrays[0] is not None and np.ndim(arrays[0]) > 0 and np.shape(arrays[0])[0] > 0:
            found.setdefault(case.function, (name, case))
    return dict(found.values())


def outputs_of(case: Case, inputs: list[Any]) -> dict[str, Any] | None:
    """What the function of a case gives; None if it is refused, or nothing is computed."""
    try:
        outputs = call(case, inputs)
    except (ValueError, TypeError, RuntimeError, IndexError, AssertionError):
        return None
    if any(y.parent is None for y in outputs):
        return None
    return {f"y{i}": y for i, y in enumerate(outputs)}


def _entry(name: str, case: Case) -> dict[str, Any] | None:
    inputs = variables(case, case.arrays())
    for position, x in enumerate(inputs[1:], 1):
        if x is not None:
            nn.parameter.set_parameter(f"{name}/x{position}", x)
    found = outputs_of(case, inputs)
    if found is None:
        return None
    batch = inputs[0].shape[0]
    t = nn.Variable((batch, 3))
    found |= {"z": PF.affine(t, 2, name=f"{name}/{BESIDE}")}
    return {"name": name, "batch_size": batch, "outputs": found, "names": {"x0": inputs[0], "t": t}}


def write(path: Path, cases: dict[str, Case], can_be_saved: Callable[[dict[str, Any], bool], bool]) -> None:
    """The file. `can_be_saved` is asked of each network, and whether its batch is open."""
    nn.clear_parameters()
    networks = []
    for name, case in cases.items():
        network = _entry(name, case)
        if network is not None and can_be_saved(network, True):
            networks.append(network)
    rng = np.random.RandomState(5)
    for key, param in sorted(nn.get_parameters(grad_only=False).items()):
        if f"/{BESIDE}/" in key:
            param.d = rng.uniform(-1, 1, param.shape)
    executors = [
        {"name": f"run {n['name']}", "network": n["name"], "data": ["x0", "t"], "output": ["y0", "z"]} for n in networks
    ]
    save(str(path), {"networks": networks, "executors": executors})


def run(path: Path, cases: dict[str, Case]) -> dict[str, np.ndarray]:
    """What the networks in the file compute."""
    results = {}
    nn.clear_parameters()
    loader = NnpLoader(str(path))
    for name in loader.get_network_names():
        x0 = variables(cases[name], cases[name].arrays())[0]
        network = loader.get_network(name, batch_size=x0.shape[0])
        for key, variable in network.inputs.items():
            variable.d = x0.d if key == "x0" else np.linspace(-1, 1, variable.size).reshape(variable.shape)
        nn.forward_all(list(network.outputs.values()))
        for key, y in network.outputs.items():
            results[f"open functions/{name}/{key}"] = np.array(y.d)
    return results


def record(path: Path, results: dict[str, np.ndarray]) -> None:
    """Write results: one array for all, as most are small."""
    names = [f"{key}|{','.join(map(str, values.shape))}" for key, values in results.items()]
    flat = np.concatenate([np.ravel(values).astype(np.float32) for values in results.values()])
    np.savez_compressed(path, names="\n".join(names), values=flat)


def recorded(path: Path) -> dict[str, np.ndarray]:
    """What `record` wrote."""
    found, position = {}, 0
    with np.load(path) as file:
        values = file["values"]
        for line in str(file["names"]).splitlines():
            name, _, lengths = line.partition("|")
            shape = [int(length) for length in lengths.split(",") if length]
            size = int(np.prod(shape))
            found[name] = values[position : position + size].reshape(shape)
            position += size
    return found
