"""Descriptions of input arrays: a few words in a table of cases, the same numbers on every machine.

A description is immutable and prints itself completely, so a record can store the text of the case it was
made from. The numbers come from `numpy.random.RandomState`, whose streams NumPy promises never to change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Array:
    """What an input holds.

    Args:
        kind: name of the distribution, a key of `DRAW`.
        shape: shape of the array.
        parameters: numbers of the distribution, in the order that its `DRAW` entry takes them.
        kinks: values near which the function is not differentiable.
        gap: no value lies closer than this to a kink; such a value is moved away from it.
        real: whether the values are real numbers, in which a function may have a gradient (else labels or
            indices).
    """

    kind: str
    shape: Shape
    parameters: tuple[Any, ...] = ()
    kinks: tuple[float, ...] = ()
    gap: float = 0.0
    real: bool = True

    def avoiding(self, *kinks: float, gap: float = 0.05) -> Array:
        """The same array, with values that lie within `gap` of a kink moved to that distance from it."""
        return dataclasses.replace(self, kinks=kinks, gap=gap)

    def draw(self, rng: np.random.RandomState) -> np.ndarray:
        """The float64 values. Tests in single precision round them to float32."""
        values = np.asarray(DRAW[self.kind](rng, self.shape, *self.parameters), dtype=np.float64)
        for kink in self.kinks:
            distance = values - kink
            moved = kink + np.where(distance < 0, -self.gap, self.gap)
            values = np.where(np.abs(distance) < self.gap, moved, values)
        return values


def _distinct(rng: np.random.RandomState, shape: Shape, low: float, high: float) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    return (low + (high - low) * (rng.permutation(size) + 0.5) / size).reshape(shape)


def _softmax(rng: np.random.RandomState, shape: Shape, axis: int) -> np.ndarray:
    weights = rng.uniform(0.2, 1.0, shape)
    return weights / weights.sum(axis=axis, keepdims=True)


def _explicit(rng: np.random.RandomState, shape: Shape, *values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64).reshape(shape)


DRAW: dict[str, Callable[..., np.ndarray]] = {
    "normal": lambda rng, shape, mean, scale: mean + scale * rng.standard_normal(shape),
    "uniform": lambda rng, shape, low, high: rng.uniform(low, high, shape),
    "integers": lambda rng, shape, low, high: rng.randint(low, high, shape, dtype=np.int64),
    "distinct": _distinct,
    "probabilities": _softmax,
    "explicit": _explicit,
}


def normal(*shape: int, mean: float = 0.0, scale: float = 1.0) -> Array:
    """Normal values."""
    return Array("normal", shape, (mean, scale))


def uniform(*shape: int, low: float, high: float) -> Array:
    """Uniform values in ``[low, high)``."""
    return Array("uniform", shape, (low, high))


def positive(*shape: int) -> Array:
    """Uniform values in ``[0.5, 2)``: legal for logarithms, divisors, variances and powers."""
    return uniform(*shape, low=0.5, high=2.0)


def integers(*shape: int, low: int = 0, high: int) -> Array:
    """Whole numbers in ``[low, high)``: labels and indices, without gradient."""
    return Array("integers", shape, (low, high), real=False)


def bits(*shape: int) -> Array:
    """Zeros and ones, without gradient."""
    return integers(*shape, high=2)


def distinct(*shape: int, low: float = -2.0, high: float = 2.0) -> Array:
    """Evenly spaced values in random order: no two are equal, so a maximum or an order is never in doubt."""
    return Array("distinct", shape, (low, high))


def probabilities(*shape: int, axis: int = -1) -> Array:
    """Positive values that sum to one along `axis`."""
    return Array("probabilities", shape, (axis,))


def explicit(values: Any, real: bool = True) -> Array:
    """The given values: a number or nested lists of numbers."""
    array = np.array(values, dtype=np.float64)
    return Array("explicit", array.shape, tuple(array.ravel().tolist()), real=real)
