"""Learning rates as functions of the iteration.

Example:
    >>> schedule = LinearWarmupScheduler(CosineScheduler(0.1, max_iter=100), warmup_iter=10)
    >>> [round(schedule.get_learning_rate(i), 4) for i in (0, 5, 10, 50, 100)]
    [0.01, 0.0596, 0.0976, 0.05, 0.0]

Hand the value to the solver before each update, ``solver.set_learning_rate(schedule.get_learning_rate(i))``.
Settings are attributes of the same names and may be changed between calls.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

from ..errors import ArgumentError


def _number(value: Any, owner: object, name: str) -> float:
    try:
        # float() alone would read strings.
        return value if isinstance(value, int) else float(value + 0)
    except TypeError:
        raise TypeError(f"{type(owner).__name__}: {name} must be a number, not {value!r}") from None


def _positive(value: Any, owner: object, name: str) -> float:
    number = _number(value, owner, name)
    if not number > 0:
        raise ArgumentError(f"{type(owner).__name__}: {name} must be above 0, not {value}")
    return number


class BaseLearningRateScheduler:
    """What `LinearWarmupScheduler` takes and the other classes are: something that has `get_learning_rate`."""

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`, which counts from 0.

        Raises:
            NotImplementedError: a derived class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_learning_rate")


class PolynomialScheduler(BaseLearningRateScheduler):
    r"""Polynomial decay, :math:`\eta_i = \eta_0\,(1 - i / n)^p`.

    Args:
        init_lr: first learning rate :math:`\eta_0`.
        max_iter: iteration :math:`n` at which 0 is reached. The polynomial goes on after it.
        power: exponent :math:`p`.

    Raises:
        TypeError: an argument is not a number.
        ArgumentError: `max_iter` is not above 0.

    Example:
        >>> PolynomialScheduler(1.0, max_iter=4, power=2).get_learning_rate(2)
        0.25

    Source: Liu, Rabinovich and Berg, "ParseNet: looking wider to see better", 2015, section 3.3 (the rule "poly").
    """

    def __init__(self, init_lr: float, max_iter: int, power: float) -> None:
        self.init_lr = _number(init_lr, self, "init_lr")
        self.max_iter = _positive(max_iter, self, "max_iter")
        self.power = _number(power, self, "power")

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`.

        Raises:
            ArgumentError: the polynomial has no real value there: `power` is a fraction and `iter` above `max_iter`, or
                `power` is negative and `iter` is `max_iter`.
        """
        rest = 1.0 - _number(iter, self, "iter") / self.max_iter
        if (rest < 0 and self.power % 1 != 0) or (rest == 0 and self.power < 0):
            raise ArgumentError(
                f"PolynomialScheduler: at iter={iter} there is no learning rate with max_iter={self.max_iter} "
                f"and power={self.power}; go no further than max_iter"
            )
        return self.init_lr * rest**self.power


