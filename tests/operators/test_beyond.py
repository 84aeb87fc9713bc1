"""Cases that the original refuses or computes wrongly: NumPy is their judge, or a recorded sibling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .case import Case
from .cases import ALL
from .compare import differences
from .observe import call, static, variables

# The last word on a case that has no judge of its own.
Judge = Callable[[Case, list[np.ndarray | None]], np.ndarray]


def channel_first(case: Case, arrays: list[np.ndarray | None]) -> np.ndarray:
    """The same function on arrays whose channel axis was moved in front of the spatial axes."""
    args = {name: value for name, value in case.args if name != "channel_last"}
    spatial = len(args["kernel"]) if "kernel" in args else arrays[1].ndim - 2
    moved = [a if a is None or a.ndim <= spatial else np.moveaxis(a, -1, -1 - spatial) for a in arrays]
    first = Case(**{**vars(case), "args": tuple(args.items())})
    (y,) = call(first, variables(first, moved))
    y.forward()
    return np.moveaxis(y.d, -1 - spatial, -1)


def reduction(numpy_name: str) -> Judge:
    """The NumPy function of that name, over the axes of the case."""

    def judge(case: Case, arrays: list[np.ndarray | None]) -> np.ndarray:
        args = dict(case.args)
        return getattr(np, numpy_name)(arrays[0], axis=args["axis"], keepdims=args.get("keepdims", False))

    return judge


def norm(case: Case, arrays: list[np.ndarray | None]) -> np.ndarray:
    """The p-norm, by its definition."""
    args = dict(case.args)
    p = args.get("p", 2.0)
    return np.sum(np.abs(arrays[0]) ** p, axis=args["axis"], keepdims=args.get("keepdims", False)) ** (1 / p)


def python_slice(case: Case, arrays: list[np.ndarray | None]) -> np.ndarray:
    """Python's slicing."""
    args = dict(case.args)
    return arrays[0][tuple(slice(a, b) for a, b in zip(args["start"], args["stop"], strict=True))]


def transposition(case: Case, arrays: list[np.ndarray | None]) -> np.ndarray:
    """NumPy's transposition."""
    return np.transpose(arrays[0], dict(case.args)["axes"])


JUDGES: dict[str, Judge] = {
    "convolution": channel_first,
    "deconvolution": channel_first,
    "max_pooling": channel_first,
    "average_pooling": channel_first,
    "sum_pooling": channel_first,
    "sum": reduction("sum"),
    "mean": reduction("mean"),
    "max": reduction("max"),
    "min": reduction("min"),
    "prod": reduction("prod"),
    "norm": norm,
    "slice": python_slice,
    "transpose": transposition,
}

BEYOND = [case for case in ALL if case.beyond]


def test_every_judge_has_a_case() -> None:
    """A judge without a case checks nothing."""
    assert set(JUDGES) == {case.function for case in BEYOND if case.judge is None}


def judged(case: Case) -> np.ndarray:
    """What the judge of a case says."""
    if case.judge is None:
        return JUDGES[case.function](case, case.arrays())
    return case.judge(*case.arrays(), **dict(case.args))


@pytest.mark.parametrize("case", BEYOND, ids=str)
def test_outputs(case: Case) -> None:
    """The output is what the judge says; gradients are checked with those of all other cases."""
    seen = static(case)
    assert not seen.refused, seen.error
    found = differences("outputs", seen.outputs, [judged(case)], case.tolerance)
    assert not found, "\n".join(found)
