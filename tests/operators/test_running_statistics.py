"""Functions that write to an input in forward: what they write, and that recomputing writes nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError
from nnabla.ext_utils import get_extension_context


def filled(values: np.ndarray, need_grad: bool = False) -> nn.Variable:
    """A variable that holds `values`."""
    x = nn.Variable(values.shape, need_grad=need_grad)
    x.d = values
    return x


def parameters(rng: np.random.RandomState, shape: tuple[int, ...]) -> list[nn.Variable]:
    """Shift, scale, running mean and variance."""
    values = [rng.standard_normal(shape), rng.uniform(0.5, 2, shape)] * 2
    return [filled(v, need_grad=i < 2) for i, v in enumerate(values)]


@pytest.mark.parametrize("type_config", ["half", "bfloat16"])
def test_half_precision_keeps_statistics_in_single_precision(type_config: str) -> None:
    """A running mean moves by less than half precision could tell."""
    x = filled(np.full((2, 1), 2.0))
    mean, variance = filled(np.full((1, 1), 1000.0)), filled(np.ones((1, 1)))
    with nn.context_scope(get_extension_context("cpu", type_config=type_config)):
        y = F.batch_normalization(x, None, None, mean, variance, decay_rate=0.9999)
        y.forward()
    assert mean.d.dtype == np.float32
    np.testing.assert_allclose(mean.d, 0.9999 * 1000 + 0.0001 * 2, rtol=1e-6)


def test_recomputing_moves_no_statistics() -> None:
    """Backward computes a recomputed output again; running statistics move once, in forward."""
    rng = np.random.RandomState(2)
    x = filled(rng.standard_normal((4, 3, 5)), need_grad=True)
    moved = {}
    for recompute in (False, True):
        given = parameters(np.random.RandomState(4), (1, 3, 1))
        with nn.recompute(recompute):
            y = F.batch_normalization(F.mul_scalar(x, 2.0), *given)
        z = F.sum(F.tanh(y))
        z.forward(clear_no_need_grad=True)
        x.grad.zero()
        z.backward()
        moved[recompute] = [given[2].d.copy(), given[3].d.copy(), x.g.copy()]
    for found, expected in zip(moved[True], moved[False], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_synchronized_batch_normalization_of_one_process() -> None:
    """It is the plain one; those of several are in tests/distributed."""
    rng = np.random.RandomState(6)
    x = rng.standard_normal((4, 3, 5))
    results = []
    for call, more in ((F.batch_normalization, {}), (F.sync_batch_normalization, {"comm": SimpleNamespace(size=1)})):
        given = parameters(np.random.RandomState(8), (1, 3, 1))
        v = filled(x, need_grad=True)
        ys = call(v, *given, **more, output_stat=True)
        nn.forward_all(ys)
        v.grad.zero()
        ys[0].backward(np.cos(x))
        results.append([*[y.d for y in ys], given[2].d, given[3].d, v.g])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    for other in (None, SimpleNamespace(size=2)):
        with pytest.raises(ArgumentError, match="comm must be a communicator, not "):
            F.sync_batch_normalization(v, *given, comm=other)


def test_incremental_quantization_over_several_steps() -> None:
    """Half of the free weights is fixed in step 1 and all in step 3; fixed ones come back from any change."""
    start = np.array([[0.9, -0.4], [0.05, -0.012], [1.7, 0.3], [0.6, 0.2]])
    weight, fixed = filled(start, need_grad=True), filled(np.zeros(start.shape))
    y = F.inq_affine(filled(np.eye(4)), weight, fixed, inq_iterations=(1, 3))
    # Observed with NNabla 1.39, the weights multiplied by 1.9 after steps 1 and 2.
    steps = [
        (start, [[0, 0]] * 4),
        ([[1, -0.5], [0.05, -0.012], [2, 0.3], [0.5, 0.2]], [[1, 1], [0, 0], [1, 0], [1, 0]]),
        ([[1, -0.5], [0.095, -0.0228], [2, 0.57], [0.5, 0.38]], [[1, 1], [0, 0], [1, 0], [1, 0]]),
        ([[1, -0.5], [0.25, 0], [2, 1], [0.5, 0.5]], [[1, 1]] * 4),
        ([[1, -0.5], [0.25, 0], [2, 1], [0.5, 0.5]], [[1, 1]] * 4),
    ]
    for step, (values, flags) in enumerate(steps):
        y.forward()
        np.testing.assert_allclose(weight.d, values, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(fixed.d, flags)
        np.testing.assert_allclose(y.d, values, rtol=1e-6, atol=1e-9)
        if step in (1, 2):
            weight.d = weight.d * 1.9


def test_random_incremental_quantization() -> None:
    """About half of the free weights are chosen, and the seed decides which."""
    chosen = []
    for seed in (11, 11, 12):
        weight, fixed = filled(np.full((20, 20), 0.3)), filled(np.zeros((20, 20)))
        arguments = {"inq_iterations": (0, 9), "selection_algorithm": "random", "seed": seed}
        F.inq_affine(filled(np.ones((1, 20))), weight, fixed, **arguments).forward()
        chosen.append(fixed.d.copy())
    assert np.array_equal(chosen[0], chosen[1]) and not np.array_equal(chosen[0], chosen[2])
    assert 150 < chosen[0].sum() < 250


def test_sink_starts_from_gradients_that_are_there() -> None:
    """Without `one_input_grad`, what the user wrote to the gradients goes on; with it, they become 1."""
    for one_input_grad, expected in ((True, [2.0, 3.0]), (False, [14.0, 24.0])):
        a, b = filled(np.ones(3), need_grad=True), filled(np.ones(3), need_grad=True)
        first, second = F.mul_scalar(a, 2.0), F.mul_scalar(b, 3.0)
        y = F.sink(first, second, one_input_grad=one_input_grad)
        y.forward()
        a.grad.zero()
        b.grad.zero()
        first.grad.fill(7.0)
        second.grad.fill(8.0)
        y.backward()
        np.testing.assert_array_equal([a.g[0], b.g[0]], expected)


def test_sink_sets_the_gradient_of_a_leaf() -> None:
    """It is set once, also if the leaf is given twice, and not added to."""
    a = filled(np.ones(3), need_grad=True)
    a.g = 5
    y = F.sink(a, a)
    y.forward()
    y.backward()
    np.testing.assert_array_equal(a.g, 1)
    with pytest.raises(TypeError, match="sink: at least one input must be given"):
        F.sink()


@pytest.mark.parametrize("batch_stat", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_second_derivative_with_and_without_scale(batch_stat: bool, scaled: bool) -> None:
    """Of a sum of sines of the output, by all inputs and then by `x`, by differences."""
    rng = np.random.RandomState(7)
    with nn.context_scope(nn.Context(["cpu:double"])):
        x = filled(rng.standard_normal((4, 3, 2)), need_grad=True)
        beta, gamma, mean, variance = parameters(rng, (1, 3, 1))
        y = F.batch_normalization(x, beta, gamma if scaled else None, mean, variance, eps=0.1, batch_stat=batch_stat)
        wanted = [x, beta, *([gamma] if scaled else [])]
        weights = [filled(rng.standard_normal(v.shape)) for v in wanted]
        loss = sum([F.sum(d * w) for d, w in zip(nn.grad([F.sum(F.sin(y))], wanted), weights, strict=True)])
        x.grad.zero()
        loss.forward()
        loss.backward()
        direction, start, gradient = rng.standard_normal(x.shape), x.d.copy(), x.g.copy()
        found = []
        for step in (1e-5, -1e-5):
            x.d = start + step * direction
            loss.forward()
            found.append(float(loss.d))
    assert (found[0] - found[1]) / 2e-5 == pytest.approx(float((gradient * direction).sum()), rel=1e-6)
