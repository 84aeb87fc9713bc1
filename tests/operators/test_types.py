"""Every function in every type, compared with the same in double precision on the same rounded inputs.

In double precision, functions are judged by the records of the original, by NumPy and by differences; so here only the
rounding of the type is left. Its size is told in units: half the distance between 1 and the next number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla.ext_utils import get_extension_context
from nnabla.graph.operator import registry

from .case import Case
from .cases import ALL, TABLES
from .observe import call, output_gradients
from .records import refused

TYPES = {"half": torch.float16, "bfloat16": torch.bfloat16, "float": torch.float32, "double": torch.float64}
# How many units a value may be off: of its own size and that of the largest of its array. Sums over some dozens of
# rounded numbers come to a few; in single precision, longer ways through a function show.
ALLOWED = {"half": 8.0, "bfloat16": 8.0, "float": 40.0}
# Several functions in one, each of which rounds: how often its units may be the usual.
COMPOSED = {"fused_convolution": 2.0}

# Arrays that hold less than this share of the largest number of all results and gradients are differences of equal
# numbers: 0 but for rounding.
NOTHING = 1e-4

# Tables of values that half precision cannot hold, and of places between two pixels, which one rounding decides.
BEYOND_HALF = ("edges",)

# Where a rounding inside of the function decides between two results. They have other tests.
ROUNDING = {
    "min_max_quantize": "the zero point of a range is rounded, often from the middle between two integers",
    "quantize_linear": "quotients are rounded to integers",
    "nms_detection2d": "overlaps are compared with a threshold",
}
# By case what a type cannot hold.
OUT_OF_RANGE = {
    "half": {
        "arrays-clip_by_value-2-max=0.1-min=-0.1": "a bound that is no number of the type",
        "arrays_more-bool_fill-3-value=1000000.0": "a million",
        "creation-constant-5-shape=(2,)-val=10000000000.0": "1e10",
        "logical-minimum_scalar-2-val=-0.3": "a bound that is no number of the type",
    },
    "bfloat16": {"logical-minimum_scalar-2-val=-0.3": "a bound that is no number of the type"},
}


def accepted(cases: list[Case]) -> Iterator[Case]:
    for case in cases:
        if not refused(case) and case.category not in BEYOND_HALF:
            yield case


def regular(cases: list[Case]) -> Iterator[Case]:
    """Cases away from kinks, poles and overflows, which are not the same in all types."""
    return (case for case in accepted(cases) if case.derivative != "undefined")


# One case for each function; a regular one if there is any.
FIRST: dict[str, Case] = {}
for _case in [*regular(ALL), *accepted(ALL)]:
    FIRST.setdefault(_case.function, _case)


def rounded(array: np.ndarray, config: str) -> np.ndarray:
    return torch.from_numpy(np.asarray(array, np.float64)).to(TYPES[config]).double().numpy()


def outputs(case: Case, config: str, rounding: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs, and gradients for random gradients of these, of inputs that are rounded to a type first."""
    dtype = np.float64 if case.dtype == "float32" else case.dtype
    with nn.context_scope(get_extension_context("cpu", type_config=config)):
        xs = [
            None
            if a is None
            else nn.Variable.from_numpy_array(rounded(a, rounding).astype(dtype), need_grad=i in case.grad)
            for i, a in enumerate(case.arrays())
        ]
        ys = call(case, xs)
        nn.forward_all(ys)
        for i in case.grad:
            xs[i].grad.zero()
        for y, dy in zip(ys, output_gradients(case, [y.shape for y in ys]), strict=True):
            if case.grad and y.parent.need_grad:
                y.backward(rounded(dy, rounding))
        return [y.d for y in ys], [xs[i].g for i in case.grad]


def differences(case: Case, config: str) -> list[str]:
    """What is off in a type by more than its rounding, in words."""
    expected_ys, expected_dxs = outputs(case, "double", config)
    ys, dxs = outputs(case, config, config)
    unit = 2.0 ** (-1 - {"half": 10, "bfloat16": 7, "float": 23}[config])
    found = []
    expected = expected_ys + expected_dxs
    largest = max([np.abs(a[np.isfinite(a)]).max(initial=0.0) for a in expected if a.dtype.kind == "f"], default=0.0)
    for i, (result, wanted) in enumerate(zip(ys + dxs, expected, strict=True)):
        name = f"{case}: {'output' if i < len(ys) else 'gradient'} {i if i < len(ys) else i - len(ys)}"
        if result.shape != wanted.shape:
            found.append(f"{name}: shape {result.shape} instead of {wanted.shape}")
            continue
        a, b = result.astype(np.float64), wanted.astype(np.float64)
        scale = max(np.abs(b[np.isfinite(b)]).max(initial=0.0), NOTHING * largest)
        with np.errstate(invalid="ignore"):
            off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b) / ((np.abs(b) + scale) * unit))
        # Not-a-number fails this, too.
        if not (off <= ALLOWED[config] * COMPOSED.get(case.function, 1)).all():
            found.append(f"{name}: off by {off.max():.1f} units of {config}")
    return found


@pytest.mark.parametrize("config", ["bfloat16", "float"])
@pytest.mark.parametrize("case", FIRST.values(), ids=lambda c: c.function)
def test_a_function_in_a_type(case: Case, config: str) -> None:
    if case.function in ROUNDING or str(case) in OUT_OF_RANGE.get(config, ()):
        pytest.skip(ROUNDING.get(case.function, "out of range"))
    assert not differences(case, config)


@pytest.mark.parametrize("table", [t for t in TABLES if t not in BEYOND_HALF])
def test_all_cases_in_half_precision(table: str) -> None:
    """No case is refused."""
    found: list[str] = []
    for case in regular(TABLES[table]):
        if case.function not in ROUNDING and str(case) not in OUT_OF_RANGE["half"]:
            found += differences(case, "half")
    assert not found, "\n".join(found)


def test_exceptions_are_needed() -> None:
    """Each case that is left out differs."""
    for config, cases in OUT_OF_RANGE.items():
        for name in cases:
            (case,) = [c for c in ALL if str(c) == name]
            assert differences(case, config), f"{name} needs no exception in {config}"
    for function in ROUNDING:
        cases = [c for c in accepted(ALL) if c.function == function]
        assert any(differences(c, config) for c in cases for config in ("half", "bfloat16", "float")), function


@pytest.mark.parametrize("case", FIRST.values(), ids=lambda c: c.function)
def test_the_types_of_results(case: Case) -> None:
    """Double precision in double; in half that of the context, or single where the function says so.

    What hands its input on keeps the type of that, which is double here, as in NNabla 1.39.
    """
    as_is = case.function in ("reshape", "identity", "unlink")
    for config, allowed in (("double", {"float64"}), ("half", {"float16", "float32"}), ("float", {"float32"})):
        ys, _ = outputs(case, config, "half")
        names = {y.dtype.name for y in ys if y.dtype.kind == "f"}
        assert names == {"float64"} if as_is else names <= allowed, config


def test_a_wrong_result_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is off by a hundredth in one type only."""
    case, operator = FIRST["tanh"], registry["Tanh"]
    forward = operator.forward
    assert not differences(case, "half")
    monkeypatch.setattr(operator, "forward", lambda self, x: forward(self, x) * (1.01 if x.dtype is torch.half else 1))
    assert "output 0: off by" in differences(case, "half")[0]
