"""Every function with a rule, written as ONNX and computed by onnxruntime: equal to what we compute, to 1e-4."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime
import pytest

from nnabla.converters.onnx.exporter import newest_opset

from ...operators.case import Case
from .exported_cases import attempt, cases

TIE = "between two elements, NNabla takes the one above, ONNX the even one"
GROWS = "a negative pad, which makes the result larger, is not allowed in ONNX"
NAN = "before opset 11 there are only largest elements, of which NaN is the first, also of the negated ones"
ROI = "onnxruntime does not compute RoiAlign of opset 22 and later"
RUNNING = "the running mean, which it subtracts, changes in each run"

# Cases that may differ or be refused, by a pattern of their name, and why.
EXCEPTIONS = {
    r"edges-warp_by_grid-.*mode=nearest": TIE,
    r"unusual-(depthwise_)?deconvolution-.*pad=\(.*-": GROWS,
    r"arrays_more-sort-9$": NAN,
    r"\w+-roi_align-": ROI,
    r"normalization_more-mean_subtraction-[0-3]": RUNNING,
}
# What an operator set does not have yet: only a refusal that says so passes.
FIRST_OPSET = {"cumprod": 26}
TOO_OLD = re.compile(r"is there from opset|from opset \d+ on|has no \w+ in opset")
BY_FUNCTION = cases()
CASES = [case for found in BY_FUNCTION.values() for case in found]


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
    return any(re.match(pattern, str(case)) for pattern in EXCEPTIONS)


def check(chosen: list[Case], opset: int) -> int:
    """How many cases onnxruntime computed; fails with all those that differ."""
    wrong, right = [], 0
    for case in chosen:
        found = attempt(case, opset)
        if found is None or (found and excused(case)):
            continue
        if (
            found
            and opset < FIRST_OPSET.get(case.function, 17)
            and found.startswith("FormatError")
            and TOO_OLD.search(found)
        ):
            continue
        if found:
            wrong.append(f"{case}: {found}")
        else:
            right += 1
    assert not wrong, "\n".join(wrong)
    return right


def some(found: list[Case], count: int) -> list[Case]:
    """Cases spread over those of a function."""
    places = np.unique(np.linspace(0, len(found) - 1, count).astype(int))
    return [found[i] for i in places]


def test_all_cases_at_the_default_opset():
    assert check(CASES, 17) >= 1800


@pytest.mark.parametrize(("opset", "first"), [(9, 0), (11, 1), (13, 2), (21, 0), ("newest", 1)])
def test_a_case_of_every_third_function_at_other_opsets(opset, first):
    number = newest_both() if opset == "newest" else opset
    chosen = [case for found in list(BY_FUNCTION.values())[first::3] for case in some(found, 2)[:1]]
    assert check(chosen, number) >= 45


@pytest.mark.heavy
@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, "newest"])
def test_all_cases_at_other_opsets(opset):
    number = newest_both() if opset == "newest" else opset
    assert check(CASES, number) >= (1500 if number < 12 else 1700)


def test_exceptions_are_few_and_needed():
    named = [case for case in CASES if excused(case)]
    assert len(named) <= 0.03 * len(CASES)
    for pattern in EXCEPTIONS:
        assert any(re.match(pattern, str(case)) for case in named), pattern