class CosineScheduler(BaseLearningRateScheduler):
    r"""Half a period of a cosine, :math:`\eta_i = \frac{\eta_0}{2} \left(1 + \cos \frac{\pi i}{n}\right)`.

    Args:
        init_lr: first learning rate :math:`\eta_0`.
        max_iter: iteration :math:`n` at which 0 is reached. The cosine rises again after it.

    Raises:
        TypeError: an argument is not a number.
        ArgumentError: `max_iter` is not above 0.

    Example:
        >>> CosineScheduler(1.0, max_iter=3).get_learning_rate(3)
        0.0

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5 for one run
    down to 0.
    """

    def __init__(self, init_lr: float, max_iter: int) -> None:
        self.init_lr = _number(init_lr, self, "init_lr")
        self.max_iter = _positive(max_iter, self, "max_iter")

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`."""
        return self.init_lr * ((math.cos(_number(iter, self, "iter") / self.max_iter * math.pi) + 1.0) * 0.5)


class StepScheduler(BaseLearningRateScheduler):
    r"""A factor at each of some iterations, :math:`\eta_i = \eta_0\,\gamma^k` with :math:`k` steps up to :math:`i`.

    Args:
        init_lr: first learning rate :math:`\eta_0`.
        gamma: factor :math:`\gamma`.
        iter_steps: iterations at which the factor is applied, in any order; for one given twice, it is applied twice.

    Raises:
        TypeError: `iter_steps` is not a list (or other collection) of numbers, or another argument not a number.

    Example:
        >>> schedule = StepScheduler(1.0, gamma=0.5, iter_steps=[2, 4])
        >>> [schedule.get_learning_rate(i) for i in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]

    Source: He et al., "Deep residual learning for image recognition", 2016, section 3.4.
    """

    def __init__(self, init_lr: float, gamma: float, iter_steps: Iterable[int]) -> None:
        self.init_lr = _number(init_lr, self, "init_lr")
        self.gamma = _number(gamma, self, "gamma")
        if isinstance(iter_steps, str) or not isinstance(iter_steps, Iterable):
            raise TypeError(f"StepScheduler: iter_steps must be a list of numbers, not {iter_steps!r}")
        # An iterator would be used up by the first call.
        self.iter_steps = iter_steps if isinstance(iter_steps, Collection) else list(iter_steps)
        for step in self.iter_steps:
            _number(step, self, "each of iter_steps")

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`."""
        now, rate = _number(iter, self, "iter"), self.init_lr
        for step in self.iter_steps:
            if now >= step:
                rate *= self.gamma  # one by one: a power differs in the last bit
        return rate


class ExponentialScheduler(BaseLearningRateScheduler):
    r"""A factor every few iterations, :math:`\eta_i = \eta_0\,\gamma^{\lfloor i / n \rfloor}`.

    Args:
        init_lr: first learning rate :math:`\eta_0`.
        gamma: factor :math:`\gamma`.
        iter_interval: iterations :math:`n` from one factor to the next.

    Raises:
        TypeError: an argument is not a number.
        ArgumentError: `iter_interval` is not above 0.

    Example:
        >>> schedule = ExponentialScheduler(1.0, gamma=0.5, iter_interval=2)
        >>> [schedule.get_learning_rate(i) for i in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]

    Source: Li and Arora, "An exponential learning rate schedule for deep learning", 2020.
    """

    def __init__(self, init_lr: float, gamma: float, iter_interval: int = 1) -> None:
        self.init_lr = _number(init_lr, self, "init_lr")
        self.gamma = _number(gamma, self, "gamma")
        self.iter_interval = _positive(iter_interval, self, "iter_interval")

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`."""
        return self.init_lr * self.gamma ** (_number(iter, self, "iter") // self.iter_interval)


class LinearWarmupScheduler(BaseLearningRateScheduler):
    r"""Another schedule :math:`\eta_i` scaled up step by step, :math:`\eta'_i = \eta_i \min((i + 1) / n, 1)`.

    The other schedule is not delayed: at iteration :math:`n` it is where it would be without a warm-up.

    Args:
        scheduler: the other schedule, an object that has `get_learning_rate`.
        warmup_iter: iterations :math:`n` of the warm-up; none if it is 0 or below.

    Raises:
        TypeError: `scheduler` has no `get_learning_rate`, or `warmup_iter` is not a number.

    Example:
        >>> schedule = LinearWarmupScheduler(StepScheduler(1.0, 0.1, [100]), warmup_iter=4)
        >>> [schedule.get_learning_rate(i) for i in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2.
    """

    def __init__(self, scheduler: BaseLearningRateScheduler, warmup_iter: int) -> None:
        if not callable(getattr(scheduler, "get_learning_rate", None)):
            raise TypeError(f"LinearWarmupScheduler: scheduler must have get_learning_rate, which {scheduler!r} lacks")
        self.scheduler = scheduler
        self.warmup_iter = _number(warmup_iter, self, "warmup_iter")

    def get_learning_rate(self, iter: int) -> float:
        """The learning rate of iteration `iter`."""
        rate = self.scheduler.get_learning_rate(iter)
        now = _number(iter, self, "iter")
        return rate * ((now + 1) / self.warmup_iter) if now < self.warmup_iter and self.warmup_iter > 0 else rate
