"""First values of parameters.

An initializer is called with a shape and returns an array of that shape. Random ones draw from `rng`, or else
from `nnabla.random.prng` as it is when the initializer is constructed, so call `nnabla.seed` first. The same
seed gives the same values as in NNabla 1.x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import random
from .errors import ArgumentError

Shape = int | Sequence[int]


class BaseInitializer:
    """An initializer of one's own derives from this and defines ``__call__(self, shape)``."""

    def __call__(self, shape: Shape) -> np.ndarray:
        """Values for a parameter.

        Args:
            shape: of the parameter; an integer stands for one axis.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(shape)")


class ConstantInitializer(BaseInitializer):
    """All values alike, as float32.

    Args:
        value: of every element.

    Example:
        >>> ConstantInitializer(0.5)((2,))
        array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, value: float = 0) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __call__(self, shape: Shape) -> np.ndarray:
        return np.full(shape, self.value, np.float32)


class NormalInitializer(BaseInitializer):
    """Normal distribution with mean 0, as float32.

    Args:
        sigma: standard deviation; the ``calc_normal_std_*`` functions give usual ones.
        rng: random generator; default `nnabla.random.prng`.
    """

    def __init__(self, sigma: float = 1.0, rng: np.random.RandomState | None = None) -> None:
        self.rng: Any = random.prng if rng is None else rng
        self.sigma = sigma

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sigma})"

    def __call__(self, shape: Shape) -> np.ndarray:
        return np.asarray(self.rng.standard_normal(shape) * self.sigma, np.float32)


class UniformInitializer(BaseInitializer):
    """Uniform distribution in ``[lim[0], lim[1])``, as float32.

    Args:
        lim: the two limits; `calc_uniform_lim_glorot` gives usual ones.
        rng: random generator; default `nnabla.random.prng`.

    Raises:
        ArgumentError: `lim` is not a pair.
    """

    def __init__(self, lim: tuple[float, float] = (-1, 1), rng: np.random.RandomState | None = None) -> None:
        self.rng: Any = random.prng if rng is None else rng
        self.lim = _pair(type(self).__name__, lim)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lim})"

    def __call__(self, shape: Shape) -> np.ndarray:
        return np.asarray(self.rng.uniform(*self.lim, size=shape), np.float32)


class UniformIntInitializer(BaseInitializer):
    """Uniform distribution over the integers ``lim[0], ..., lim[1] - 1``, as int64.

    Args:
        lim: the two limits.
        rng: random generator; default `nnabla.random.prng`.

    Raises:
        ArgumentError: `lim` is not a pair.
    """

    def __init__(self, lim: tuple[int, int] = (0, 10), rng: np.random.RandomState | None = None) -> None:
        self.rng: Any = random.prng if rng is None else rng
        self.lim = _pair(type(self).__name__, lim)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lim})"

    def __call__(self, shape: Shape) -> np.ndarray:
        # numpy.random.Generator has another name for it.
        draw = self.rng.randint if hasattr(self.rng, "randint") else self.rng.integers
        return np.asarray(draw(*self.lim, size=shape), np.int64)


class RangeInitializer(BaseInitializer):
    """``start, start + step, start + 2 step, ...`` along the last axis, the same on all others.

    Integers (int64) if `start` and `step` are, else float64.

    Args:
        start: first value.
        step: difference of two neighbours.

    Example:
        >>> RangeInitializer(1, 2)((2, 3))
        array([[1, 3, 5],
               [1, 3, 5]])
    """

    def __init__(self, start: float = 0, step: float = 1) -> None:
        self.start = start
        self.step = step

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.start!r}, {self.step!r})"

    def __call__(self, shape: Shape) -> np.ndarray:
        sizes = _sizes(type(self).__name__, shape)
        return np.tile(self.start + np.arange(sizes[-1]) * self.step, (*sizes[:-1], 1))


