"""Initial values that model files name by a type, for parameters and inputs without values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import initializer as I
from ..logger import logger

Shape = tuple[int, ...]


class StoredInitializer:
    """Initial values as a model file describes them.

    Args:
        kind: type of the values, as in ``"NormalConvolutionHe"``; see `KINDS`. Any other one means zeros.
        multiplier: what they are multiplied by.
        rng: draws them; default the package's.
    """

    def __init__(self, kind: str, multiplier: float, rng: np.random.RandomState | None = None) -> None:
        if kind not in KINDS:
            logger.warning('Initializer type "%s" is not known: zeros are used.', kind)
        self.kind = kind
        self.multiplier = multiplier
        self.rng = rng

    @property
    def constant(self) -> float | None:
        """The value of all elements, where they are alike."""
        if self.kind in KINDS:
            return self.multiplier if self.kind == "Constant" else None
        return 0.0

    def __call__(self, shape: Shape) -> np.ndarray:
        """Values.

        Raises:
            ValueError: there are none of that shape.
        """
        rule = KINDS.get(self.kind)
        try:
            return zeros(shape) if rule is None else np.asarray(rule(shape, self.multiplier, self.rng))
        except (IndexError, OverflowError, ValueError) as error:
            raise ValueError(f"{self!r} gives nothing of shape {shape}: {error}") from None

    def __repr__(self) -> str:
        return f"StoredInitializer({self.kind!r}, {self.multiplier!r})"


zeros = I.ConstantInitializer(0)
"""What parameters hold that a file has no values and no initializer for."""


def _normal(deviation: Callable[[Shape], float]) -> Callable[..., Any]:
    return lambda shape, multiplier, rng: I.NormalInitializer(multiplier * deviation(shape), rng)(shape)


def _uniform(limits: Callable[[Shape], tuple[float, float]]) -> Callable[..., Any]:
    def draw(shape: Shape, multiplier: float, rng: Any) -> Any:
        low, high = limits(shape)
        return I.UniformInitializer((multiplier * low, multiplier * high), rng)(shape)

    return draw


def _affine(rule: Callable[..., Any]) -> Callable[[Shape], Any]:
    """By the shape ``(inputs, ...outputs)`` of the weight of Affine."""
    return lambda shape: rule(shape[0], int(np.prod(shape[1:])))


def _convolution(rule: Callable[..., Any]) -> Callable[[Shape], Any]:
    """By the shape ``(outmaps, inmaps, *kernel)`` of the weight of Convolution."""
    return lambda shape: rule(shape[1], shape[0], kernel=shape[2:])


def _channel_last(rule: Callable[..., Any]) -> Callable[[Shape], Any]:
    """By the shape ``(outmaps, *kernel, inmaps)`` of the weight of a Convolution with channels last."""
    return lambda shape: rule(shape[-1], shape[0], kernel=shape[1:-1])


def _range(shape: Shape, multiplier: float, rng: Any) -> np.ndarray:
    return I.RangeInitializer(0, multiplier)(shape)


def _constant(shape: Shape, multiplier: float, rng: Any) -> np.ndarray:
    return I.ConstantInitializer(multiplier)(shape)


_FORWARD, _BACKWARD = I.calc_normal_std_he_forward, I.calc_normal_std_he_backward
_NORMAL_GLOROT, _UNIFORM_GLOROT = I.calc_normal_std_glorot, I.calc_uniform_lim_glorot

KINDS: dict[str, Callable[..., Any]] = {
    "Normal": _normal(lambda shape: 1.0),
    "Uniform": _uniform(lambda shape: (-1.0, 1.0)),
    "Range": _range,
    "Constant": _constant,
    "NormalAffineHe": _normal(_affine(_FORWARD)),
    "NormalAffineHeForward": _normal(_affine(_FORWARD)),
    "NormalAffineHeBackward": _normal(_affine(_BACKWARD)),
    "NormalAffineGlorot": _normal(_affine(_NORMAL_GLOROT)),
    "NormalConvolutionHe": _normal(_convolution(_FORWARD)),
    "NormalConvolutionHeForward": _normal(_convolution(_FORWARD)),
    "NormalConvolutionHeBackward": _normal(_convolution(_BACKWARD)),
    "NormalConvolutionGlorot": _normal(_convolution(_NORMAL_GLOROT)),
    "NormalCLConvHe": _normal(_channel_last(_FORWARD)),
    "NormalCLConvHeForward": _normal(_channel_last(_FORWARD)),
    "NormalCLConvHeBackward": _normal(_channel_last(_BACKWARD)),
    "NormalCLConvGlorot": _normal(_channel_last(_NORMAL_GLOROT)),
    "UniformAffineGlorot": _uniform(_affine(_UNIFORM_GLOROT)),
    "UniformConvolutionGlorot": _uniform(_convolution(_UNIFORM_GLOROT)),
    "UniformCLConvGlorot": _uniform(_channel_last(_UNIFORM_GLOROT)),
}
