"""Seeds of parameters and of stochastic functions."""

import time
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import nnabla as nn
import nnabla.random as R


def test_nn_seed_is_this_seed():
    assert nn.seed is R.seed


@given(st.integers(0, 2**32 - 1))
def test_seed_makes_both_sources_repeatable(value):
    def draws():
        R.seed(value)
        return R.prng.randint(1 << 30, size=3).tolist(), [R.function_generator_seed() for _ in range(3)]

    first = draws()
    assert first == draws()
    assert R.pseed == value
    assert first[0] == np.random.RandomState(value).randint(1 << 30, size=3).tolist()


def test_function_seeds_differ_from_each_other_and_fit_a_generator():
    R.set_function_seed(0)
    seeds = [R.function_generator_seed() for _ in range(1000)]
    assert len(set(seeds)) == 1000
    assert min(seeds) >= 0
    assert max(seeds) < 2**32
    assert max(seeds) > 2**31


def test_parameter_seed_leaves_functions_alone():
    R.set_function_seed(3)
    R.function_generator_seed()
    resets = R.function_seed_resets()
    expected = [R.function_generator_seed() for _ in range(2)]
    R.set_function_seed(3)
    R.function_generator_seed()
    for seed_parameters in (lambda: R.set_parameter_seed(8), lambda: R.seed(8, set_function_seed=False)):
        seed_parameters()
        assert R.pseed == 8
    assert [R.function_generator_seed() for _ in range(2)] == expected
    assert R.function_seed_resets() == resets + 1


def test_function_seed_leaves_parameters_alone():
    R.set_parameter_seed(5)
    prng = R.prng
    resets = R.function_seed_resets()
    R.set_function_seed(6)
    R.seed(7, set_parameter_seed=False)
    assert R.prng is prng
    assert R.pseed == 5
    assert R.function_seed_resets() == resets + 2


def test_negative_function_seed_stands_for_an_unsigned_one():
    R.set_function_seed(-1)
    negative = R.function_generator_seed()
    R.set_function_seed(2**32 - 1)
    assert R.function_generator_seed() == negative


@pytest.mark.parametrize("value", [np.int64(4), np.uint8(4), np.array(4)])
def test_integers_of_numpy_are_seeds(value):
    R.seed(value)
    assert type(R.pseed) is int
    assert R.pseed == 4


FUNCTIONS = [R.seed, R.set_function_seed, R.set_parameter_seed]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("value", [1.0, "3", None, [1, 2], np.array([3, 4])])
def test_seed_must_be_an_integer(function, value):
    check_refused(function, value, TypeError, f"{function.__name__}: seed_value must be an integer, not")


@pytest.mark.parametrize(
    ("function", "value", "lowest"),
    [
        (R.seed, -1, 0),
        (R.seed, 2**32, 0),
        (R.set_parameter_seed, -1, 0),
        (R.set_function_seed, 2**32, -(2**31)),
        (R.set_function_seed, -(2**31) - 1, -(2**31)),
    ],
)
def test_seed_must_be_in_range(function, value, lowest):
    message = f"{function.__name__}: seed_value must be between {lowest} and 4294967295, not {value}"
    check_refused(function, value, ValueError, message)


def check_refused(function, value, error, message):
    before = R.prng, R.pseed, R.function_seed_resets()
    with pytest.raises(error, match=message):
        function(value)
    assert (R.prng, R.pseed, R.function_seed_resets()) == before


def test_threads_share_the_generator_of_parameters(monkeypatch):
    """Also where several ask at once for what is made when it is first asked for."""
    make = R._set_parameter_seed

    def slowly(value):
        time.sleep(0.01)
        make(value)

    monkeypatch.delitem(vars(R), "prng", raising=False)
    monkeypatch.setattr(R, "_set_parameter_seed", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: R.prng, range(4)))
    assert all(prng is found[0] for prng in found)