class OrthogonalInitializer(BaseInitializer):
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer, as float32.

    A parameter of more axes is a matrix of ``shape[0]`` rows.

    Args:
        gain: factor; choose by the activation function, for example ``sqrt(2)`` for ReLU.
        rng: random generator; default `nnabla.random.prng`.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
        linear neural
    networks", 2014.

    Example:
        >>> w = OrthogonalInitializer()((3, 4, 5))
        >>> bool(np.allclose(w.reshape(3, -1) @ w.reshape(3, -1).T, np.eye(3), atol=1e-5))
        True
    """

    def __init__(self, gain: float = 1.0, rng: np.random.RandomState | None = None) -> None:
        self.rng: Any = random.prng if rng is None else rng
        self.gain = gain

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.gain})"

    def __call__(self, shape: Shape) -> np.ndarray:
        sizes = _sizes(type(self).__name__, shape)
        rows, columns = sizes[0], math.prod(sizes[1:])
        left, _, right = np.linalg.svd(self.rng.standard_normal((rows, columns)), full_matrices=False)
        basis = left if left.shape == (rows, columns) else right
        return np.asarray(basis.reshape(sizes) * self.gain, np.float32)


class WeightNormalizationScaleInitializer(BaseInitializer):
    """The Euclidean norm of every slice of `w` along axis `dim`, as float32.

    It is the scale with which weight normalization begins where the plain weight stood.

    Args:
        w: the weight: a Variable, an NdArray or an array, read when the initializer is called.
        dim: the axis that is kept; a negative one counts from the last. Where there is no such axis, as with a
            weight without axes, there is one scale for all of `w`.
        eps: added to the sum of squares, before the root.

    Source: Salimans and Kingma, "Weight Normalization", 2016.
    """

    def __init__(self, w: Any, dim: int = 0, eps: float = 1e-12) -> None:
        self.w = w
        self.dim = dim
        self.eps = eps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.w!r}, {self.dim}, {self.eps})"

    def __call__(self, shape: Shape) -> np.ndarray:
        """The scales; `shape` must have as many elements as axis `dim` of the weight. A single scale is of shape ()."""
        w = np.asarray(self.w.d if hasattr(self.w, "d") else self.w)
        kept = self.dim % w.ndim if -w.ndim <= self.dim < w.ndim else None
        others = tuple(axis for axis in range(w.ndim) if axis != kept)
        scale = np.sqrt(np.sum(np.square(w, dtype=np.float64), axis=others) + self.eps).astype(np.float32)
        if kept is None:
            return scale
        sizes = np.broadcast_shapes(shape)
        if math.prod(sizes) != scale.size:
            raise ArgumentError(
                f"{type(self).__name__}: a weight of shape {w.shape} has {scale.size} scales along "
                f"dim={self.dim}, which do not fit into shape {sizes}"
            )
        return scale.reshape(sizes)


def calc_normal_std_he_forward(inmaps: int, outmaps: int, kernel: Shape = (1, 1)) -> float:
    r"""Standard deviation that keeps the variance of activations, :math:`\sqrt{2 / (K \cdot inmaps)}`.

    Args:
        inmaps: channels of the input.
        outmaps: channels of the output; not used.
        kernel: size of the filter on every axis; :math:`K` is their product.

    Raises:
        ArgumentError: `inmaps` or `kernel` is not positive.

    Source: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, equation 10.

    Example:
        >>> calc_normal_std_he_forward(8, 16, kernel=(3, 3))
        0.16666666666666666
    """
    return math.sqrt(2.0 / _fan("calc_normal_std_he_forward", inmaps, kernel))


def calc_normal_std_he_backward(inmaps: int, outmaps: int, kernel: Shape = (1, 1)) -> float:
    r"""Standard deviation that keeps the variance of gradients, :math:`\sqrt{2 / (K \cdot outmaps)}`.

    Args:
        inmaps: channels of the input; not used.
        outmaps: channels of the output.
        kernel: size of the filter on every axis; :math:`K` is their product.

    Raises:
        ArgumentError: `outmaps` or `kernel` is not positive.

    Source: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, equation 14.
    """
    return math.sqrt(2.0 / _fan("calc_normal_std_he_backward", outmaps, kernel))


def calc_normal_std_glorot(inmaps: int, outmaps: int, kernel: Shape = (1, 1)) -> float:
    r"""Standard deviation between the two aims, :math:`\sqrt{2 / (K (inmaps + outmaps))}`.

    Args:
        inmaps: channels of the input.
        outmaps: channels of the output.
        kernel: size of the filter on every axis; :math:`K` is their product.

    Raises:
        ArgumentError: the channels or `kernel` are not positive.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
        2010,
    equation 12.
    """
    return math.sqrt(2.0 / _fan("calc_normal_std_glorot", inmaps + outmaps, kernel))


def calc_uniform_lim_glorot(inmaps: int, outmaps: int, kernel: Shape = (1, 1)) -> tuple[float, float]:
    r"""Limits of a uniform distribution of Glorot's variance, :math:`\pm\sqrt{6 / (K (inmaps + outmaps))}`.

    Args:
        inmaps: channels of the input.
        outmaps: channels of the output.
        kernel: size of the filter on every axis; :math:`K` is their product.

    Raises:
        ArgumentError: the channels or `kernel` are not positive.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
        2010,
    equation 16.

    Example:
        >>> calc_uniform_lim_glorot(3, 5)
        (-0.8660254037844386, 0.8660254037844386)
    """
    limit = math.sqrt(6.0 / _fan("calc_uniform_lim_glorot", inmaps + outmaps, kernel))
    return -limit, limit


def _fan(function: str, maps: int, kernel: Shape) -> float:
    """Connections of one unit."""
    fan = float(np.prod(kernel) * maps)
    if not fan > 0:
        raise ArgumentError(f"{function}: channels and kernel must be positive, not {maps} and {kernel}")
    return fan


def _pair(initializer: str, lim: Sequence[Any]) -> tuple[Any, Any]:
    if np.shape(lim) != (2,):
        raise ArgumentError(f"{initializer}: lim must be a pair of numbers (low, high), not {lim!r}")
    low, high = lim
    return low, high


def _sizes(initializer: str, shape: Shape) -> tuple[int, ...]:
    """`shape` as a tuple of one axis or more."""
    # The one function of NumPy that reads an integer, a list, a tuple or an array as a shape.
    sizes = np.broadcast_shapes(shape)
    if not sizes:
        raise ArgumentError(f"{initializer}: shape must have one axis at least, not {shape!r}")
    return sizes
