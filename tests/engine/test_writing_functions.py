"""Functions that write to their inputs: what others read of them is what it is in their turn, whatever passes move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.engine.program import JoinedCall, SumCall
from nnabla.function import PythonFunction


class Overwriting(PythonFunction):
    """Returns what its input was, and puts 100 there."""

    name = "Overwriting"

    def min_outputs(self) -> int:
        return 1

    def setup_impl(self, inputs: Sequence[nn.Variable], outputs: Sequence[nn.Variable]) -> None:
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs: Sequence[nn.Variable], outputs: Sequence[nn.Variable]) -> None:
        outputs[0].d = inputs[0].d.copy()
        inputs[0].d[...] = 100

    def backward_impl(self, inputs: object, outputs: object, propagate_down: object, accum: object) -> None:
        raise AssertionError("nobody asks for it")


def leaf(*numbers: float) -> nn.Variable:
    return nn.Variable.from_numpy_array(np.array([numbers], np.float32))


def normalized(x: nn.Variable, mean: nn.Variable) -> nn.Variable:
    """By statistics of the batch: the running mean moves."""
    return F.batch_normalization(x, leaf(0, 0), leaf(1, 1), mean, leaf(1, 1), axes=[1], decay_rate=0.5)


def batch() -> nn.Variable:
    return nn.Variable.from_numpy_array(np.array([[1, 2], [3, 5]], np.float32))


def product_before_a_python_function() -> nn.Variable:
    x = leaf(1, 2)
    return F.add2(x * leaf(3, 4), Overwriting()(x))


def product_before_normalization() -> nn.Variable:
    mean = leaf(1, 1)
    return F.add2(mean * leaf(3, 4), normalized(batch(), mean))


def multiple_before_normalization() -> nn.Variable:
    mean = leaf(1, 1)
    return F.add2(2 * mean, normalized(batch(), mean))


def layers_around_normalization() -> nn.Variable:
    mean, weight = leaf(1, 1), nn.Variable.from_numpy_array(np.eye(2, dtype=np.float32))
    before = [F.affine(mean, weight), F.affine(mean, weight)]
    return F.concatenate(*before, normalized(batch(), mean), F.affine(mean, weight), F.affine(mean, weight), axis=0)


def layers_around_a_python_function() -> nn.Variable:
    x, weight = leaf(1, 2), nn.Variable.from_numpy_array(np.eye(2, dtype=np.float32))
    before = [F.affine(x, weight), F.affine(x, weight)]
    return F.concatenate(*before, Overwriting()(x), F.affine(x, weight), F.affine(x, weight), axis=0)


def view_before_a_python_function() -> nn.Variable:
    h = batch() * 2
    return F.add2(F.transpose(h, (1, 0)), Overwriting()(h))


NETWORKS = [
    product_before_a_python_function,
    product_before_normalization,
    multiple_before_normalization,
    layers_around_normalization,
    layers_around_a_python_function,
    view_before_a_python_function,
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda made: made.__name__)
@pytest.mark.parametrize("options", [{}, {"clear_no_need_grad": True}, {"clear_buffer": True}], ids=str)
def test_a_plan_gives_what_one_function_after_the_other_does(
    network: Callable[[], nn.Variable], options: dict[str, bool]
) -> None:
    with nn.auto_forward():
        expected = network().d.copy()
    y = network()
    y.forward(**options)
    np.testing.assert_allclose(y.d, expected, rtol=1e-6)


def test_what_nothing_is_written_to_between_is_still_computed_at_once() -> None:
    mean, weight = leaf(1, 1), nn.Variable.from_numpy_array(np.eye(2, dtype=np.float32))
    total = normalized(batch(), mean)
    for _ in range(3):
        h = F.affine(mean, weight)
        total = total + h * h
    records = total.plan(forward={"clear_buffer": True}).programs[0].records
    assert [sum([type(record) is kind for record in records]) for kind in (SumCall, JoinedCall)] == [3, 1]
