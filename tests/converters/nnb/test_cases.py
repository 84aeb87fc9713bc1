"""Every function with a rule, written as NNB and computed by the interpreter: equal to what we compute, to 1e-4."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nnabla.converters.nnb import run
from nnabla.converters.nnb.kernels import KERNELS
from nnabla.converters.nnb.model import DataType
from nnabla.converters.nnb.rules import RULES
from nnabla.converters.nnb.settings import Settings, StoredType
from nnabla.errors import FormatError

from .written_cases import cases, difference, model_of

BY_FUNCTION = cases()
CASES = [case for found in BY_FUNCTION.values() for case in found]
# What only a refusal that says so may do, by its text.
REFUSED = re.compile(
    "no empty arrays|must be a parameter, not computed|no negative pad|gives no mean and variance|of one axis, not of"
)

EXCEPTIONS = {
    r"normalization_more-mean_subtraction-[0-3]": "the running mean, which it subtracts, changes in each run",
}


def test_all_kernels_of_the_runtime_are_written():
    assert set(KERNELS) <= set(RULES)
    assert len(KERNELS) == 62


@pytest.mark.parametrize("parameters", [False, True])
def test_all_cases(parameters):
    wrong, right, refused = [], 0, []
    for case in CASES:
        try:
            found = difference(case, parameters)
        except FormatError as error:
            (refused if REFUSED.search(str(error)) else wrong).append(f"{case}: {error}")
            continue
        if found and not any(re.match(pattern, str(case)) for pattern in EXCEPTIONS):
            wrong.append(f"{case}: {found}")
        right += found == ""
    assert not wrong, "\n".join(wrong)
    assert right >= 500
    assert len(refused) < (0.03 if parameters else 0.09) * len(CASES)


@pytest.mark.parametrize(("type", "fp_pos"), [(DataType.INT16, 8), (DataType.INT8, 4)])
def test_fixed_point(type, fp_pos):
    """Within one step of what is computed of the same numbers in double precision, where these fit into the type."""
    step = 2.0**-fp_pos
    low, high = -(2.0 ** (type.bits - 1 - fp_pos)), 2.0 ** (type.bits - 1 - fp_pos) - step
    settings = Settings(StoredType(type, fp_pos))
    wrong, right = [], set()
    for name, found in BY_FUNCTION.items():
        for case in found[:4]:
            try:
                fixed, exact = model_of(case, True, settings=settings), model_of(case, True)
            except FormatError:
                continue
            if fixed is None or exact is None or not all(np.isfinite(x).all() for x in fixed[1]):
                continue
            if len(exact[0].functions) > 1:
                continue  # what is between two functions is rounded as well
            given = [np.trunc(np.clip(x, low, high) / step) * step for x in fixed[1]]
            for rounded, number in zip(fixed[0].variables, exact[0].variables, strict=True):
                if number.data is not None:
                    number.data = rounded.numbers().astype(np.float32)
            for theirs, expected in zip(run(fixed[0], given), run(exact[0], given), strict=True):
                inside = np.isfinite(expected)
                off = np.abs(theirs[inside] - np.clip(expected[inside], low, high))
                if np.any(off > step * 1.001):
                    wrong.append(f"{case}: {theirs.ravel()[:6]} instead of {expected.ravel()[:6]}")
                right.add(name)
    assert not wrong, "\n".join(wrong)
    assert len(right) >= 55
