"""`nn.grad` of every differentiable function: equal to backward, and differentiable again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F

from .case import Case
from .check_vjp import check_vjp
from .observe import call
from .test_gradients import DIFFERENTIABLE, double_precision


def gradients(case: Case, xs: Sequence[Any]) -> list[nn.Variable]:
    """The gradients of a case as variables, for gradients of its outputs that depend on these.

    A derivative of the result goes through the inputs and through the gradients of the outputs: where a function is
    linear, all of it goes through these.
    """
    outputs = call(case, xs)
    rng = case.random_state("grad")
    dys = []
    for y in outputs:
        constant, factor = (nn.Variable.from_numpy_array(np.asarray(rng.standard_normal(y.shape))) for _ in range(2))
        dys.append(F.add2(constant, F.mul2(factor, y)))
    return nn.grad(outputs, [xs[i] for i in case.grad], grad_outputs=dys)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_grad_equals_backward(case: Case) -> None:
    with double_precision():
        arrays = case.arrays()
        xs = [
            None if a is None else nn.Variable.from_numpy_array(a.astype(np.float64), need_grad=i in case.grad)
            for i, a in enumerate(arrays)
        ]
        outputs = call(case, xs)
        rng = case.random_state("grad")
        dys = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]
        wanted = [xs[i] for i in case.grad]
        for x in wanted:
            x.grad.zero()
        nn.forward_all(outputs)
        for y, dy in zip(outputs, dys, strict=True):
            y.backward(dy)
        found = nn.grad(outputs, wanted, grad_outputs=dys)
        nn.forward_all([g for g in found if g.parent is not None])
    for x, g in zip(wanted, found, strict=True):
        assert g.shape == x.shape
        scale = np.abs(x.g).max(initial=1e-30)
        np.testing.assert_allclose(g.d, x.g, rtol=1e-9, atol=1e-10 * scale)


# With delta = 0 the first derivative is a product of 0 with the sign of x: a constant 0 that no formula shows.
KINKS = ["losses_more-huber_loss-1-delta=0.0"]
TWICE = [c for c in DIFFERENTIABLE if str(c) not in KINKS]


@pytest.mark.parametrize("case", TWICE, ids=str)
def test_the_second_derivative(case: Case) -> None:
    """backward through `nn.grad` against differences of the first derivative."""
    with double_precision():
        check_vjp(
            lambda xs: gradients(case, xs), case.arrays(), case.grad, case.random_state("second"), eps=1e-5, tol=1e-5
        )


@pytest.mark.parametrize(
    "of", [list, tuple, iter, set, lambda vs: dict.fromkeys(vs), lambda vs: dict(enumerate(vs)).values()],
    ids=["list", "tuple", "iterator", "set", "keys", "values"],
)  # fmt: skip
def test_variables_in_any_iterable(of):
    x = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True)
    u = nn.Variable.from_numpy_array([3.0, 4.0], need_grad=True)
    given = of([x, u])
    order = list(given) if isinstance(given, set) else [x, u]
    found = nn.grad(of([F.sum(x * u), F.sum(x * x)]), given)
    nn.forward_all(found)
    expected = {x: [5, 8], u: [1, 2]}
    assert [g.d.tolist() for g in found] == [expected[v] for v in order]


def test_what_is_no_iterable_of_variables():
    x = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True)
    y = F.sum(x)
    assert nn.grad(y, []) == []
    with pytest.raises(ValueError, match="grad: outputs must not be empty"):
        nn.grad([], x)
    for given, name in ((3, "int"), ({"x": x}, "str"), ("x", "str"), (nn.NdArray((2,)), "NdArray")):
        with pytest.raises(TypeError, match=f"grad: inputs must be Variables, not {name}"):
            nn.grad(y, given)
