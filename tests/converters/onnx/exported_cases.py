"""The operator cases as networks, and what onnxruntime computes with their ONNX models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from nnabla.converters.onnx import to_onnx
from nnabla.converters.onnx.export_rules import RULES
from nnabla.converters.onnx.exporter import newest_opset
from nnabla.graph.operator import registry

from ...operators.case import Case
from ..case_networks import cases_of, close, network_of

# Public names of the functions with a rule.
WRITTEN = {registry[type_name].declaration.name: type_name for type_name in RULES}

TIE = "between two elements, NNabla takes the one above, ONNX the even one"
GROWS = "a negative pad, which makes the result larger, is not allowed in ONNX"
NAN = "before opset 11 there are only largest elements, of which NaN is the first, also of the negated ones"
ROI = "onnxruntime does not compute RoiAlign of opset 22 and later"
RUNNING = "the running mean, which it subtracts, changes in each run"
AVERAGES = "the running minimum and maximum change in each run"
GRADIENTS = "what computes the gradient of another function is not written"

# Cases that may differ or be refused, by a pattern of their name, and why.
EXCEPTIONS = {
    r"edges-warp_by_grid-.*mode=nearest": TIE,
    r"unusual-(depthwise_)?deconvolution-.*pad=\(.*-": GROWS,
    r"arrays_more-sort-9$": NAN,
    r"\w+-roi_align-": ROI,
    r"normalization_more-mean_subtraction-[0-3]": RUNNING,
    r"quantization-min_max_quantize-.*ema=True-x_min_max=True": AVERAGES,
    r"signal-i?stft-.*as_i?stft_backward=True": GRADIENTS,
}
# What an operator set does not have yet: only a refusal that says so passes.
TOO_OLD = re.compile(r"is there from opset|from opset \d+ on|has no \w+ in opset")

# What comes of a case: equal; a call that NNabla itself refuses; what an operator set does not have; an exception.
EQUAL, REFUSED, NOT_YET, EXCUSED = "equal", "refused", "not yet", "excused"


def newest_both() -> int:
    """The newest operator set that the installed onnx and onnxruntime both know."""
    for opset in range(newest_opset(), 16, -1):
        ir = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
        x = onnx.helper.make_tensor_value_info("x", 1, [1])
        y = onnx.helper.make_tensor_value_info("y", 1, [1])
        graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=ir)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception:
            continue
        return opset
    raise AssertionError("onnxruntime loads no operator set above 16")


def excused(case: Case) -> bool:
    """Whether a case is an exception."""
    return any(re.match(pattern, str(case)) for pattern in EXCEPTIONS)


def outcome(case: Case, opset: int) -> str:
    """What comes of a case with an operator set: one of the above, or in what it is wrong."""
    found = attempt(case, opset)
    if found is None:
        return REFUSED
    if not found:
        return EQUAL
    if excused(case):
        return EXCUSED
    refused = opset < 17 and found.startswith("FormatError") and TOO_OLD.search(found)
    return NOT_YET if refused else str(found)


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
