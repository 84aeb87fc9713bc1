"""The operator cases as networks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

import nnabla as nn
from nnabla.graph.operator import registry
from nnabla.network import ProtoGraph, ProtoNetwork, create_graph_from_variable
from nnabla.network.proto_variable import PARAMETER

from ..operators.case import Case
from ..operators.cases import ALL
from ..operators.observe import REFUSALS, call, variables


def cases_of(written: Collection[str]) -> dict[str, list[Case]]:
    """The float32 cases of functions, by the public names of these."""
    found: dict[str, list[Case]] = {}
    for case in ALL:
        name = registry[case.function].declaration.name if case.function in registry else case.function
        if name in written and case.dtype == "float32":
            found.setdefault(name, []).append(case)
    return found


def network_of(case: Case) -> tuple[ProtoNetwork, list[np.ndarray], list[np.ndarray]] | None:
    """The network of a case, its inputs and its outputs; ``None`` if the case is a call that is refused."""
    xs = variables(case, case.arrays())
    feeds = {x: x.d.astype(np.float32) for x in xs if x is not None}
    try:
        with nn.context_scope(nn.Context()):
            ys = call(case, xs)
            for x in _leaves(ys):
                feeds.setdefault(x, x.d.astype(np.float32))
            nn.forward_all(ys)
    except REFUSALS:
        return None
    outputs = [y.d.copy() for y in ys]
    names = {f"x{i}": x for i, x in enumerate(feeds)} | {f"y{i}": y for i, y in enumerate(ys)}
    network = create_graph_from_variable("case", ys, names=names)["case"]
    return network, list(feeds.values()), outputs


def _leaves(ys: Sequence[nn.Variable]) -> list[nn.Variable]:
    """What functions made by the call read and no function made."""
    found: list[nn.Variable] = []
    for y in ys:
        y.visit(lambda f: found.extend([x for x in f.inputs if x.parent is None and x not in found]))
    return found


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Equal to 1e-4 of the value or of the largest one; NaN and infinities in the same places."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.abs(ours[np.isfinite(ours)])
    scale = float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(theirs, ours, rtol=1e-4, atol=1e-4 * min(scale, 1.0) + 1e-6, equal_nan=True))


def with_parameters(network: ProtoNetwork, feeds: Sequence[np.ndarray], names: Sequence[str]) -> ProtoNetwork:
    """The network of a case with some of its inputs as parameters."""

    def change(copy: ProtoNetwork) -> None:
        for name in names:
            parameter = nn.Variable.from_numpy_array(feeds[int(name[1:])])
            described = copy.variables.pop(name)
            described.type = PARAMETER
            described.variable_instance = parameter
            copy.parameters[name] = described
            copy.owner.set_parameter(name, parameter)

    return network.promote(change)


def computed(graph: ProtoGraph, *inputs: Any) -> list[np.ndarray]:
    """The outputs of a network that was read."""
    network = graph.default_graph()
    network(*[nn.Variable.from_numpy_array(np.asarray(x, np.float32)) for x in inputs])
    names = [v.variable_name for v in graph.executors["runtime"].as_proto().output_variable]
    outputs = [network.variables[name].variable_instance for name in names]
    nn.forward_all(outputs)
    return [np.array(y.d) for y in outputs]
