"""Backward against central differences in double precision, and a test of the checker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.ext_utils import get_extension_context
from nnabla.function import PythonFunction

from .case import Case
from .cases import ALL
from .check_vjp import check_vjp
from .observe import call
from .records import refused

DIFFERENTIABLE = [c for c in ALL if c.grad and c.derivative == "exact" and not refused(c)]
SURROGATE = [c for c in ALL if c.grad and c.derivative == "surrogate" and c.function != "where"]


@contextmanager
def double_precision() -> Iterator[None]:
    """A context in which functions compute in float64."""
    with nn.context_scope(get_extension_context("cpu", type_config="double")):
        yield


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_backward_is_the_derivative(case: Case) -> None:
    """<dy, J v> from differences equals <J^T dy, v> from backward."""
    with double_precision():
        check_vjp(lambda xs: call(case, xs), case.arrays(), case.grad, case.random_state("vjp"))


@pytest.mark.parametrize("case", SURROGATE, ids=str)
def test_the_checker_notices_a_surrogate(case: Case) -> None:
    """The gradient of a rounding function is not its derivative: the check must fail on it."""
    with double_precision(), pytest.raises(AssertionError, match="differences give"):
        check_vjp(lambda xs: call(case, xs), case.arrays(), case.grad, case.random_state("vjp"))


class Cube(PythonFunction):
    """The third power of a matrix, element by element, with a gradient that is right, or wrong in one of
    several ways.

    Args:
        defect: ``"none"``, ``"factor"``, ``"transposed"``, ``"one element"``, ``"missing"``.
    """

    def __init__(self, defect: str) -> None:
        super().__init__()
        self.defect = defect

    @property
    def name(self) -> str:
        return "Cube"

    def min_outputs(self) -> int:
        return 1

    def setup_impl(self, inputs: list[Any], outputs: list[Any]) -> None:
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs: list[Any], outputs: list[Any]) -> None:
        outputs[0].d = inputs[0].d ** 3

    def backward_impl(
        self, inputs: list[Any], outputs: list[Any], propagate_down: list[bool], accum: list[bool]
    ) -> None:
        dx = 3 * inputs[0].d ** 2 * outputs[0].g
        if self.defect == "factor":
            dx = dx * 1.00001
        if self.defect == "transposed":
            dx = dx.T
        if self.defect == "one element":
            dx[1, 2] = 0
        if self.defect == "missing":
            dx = np.zeros_like(dx)
        inputs[0].g = inputs[0].g + dx if accum[0] else dx

    def grad_depends_output_data(self, i: int, o: int) -> bool:
        return False

    def grad_depends_input_data(self, i: int, j: int) -> bool:
        return True


@pytest.mark.parametrize("defect", ["none", "factor", "transposed", "one element", "missing"])
def test_the_checker_notices_a_wrong_gradient(defect: str) -> None:
    """A right gradient passes; each kind of wrong one fails."""
    rng = np.random.RandomState(71)
    x = rng.standard_normal((3, 3))
    with double_precision():
        if defect == "none":
            check_vjp(lambda xs: [Cube(defect)(xs[0])], [x], (0,), rng)
            return
        with pytest.raises(AssertionError, match="differences give"):
            check_vjp(lambda xs: [Cube(defect)(xs[0])], [x], (0,), rng)


def test_the_checker_insists_on_double_precision() -> None:
    """In single precision the differences would be noise; the check says so."""
    rng = np.random.RandomState(72)
    with pytest.raises(AssertionError, match="outputs are"):
        check_vjp(lambda xs: [F.tanh(xs[0])], [rng.standard_normal((2, 3))], (0,), rng)


def test_backward_from_one_of_several_outputs() -> None:
    """Outputs that backward does not start from add nothing, whatever their gradient buffers hold."""
    x = nn.Variable((2, 3), need_grad=True)
    x.d = np.arange(6).reshape(2, 3)
    ys = F.split(x, axis=1)
    nn.forward_all(ys)
    for y in ys:
        y.g = 100.0
    x.grad.zero()
    ys[0].backward(np.array([1.0, 2.0]))
    assert x.g.tolist() == [[1, 0, 0], [2, 0, 0]]
    ys[2].backward(np.array([3.0, 4.0]))
    assert x.g.tolist() == [[1, 0, 3], [2, 0, 4]]
