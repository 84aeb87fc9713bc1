"""Functions that write to their inputs: what others read of them is what it is in their turn, whatever passes move."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.engine import passes
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


def random_values(seed: int, options: dict[str, bool]) -> list[np.ndarray]:
    """The result of a random graph of functions that write to others' inputs, after three runs, and all its leaves."""
    r = random.Random(seed)
    numbers = np.random.RandomState(seed)

    def drawn(*shape: int) -> nn.Variable:
        return nn.Variable.from_numpy_array(numbers.uniform(0.5, 1, shape).astype(np.float32))

    means, variances, weight, bias = [drawn(1, 2), drawn(1, 2)], [drawn(1, 2), drawn(1, 2)], drawn(2, 2), drawn(2)
    pool = [drawn(3, 2), drawn(3, 2)]

    def made_of(pool: list[nn.Variable]) -> nn.Variable:
        v, w, i = r.choice(pool[-5:]), r.choice(pool), r.randrange(2)
        statistics = leaf(0, 0), leaf(1, 1), means[i], variances[i]
        made: list[Callable[[], nn.Variable]] = [
            lambda: F.batch_normalization(v, *statistics, axes=[1], decay_rate=0.5),
            lambda: F.batch_normalization(v, *statistics, axes=[1], batch_stat=False),
            lambda: v + w * means[i],
            lambda: 2 * means[i] + v,
            lambda: v + F.affine(means[i], weight, bias),
            lambda: F.affine(v, weight, bias),
            lambda: Overwriting()(v),
            lambda: F.add_scalar(v, 0.5, inplace=True),
            lambda: F.transpose(F.transpose(v, (1, 0)), (1, 0)),
            lambda: F.concatenate(*[F.reshape(row, (1, 2)) for row in F.split(v, axis=0)], axis=0),
            lambda: F.reshape(v, (3, 2), inplace=True),
            lambda: v + F.reshape(F.assign(bias, bias * 0.5), (1, 2)),
            lambda: v + v * w,
            lambda: F.tanh(v),
            lambda: v * w,
        ]
        return r.choice(made)()

    for _ in range(r.randint(4, 14)):
        pool.append(made_of(pool))
    y = F.sum(F.add_n(*[F.tanh(v) for v in pool[-3:]])) if r.random() < 0.7 else pool[-1]
    for _ in range(3):
        y.forward(**options)
    return [y.d.copy(), *[v.d.copy() for v in (*means, *variances, weight, bias)]]


@pytest.mark.heavy
def test_random_graphs() -> None:
    for seed in range(1000):
        options: dict[str, bool] = [{}, {"clear_no_need_grad": True}, {"clear_buffer": True}][seed % 3]
        with passes.without(*passes.FUSIONS, *passes.PASSES):
            expected = random_values(seed, options)
        for value, right in zip(random_values(seed, options), expected, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-4, atol=1e-4)
