"""Every function with a rule, written as ONNX and computed by onnxruntime: equal to what we compute, to 1e-4."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ...operators.case import Case
from .exported_cases import EQUAL, EXCEPTIONS, EXCUSED, NOT_YET, REFUSED, cases, excused, newest_both, outcome

BY_FUNCTION = cases()
CASES = [case for found in BY_FUNCTION.values() for case in found]


def check(chosen: list[Case], opset: int) -> int:
    """How many cases onnxruntime computed; fails with all those that differ."""
    found = [outcome(case, opset) for case in chosen]
    known = (EQUAL, NOT_YET, EXCUSED, REFUSED)
    wrong = [f"{case}: {what}" for case, what in zip(chosen, found, strict=True) if what not in known]
    assert not wrong, "\n".join(wrong)
    return found.count(EQUAL)


def some(found: list[Case], count: int) -> list[Case]:
    """Cases spread over those of a function."""
    places = np.unique(np.linspace(0, len(found) - 1, count).astype(int))
    return [found[i] for i in places]


def test_cases_of_every_function_at_the_default_opset():
    assert check([case for found in BY_FUNCTION.values() for case in some(found, 3)], 17) >= 300


@pytest.mark.parametrize(("opset", "first"), [(7, 2), (9, 0), (11, 1), (13, 2), (21, 0), ("newest", 1)])
def test_a_case_of_every_third_function_at_other_opsets(opset, first):
    number = newest_both() if opset == "newest" else opset
    chosen = [case for found in list(BY_FUNCTION.values())[first::3] for case in some(found, 2)[:1]]
    assert check(chosen, number) >= (30 if number < 9 else 45)


@pytest.mark.heavy
@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "newest"])
def test_all_cases(opset):
    number = newest_both() if opset == "newest" else opset
    assert check(CASES, number) >= (1000 if number < 9 else 1500 if number < 12 else 1700)


def test_exceptions_are_few_and_needed():
    named = [case for case in CASES if excused(case)]
    assert len(named) <= 0.03 * len(CASES)
    for pattern in EXCEPTIONS:
        assert any(re.match(pattern, str(case)) for case in named), pattern
