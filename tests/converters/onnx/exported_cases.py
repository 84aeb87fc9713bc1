"""The operator cases as networks, and what onnxruntime computes with their ONNX models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

import nnabla as nn
from nnabla.converters.onnx import to_onnx
from nnabla.converters.onnx.export_rules import RULES
from nnabla.graph.operator import registry
from nnabla.network import ProtoNetwork, create_graph_from_variable

from ...operators.case import Case
from ...operators.cases import ALL
from ...operators.observe import REFUSALS, call, variables

# Public names of the functions with a rule.
WRITTEN = {registry[type_name].declaration.name: type_name for type_name in RULES}


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


def computed(model: onnx.ModelProto, feeds: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """What onnxruntime computes, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {entry.name: feeds[int(entry.name[1:])] for entry in session.get_inputs()}
    return list(session.run(list(names), inputs))


def difference(case: Case, opset: int) -> str | None:
    """Why onnxruntime's result differs from ours; ``""`` if it does not, ``None`` if the case is refused here."""
    found = network_of(case)
    if found is None:
        return None
    network, feeds, expected = found
    model = to_onnx(network, opset)
    onnx.checker.check_model(model, full_check=False)
    names = [f"y{i}" for i in range(len(expected))]
    results = computed(model, feeds, names)
    for name, ours, theirs in zip(names, expected, results, strict=True):
        if ours.shape != theirs.shape:
            return f"{name}: shape {theirs.shape} instead of {ours.shape}"
        if not close(ours, theirs):
            return f"{name}: {theirs.ravel()[:8]} instead of {ours.ravel()[:8]}"
    return ""


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Equal to 1e-4 of the value or of the largest one; NaN and infinities in the same places."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.abs(ours[np.isfinite(ours)])
    scale = float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(theirs, ours, rtol=1e-4, atol=1e-4 * min(scale, 1.0) + 1e-6, equal_nan=True))


def cases() -> dict[str, list[Case]]:
    """The float32 cases of every function with a rule, by its name."""
    found: dict[str, list[Case]] = {}
    for case in ALL:
        name = registry[case.function].declaration.name if case.function in registry else case.function
        if name in WRITTEN and case.dtype == "float32":
            found.setdefault(name, []).append(case)
    return found


def attempt(case: Case, opset: int) -> Any:
    """`difference`, with what was raised as text."""
    try:
        return difference(case, opset)
    except Exception as error:  # what the runtime raises is of no common type
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1][:300]}"
