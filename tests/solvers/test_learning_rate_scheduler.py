"""Learning rate schedules: what the original gives over whole runs, and what is refused."""

import json

import numpy as np
import pytest

import nnabla.utils.learning_rate_scheduler as L
from nnabla.errors import ArgumentError

from ..reference.record_learning_rates import CASES, PATH, rates

RECORDS = json.loads(PATH.read_text(encoding="utf-8"))


def test_every_schedule_is_recorded():
    schedules = {name for name in vars(L) if name.endswith("Scheduler")} - {"BaseLearningRateScheduler"}
    assert {name for name, _ in CASES} == schedules
    assert {str(case) for case in CASES} == set(RECORDS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whole_run(case):
    # To the last bit where the C library's cos and pow are the same, so almost.
    np.testing.assert_allclose(rates(case), RECORDS[str(case)], rtol=4e-16, atol=1e-18)


def test_settings_may_change_between_calls():
    schedule = L.CosineScheduler(0.1, 10)
    assert (schedule.init_lr, schedule.max_iter) == (0.1, 10)
    schedule.init_lr, schedule.max_iter = 1.0, 5
    assert schedule.get_learning_rate(5) == 0
    assert schedule.get_learning_rate(0) == 1
    steps = [3]
    schedule = L.StepScheduler(1.0, 0.5, steps)
    assert schedule.get_learning_rate(4) == 0.5
    steps.append(4)
    assert schedule.get_learning_rate(4) == 0.25


def test_calls_may_come_in_any_order():
    schedule = L.LinearWarmupScheduler(L.StepScheduler(1.0, 0.5, [3, 2]), 3)
    assert [schedule.get_learning_rate(i) for i in (6, 5, 0, 9, 1)] == [0.25, 0.25, 1 / 3, 0.25, 2 / 3]
    assert schedule.get_learning_rate(iter=6) == 0.25


def test_numpy_numbers_lose_no_digits():
    given = L.PolynomialScheduler(np.float32(0.1), np.int64(30), np.float32(2))
    exact = L.PolynomialScheduler(float(np.float32(0.1)), 30, 2)
    for i in range(30):
        assert given.get_learning_rate(np.int64(i)) == exact.get_learning_rate(i)


STEPS = [(2, 4), {2, 4}, range(2, 5, 2), np.array([2, 4]), iter([2, 4])]


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: type(steps).__name__)
def test_steps_in_any_collection(steps):
    schedule = L.StepScheduler(1.0, 0.5, steps)
    for _ in range(2):
        assert [schedule.get_learning_rate(i) for i in range(5)] == [1, 1, 0.5, 0.5, 0.25]


def test_schedules_of_ones_own():
    class Constant(L.BaseLearningRateScheduler):
        def get_learning_rate(self, iter):
            return 2.0

    class Unrelated:
        def get_learning_rate(self, iter):
            return 4.0 * iter

    assert L.LinearWarmupScheduler(Constant(), 4).get_learning_rate(1) == 1.0
    assert L.LinearWarmupScheduler(Unrelated(), 4).get_learning_rate(2) == 6.0
    assert all(issubclass(getattr(L, name), L.BaseLearningRateScheduler) for name, _ in CASES)


def test_base_class_has_no_schedule():
    class Unfinished(L.BaseLearningRateScheduler):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished must define get_learning_rate"):
        Unfinished().get_learning_rate(0)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: L.CosineScheduler(0.1, 0), ArgumentError, "CosineScheduler: max_iter must be above 0, not 0"),
        (lambda: L.CosineScheduler(0.1, -4), ArgumentError, "CosineScheduler: max_iter must be above 0, not -4"),
        (lambda: L.CosineScheduler("0.1", 4), TypeError, "CosineScheduler: init_lr must be a number, not '0.1'"),
        (lambda: L.CosineScheduler(0.1, None), TypeError, "CosineScheduler: max_iter must be a number, not None"),
        (lambda: L.PolynomialScheduler(0.1, 0, 1), ArgumentError, "PolynomialScheduler: max_iter must be above 0"),
        (lambda: L.PolynomialScheduler(0.1, 9, []), TypeError, r"power must be a number, not \[\]"),
        (lambda: L.ExponentialScheduler(0.1, 0.5, 0), ArgumentError, "iter_interval must be above 0, not 0"),
        (lambda: L.ExponentialScheduler(0.1, "a"), TypeError, "ExponentialScheduler: gamma must be a number, not 'a'"),
        (lambda: L.StepScheduler(0.1, 0.5, 2), TypeError, "StepScheduler: iter_steps must be a list of numbers, not 2"),
        (lambda: L.StepScheduler(0.1, 0.5, "24"), TypeError, "StepScheduler: iter_steps must be a list of numbers"),
        (lambda: L.StepScheduler(0.1, 0.5, ["2"]), TypeError, "each of iter_steps must be a number, not '2'"),
        (lambda: L.StepScheduler(None, 0.5, [2]), TypeError, "StepScheduler: init_lr must be a number, not None"),
        (lambda: L.LinearWarmupScheduler(0.1, 4), TypeError, "scheduler must have get_learning_rate, which 0.1 lacks"),
        (
            lambda: L.LinearWarmupScheduler(L.CosineScheduler(1, 9), "4"),
            TypeError,
            "LinearWarmupScheduler: warmup_iter must be a number, not '4'",
        ),
        (
            lambda: L.CosineScheduler(1, 9).get_learning_rate(None),
            TypeError,
            "CosineScheduler: iter must be a number, not None",
        ),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("power, past", [(0.5, 11), (-1, 10), (-0.5, 10)])
def test_where_the_polynomial_has_no_value(power, past):
    """The original gives a complex number or divides by zero."""
    schedule = L.PolynomialScheduler(0.1, 10, power)
    assert schedule.get_learning_rate(9) > 0
    with pytest.raises(ArgumentError, match=f"at iter={past} there is no learning rate with max_iter=10"):
        schedule.get_learning_rate(past)


def test_a_schedule_drives_a_solver():
    import nnabla.solvers as S

    solver, schedule = S.Sgd(), L.CosineScheduler(0.1, 10)
    for i in range(11):
        solver.set_learning_rate(schedule.get_learning_rate(i))
        assert solver.learning_rate() == pytest.approx(schedule.get_learning_rate(i))
