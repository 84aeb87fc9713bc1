"""The operator cases as networks, and what onnxruntime computes with their ONNX models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from nnabla.converters.onnx import to_onnx
from nnabla.converters.onnx.export_rules import RULES
from nnabla.graph.operator import registry

from ...operators.case import Case
from ..case_networks import cases_of, close, network_of

# Public names of the functions with a rule.
WRITTEN = {registry[type_name].declaration.name: type_name for type_name in RULES}


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


def cases() -> dict[str, list[Case]]:
    """The float32 cases of every function with a rule, by its name."""
    return cases_of(WRITTEN)


def attempt(case: Case, opset: int) -> Any:
    """`difference`, with what was raised as text."""
    try:
        return difference(case, opset)
    except Exception as error:  # what the runtime raises is of no common type
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1][:300]}"
