"""Dropout and random arrays: distributions, ranges, types, and what a seed reproduces.

The bounds hold for every sample size (they are not asymptotic), and are so wide that a right implementation
fails with a probability below 1e-9 per assertion: Hoeffding's inequality for means of bounded values, and
the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant for distribution functions. Both
allow a deviation of ``sqrt(ln(2 / 1e-9) / (2 n))`` for values in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError

from .observe import REFUSALS

SIZE = 40000


def deviation(n: int) -> float:
    """How far a mean of `n` values in [0, 1], or their distribution function, may lie from the truth."""
    return math.sqrt(math.log(2 / 1e-9) / (2 * n))


def forward(y: nn.Variable) -> np.ndarray:
    """The values of `y` after a forward pass, as an array of their own."""
    y.forward()
    return np.array(y.d)


def assert_distribution(sample: np.ndarray, cumulative: Callable[[np.ndarray], np.ndarray]) -> None:
    """Asserts that the values are spread as the distribution function says."""
    ordered = np.sort(sample.ravel().astype(np.float64))
    n = ordered.size
    truth = cumulative(ordered)
    distance = max(np.max(np.arange(1, n + 1) / n - truth), np.max(truth - np.arange(n) / n))
    assert distance <= deviation(n)


def assert_independent(uniform: np.ndarray) -> None:
    """Asserts that neighbours are uncorrelated, for values that are uniform in [0, 1]."""
    pairs = uniform.ravel()[: uniform.size // 2 * 2].reshape(-1, 2)
    assert abs(float(np.mean(pairs[:, 0] * pairs[:, 1])) - 0.25) <= deviation(len(pairs))


def normal_cumulative(mu: float, sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    """Distribution function of the normal distribution."""
    return lambda x: np.array([0.5 * math.erfc((mu - v) / (sigma * math.sqrt(2))) for v in x])


def ones(*shape: int, need_grad: bool = False) -> nn.Variable:
    """A variable of ones: dropout then shows its mask."""
    x = nn.Variable(shape, need_grad=need_grad)
    x.d = 1
    return x


def counted(size: int) -> nn.Variable:
    """A variable of 0, 1, 2, ..."""
    return nn.Variable.from_numpy_array(np.arange(size, dtype=np.float32))


@pytest.mark.parametrize("low,high", [(0.0, 1.0), (-2.0, 3.0), (10.0, 10.5)])
def test_rand_is_uniform(low: float, high: float) -> None:
    """Values of rand lie in [low, high), evenly and independently."""
    nn.seed(11)
    sample = forward(F.rand(low, high, shape=(SIZE,)))
    assert sample.dtype == np.float32
    assert sample.min() >= low and sample.max() <= high
    unit = (sample.astype(np.float64) - low) / (high - low)
    assert_distribution(unit, lambda u: np.clip(u, 0, 1))
    assert_independent(unit)


def test_rand_default_range_excludes_one() -> None:
    """One is not a value of rand: its logarithm and that of its complement may be taken on one side only."""
    nn.seed(12)
    assert forward(F.rand(shape=(1000, 1000))).max() < 1.0


@pytest.mark.parametrize("mu,sigma", [(0.0, 1.0), (-3.0, 0.25), (100.0, 10.0)])
def test_randn_is_normal(mu: float, sigma: float) -> None:
    """Values of randn have the normal distribution, independently."""
    nn.seed(13)
    sample = forward(F.randn(mu, sigma, shape=(SIZE,)))
    assert sample.dtype == np.float32
    cumulative = normal_cumulative(mu, sigma)
    assert_distribution(sample, cumulative)
    assert_independent(cumulative(sample.astype(np.float64)))


def test_randn_with_negative_sigma_is_mirrored() -> None:
    """What is added to the mean is turned around, to the last bit: seen in NNabla 1.39 with the same seed."""
    right = forward(F.randn(0.0, 0.5, shape=(1000,), seed=3))
    assert np.array_equal(forward(F.randn(0.0, -0.5, shape=(1000,), seed=3)), -right)
    shifted = forward(F.randn(2.0, -0.5, shape=(1000,), seed=3))
    np.testing.assert_allclose(2.0 - shifted, right, rtol=0, atol=3e-7)


@pytest.mark.parametrize("sigma", [0.0, float("nan")])
def test_randn_refuses_a_sigma_without_distribution(sigma: float) -> None:
    with pytest.raises(ArgumentError, match=rf"^randn: sigma must be a number other than 0, not {sigma}"):
        F.randn(0.0, sigma, shape=(4,))


@pytest.mark.parametrize("low,high", [(0, 2), (-2, 3), (1000000, 1000010)])
def test_randint_is_even(low: int, high: int) -> None:
    """Values of randint are the integers in [low, high), each as often as the others."""
    nn.seed(14)
    sample = forward(F.randint(low, high, shape=(SIZE,)))
    assert sample.dtype == np.int32
    values, counts = np.unique(sample, return_counts=True)
    assert values.tolist() == list(range(low, high))
    assert np.max(np.abs(counts / SIZE - 1 / (high - low))) <= deviation(SIZE)


def test_randint_default_range() -> None:
    """Without a range, randint can only be zero."""
    assert forward(F.randint(shape=(4,))).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 1, 5), [2, 3]])
@pytest.mark.parametrize("name", ["rand", "randn", "randint", "rand_beta", "rand_gamma", "rand_binomial"])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    """The shape is the one asked for, and wants no gradient."""
    y = getattr(F, name)(shape=shape)
    assert y.shape == tuple(shape)
    assert not y.need_grad
    assert forward(y).shape == tuple(shape)


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.rand(3.0, 1.0, shape=(4,)),
        lambda: F.rand(1.0, 1.0, shape=(4,)),
        lambda: F.randint(3, 1, shape=(4,)),
        lambda: F.randint(1, 1, shape=(4,)),
        lambda: F.randn(0.0, 0.0, shape=(4,)),
    ],
)
def test_empty_ranges_are_refused(call: Callable[[], nn.Variable]) -> None:
    """A range without values, and a deviation of zero."""
    with pytest.raises(REFUSALS):
        call().forward()


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_drops_a_share(p: float) -> None:
    """A share of about `p` becomes zero, evenly spread; the rest is divided by 1 - p, so the mean stays."""
    nn.seed(15)
    mask = forward(F.dropout(ones(200, 200), p))
    kept = mask != 0
    np.testing.assert_allclose(mask[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(kept.mean() - (1 - p)) <= deviation(kept.size)
    for axis in (0, 1):
        assert np.max(np.abs(kept.mean(axis=axis) - (1 - p))) <= deviation(200)
    pairs = kept.reshape(-1, 2).all(axis=1)
    assert abs(pairs.mean() - (1 - p) ** 2) <= deviation(pairs.size)


def test_dropout_scales_its_input() -> None:
    """What is kept is the input, divided by 1 - p."""
    x = nn.Variable((50, 20))
    x.d = np.random.RandomState(16).standard_normal(x.shape)
    y = forward(F.dropout(x, 0.25))
    np.testing.assert_allclose(y[y != 0], x.d[y != 0] / np.float32(0.75), rtol=1e-6)


@pytest.mark.parametrize("seed", [-1, 5])
def test_dropout_gradient_has_the_mask_of_the_last_forward(seed: int) -> None:
    """Each forward pass draws a mask, and backward uses it; gradients accumulate."""
    x = ones(1000, need_grad=True)
    y = F.dropout(x, 0.4, seed=seed)
    dy = np.random.RandomState(17).standard_normal(1000).astype("float32")
    total = np.zeros(1000, np.float32)
    x.grad.zero()
    masks = []
    for _ in range(2):
        masks.append(forward(y))
        y.backward(dy)
        total = total + masks[-1] * dy
        np.testing.assert_allclose(x.g, total, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(masks[0], masks[1])


def test_dropout_gradient_with_cleared_buffers() -> None:
    """The mask outlives the clearing of buffers during forward and backward."""
    x = ones(1000, need_grad=True)
    y = F.dropout(x, 0.4)
    z = F.mul_scalar(y, 2.0)
    x.grad.zero()
    z.forward(clear_no_need_grad=True)
    mask = np.array(z.d)
    z.backward(clear_buffer=True)
    np.testing.assert_allclose(x.g, mask, rtol=1e-6)


# Each makes a function that draws from the common generator; with a seed of its own, from its own generator.
SOURCES = {
    "dropout": lambda **seed: F.dropout(ones(1000), 0.5, **seed),
    "rand": lambda **seed: F.rand(shape=(100,), **seed),
    "randn": lambda **seed: F.randn(shape=(100,), **seed),
    "randint": lambda **seed: F.randint(0, 1000, shape=(100,), **seed),
    "rand_beta": lambda **seed: F.rand_beta(shape=(100,), **seed),
    "rand_gamma": lambda **seed: F.rand_gamma(shape=(100,), **seed),
    "rand_binomial": lambda **seed: F.rand_binomial(1000, 0.5, shape=(100,), **seed),
    "random_choice": lambda **seed: F.random_choice(counted(1000), ones(1000), (5,), False, **seed),
}
by_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def draws(y: nn.Variable, count: int = 2) -> list[list[float]]:
    """The values of successive forward passes."""
    return [forward(y).tolist() for _ in range(count)]


@by_source
def test_forward_draws_anew(source: Callable[..., nn.Variable]) -> None:
    """No two passes, and no two functions, give the same values, seeded or not."""
    nn.seed(18)
    for seed in ({}, {"seed": 5}):
        first, second = draws(source(**seed))
        assert first != second
    a, b = source(), source()
    nn.forward_all([a, b])
    assert not np.array_equal(a.d, b.d)


@by_source
def test_global_seed_reproduces(source: Callable[..., nn.Variable]) -> None:
    """nn.seed restarts the common generator, for the same graph and for a new one."""
    y = source()
    nn.seed(313)
    first = draws(y)
    nn.seed(313)
    assert draws(y) == first
    nn.seed(313)
    assert draws(source()) == first
    nn.seed(314)
    assert draws(y) != first


@by_source
def test_seed_argument_reproduces(source: Callable[..., nn.Variable]) -> None:
    """A function with a seed has a generator of its own, which nn.seed and other functions leave alone."""
    first = draws(source(seed=5))
    nn.seed(1)
    y = source(seed=5)
    other = source()
    interleaved = []
    for _ in range(2):
        other.forward()
        interleaved.append(forward(y).tolist())
    assert interleaved == first
    nn.seed(1)
    assert draws(y) != first
    assert draws(source(seed=6)) != first


@by_source
def test_seeded_function_leaves_the_common_generator_alone(source: Callable[..., nn.Variable]) -> None:
    """Drawing from a generator of one's own does not shift the sequence of the others."""
    nn.seed(19)
    first = draws(F.rand(shape=(5,)))
    nn.seed(19)
    draws(source(seed=3))
    assert draws(F.rand(shape=(5,))) == first


