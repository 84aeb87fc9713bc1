"""How a function is measured: the call, and what its inputs hold at a small and at a large size. Needs NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Sixteen thousand elements, a layer of a small network (batch 64, 256 units), and four million, 16 MiB.
SMALL = (64, 256)
LARGE = (64, 64, 32, 32)
# Drawing four million normal numbers takes longer than measuring; this many, a prime, are repeated instead.
_DRAWN = 65537


@dataclass(frozen=True)
class Array:
    """What an input holds.

    Args:
        draw: makes the values.
        shape: their shape.
        grad: whether a gradient is wanted.
    """

    draw: Callable[[np.random.RandomState, tuple[int, ...]], np.ndarray]
    shape: tuple[int, ...]
    grad: bool

    def values(self, seed: int) -> np.ndarray:
        return np.asarray(self.draw(np.random.RandomState(seed), self.shape), order="C")


@dataclass(frozen=True)
class Call:
    """One function.

    Args:
        name: as in `nnabla.functions`.
        function: the call, on Variables. Where there are no inputs, on the shape to make.
        small: the inputs at the small size.
        large: the inputs at the large size.
        random: results are drawn, so only their shapes can be compared.
    """

    name: str
    function: Callable[..., Any]
    small: tuple[Array, ...]
    large: tuple[Array, ...]
    random: bool = False

    def inputs(self, size: str) -> tuple[Array, ...]:
        return self.small if size == "small" else self.large


def normal(*shape: int, grad: bool = True) -> Array:
    """Standard normal numbers."""

    def draw(rng: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(shape))
        return np.resize(rng.standard_normal(min(count, _DRAWN)).astype(np.float32), shape)

    return Array(draw, shape, grad)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, grad: bool = True) -> Array:
    """Numbers in [low, high); all of them drawn."""
    return Array(lambda rng, shape: rng.uniform(low, high, shape).astype(np.float32), shape, grad)


def integers(*shape: int, high: int) -> Array:
    """Integers in [0, high): labels and indices."""
    return Array(lambda rng, shape: rng.randint(0, high, shape).astype(np.int64), shape, False)


def bits(*shape: int) -> Array:
    """0 and 1 with equal probability, as floating point numbers: masks and truth values."""
    return Array(lambda rng, shape: rng.randint(0, 2, shape).astype(np.float32), shape, False)


def constant(value: float, *shape: int, grad: bool = False) -> Array:
    """One number everywhere."""
    return Array(lambda rng, shape: np.full(shape, value, np.float32), shape, grad)


def given(values: Any) -> Array:
    """These values, without a gradient."""
    array = np.asarray(values)
    return Array(lambda rng, shape: array, array.shape, False)


def sizes(array: Callable[..., Array], count: int = 1, **settings: Any) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """`count` inputs of the small and of the large shape."""
    return (array(*SMALL, **settings),) * count, (array(*LARGE, **settings),) * count


@dataclass(frozen=True)
class Inputs:
    """What a call works on, as it is handed from one implementation to the others.

    Args:
        values: the arrays.
        grad: for each whether a gradient is wanted.
        shape: what to make where there are no arrays.
        random: whether results are drawn.
    """

    values: list[np.ndarray]
    grad: list[bool]
    shape: tuple[int, ...]
    random: bool

    def write(self, file: Path) -> None:
        arrays = {f"x{i}": values for i, values in enumerate(self.values)}
        np.savez(file, grad=self.grad, shape=self.shape, random=self.random, **arrays)

    @staticmethod
    def read(file: Path) -> Inputs:
        with np.load(file) as arrays:
            grad = [bool(one) for one in arrays["grad"]]
            values = [arrays[f"x{i}"] for i in range(len(grad))]
            return Inputs(values, grad, tuple(arrays["shape"].tolist()), bool(arrays["random"]))


def draw(arrays: Sequence[Array], shape: tuple[int, ...], random: bool) -> Inputs:
    """The same values in every run."""
    return Inputs([a.values(seed) for seed, a in enumerate(arrays)], [a.grad for a in arrays], shape, random)


def gradient(shape: tuple[int, ...]) -> np.ndarray:
    """The gradient that backward starts from where there is one output."""
    return normal(*shape).values(4711)


def sample(arrays: Sequence[np.ndarray], random: bool) -> np.ndarray:
    """Of each array its length and some elements, by which implementations are compared."""
    parts: list[Any] = []
    for array in arrays:
        flat = np.ravel(array)
        parts.append([flat.size])
        if not random and flat.size:
            parts.append(flat[:: max(1, flat.size // 61)][:61])
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