@by_source
def test_dynamic_mode_draws_what_static_mode_draws(source: Callable[..., nn.Variable]) -> None:
    """From one seed, running at once and running later give the same values."""
    nn.seed(20)
    later = forward(source())
    nn.seed(20)
    with nn.auto_forward():
        at_once = np.array(source().d)
    assert np.array_equal(at_once, later)


@by_source
@pytest.mark.parametrize("seed", [-1, 5])
def test_recomputation_repeats_the_last_draw(source: Callable[..., nn.Variable], seed: int) -> None:
    """The gradient that computes a variable again sees the values of forward, though others drew meanwhile."""
    w = nn.Variable.from_numpy_array(np.float32(1), need_grad=True)
    with nn.recompute():
        y = source(seed=seed)
    z = F.sum(F.mul2(F.pow_scalar(y, 2.0), F.reshape(w, (1,) * y.ndim)))
    z.forward(clear_no_need_grad=True)
    F.rand(shape=(3,)).forward()
    w.grad.zero()
    z.backward(clear_buffer=True)
    # The derivative by w is the sum of the squares as they were in forward.
    assert w.g == pytest.approx(float(z.d), rel=1e-5)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_recurrent_layers_drop_a_share(name: str) -> None:
    """Between two layers, an element is dropped or divided by 1 - p, as often as p says; nn.seed repeats."""
    gates: tuple[int, ...] = {"rnn": (), "lstm": (4,), "gru": (3,)}[name]
    rng = np.random.RandomState(23)
    first, second = rng.standard_normal((1, *gates, 1, 2)), rng.standard_normal((1, 1, *gates, 1, 2))
    batch = 4000

    def layers(dropout: float, factor: float) -> nn.Variable:
        inner = second.copy()
        inner[..., :1] *= factor
        states = [ones(2, 1, batch, 1)] * (2 if name == "lstm" else 1)
        weights = [nn.Variable.from_numpy_array(w) for w in (first, inner)]
        outputs = getattr(F, name)(ones(1, batch, 1), *states, *weights, None, num_layers=2, dropout=dropout)
        return outputs[0]

    nn.seed(24)
    y = layers(0.25, 1.0)
    drawn, again = forward(y), forward(y)
    assert not np.array_equal(drawn, again)
    kept = np.isclose(drawn, forward(layers(0.0, 1 / 0.75)), rtol=1e-5)
    assert np.array_equal(~kept, np.isclose(drawn, forward(layers(0.0, 0.0)), rtol=1e-5))
    assert abs(kept.mean() - 0.75) <= deviation(batch)
    nn.seed(24)
    assert np.array_equal(forward(layers(0.25, 1.0)), drawn)


def test_functions_draw_in_the_order_of_running() -> None:
    """The common generator serves functions in the order in which they run, not in which they were built."""
    nn.seed(21)
    first, second = draws(F.rand(shape=(5,)))
    a, b = F.rand(shape=(5,)), F.rand(shape=(5,))
    nn.seed(21)
    assert (forward(b).tolist(), forward(a).tolist()) == (first, second)


@pytest.mark.parametrize("seed", [-1, 1.5, "3", None])
def test_bad_global_seeds_are_refused(seed: object) -> None:
    """A seed is a whole number from 0 to 2**32 - 1."""
    with pytest.raises((*REFUSALS, AssertionError)):
        nn.seed(seed)


def test_imperative_dropout() -> None:
    """On an NdArray, dropout gives an NdArray, and draws from the same generator."""
    x = nn.NdArray.from_numpy_array(np.ones(1000, np.float32))
    nn.seed(22)
    masks = [F.dropout(x, 0.5).data.tolist() for _ in range(2)]
    assert set(masks[0]) == {0.0, 2.0} and masks[0] != masks[1]
    nn.seed(22)
    assert F.dropout(x, 0.5).data.tolist() == masks[0]
