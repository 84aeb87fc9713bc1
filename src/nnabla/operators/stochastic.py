"""Random numbers: dropout, and arrays drawn from distributions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import random
from ..errors import ArgumentError
from ..graph.argument import Float, Int, Ints, positive, probability
from ..graph.operator import Operator, Shape, operator
from .creation import lengths

SEED = "Seed of the function's own random numbers; -1: follow nn.seed."


class _CommonGenerators:
    """The generators, one for each device, of all functions without a seed of their own.

    They serve functions in the order in which these run, and start anew when the source is reset that seeds
    them.
    """

    def __init__(self) -> None:
        self._resets = -1
        self._by_device: dict[torch.device, torch.Generator] = {}

    def on(self, device: torch.device) -> torch.Generator:
        """The generator of that device."""
        resets = random.function_seed_resets()
        if resets != self._resets:
            self._by_device.clear()
            self._resets = resets
        found = self._by_device.get(device)
        if found is None:
            found = self._by_device[device] = seeded(random.function_generator_seed(), device)
        return found


_common = _CommonGenerators()


def seeded(seed: int, device: torch.device) -> torch.Generator:
    """A new generator that starts from `seed`."""
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    return generator


class Stochastic(Operator):
    """An operator that draws random numbers, with an argument `seed`.

    With ``seed=-1`` it takes part in the common sequence, which `nnabla.seed` resets. With another seed it
    has a sequence of its own. Every forward continues the sequence.
    """

    _own: torch.Generator | None = None
    _before: Tensor | None = None

    def generator(self) -> torch.Generator:
        """The generator for new numbers; where it stands is remembered for `replayed`."""
        if self.seed == -1:
            found = _common.on(self.device)
        elif self._own is None:
            found = self._own = seeded(self.seed, self.device)
        else:
            found = self._own
        self._before = found.get_state()
        return found

    def replayed(self) -> torch.Generator:
        """A generator that yields the numbers of the last forward again; no sequence moves on."""
        if self._before is None:
            return self.generator()
        generator = torch.Generator(self.device)
        generator.set_state(self._before)
        return generator


@operator("Dropout", "dropout")
class Dropout(Stochastic):
    r"""Set a random share of the elements to 0, and divide the others by :math:`1 - p`.

    So the expectation of each element stays. The function always drops: leave it out of networks for
    evaluation.

    Inputs:
        x: any shape.
    Args:
        p: probability of an element to become 0, in [0, 1).
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `p` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.dropout(nn.NdArray.from_numpy_array([1.0] * 8), p=0.5)
        >>> set(y.data.tolist()) <= {0.0, 2.0}
        True

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014,
    in the form that scales while training.
    """

    p = Float(0.5, "Probability of an element to become 0.", check=probability)
    seed = Int(-1, SEED)
    keeps = True

    def output_shape(self, x: Shape) -> Shape:
        self._scale = 1 / (1 - self.p)
        return x

    def _mask(self, x: Tensor) -> Tensor:
        """What to multiply with. Drawn in single precision: half knows too few values between 0 and 1."""
        drawn = torch.rand(x.shape, generator=self.generator(), dtype=torch.float32, device=x.device)
        return drawn.ge_(self.p).to(x.dtype).mul_(self._scale)

    def forward(self, x: Tensor) -> Tensor:
        self.kept = mask = self._mask(x)
        return x * mask

    def infer(self, x: Tensor) -> Tensor:
        return self._mask(x).mul_(x)

    def recompute(self, x: Tensor) -> Tensor:
        return x * self.kept

    def grad(self, dy: Tensor) -> Tensor:
        return dy * self.kept


class Source(Stochastic):
    """An operator without inputs, whose output is drawn from a distribution."""

    shape: Any

    def output_shape(self) -> Shape:
        self.check()
        return self.shape

    def check(self) -> None:
        """Raise ArgumentError if there is no such distribution."""

    def draw(self, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def forward(self) -> Tensor:
        return self.draw(self.generator())

    def recompute(self) -> Tensor:
        return self.draw(self.replayed())

    def empty(self) -> Tensor:
        """An array to fill with numbers."""
        return torch.empty(self.shape, dtype=self.compute_dtype, device=self.device)


@operator("Rand", "rand")
class Rand(Source):
    """Numbers from the uniform distribution over ``[low, high)``.

    Args:
        low: least value.
        high: end of the range, above `low`.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `high` is not above `low`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.rand(-1, 1, shape=(3,))
        >>> y.forward()
        >>> bool((abs(y.d) <= 1).all())
        True
    """

    low = Float(0.0, "Least value.")
    high = Float(1.0, "End of the range.")
    shape = Ints([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def check(self) -> None:
        if not self.low < self.high:
            raise ArgumentError(f"rand: high must be above low, got low {self.low} and high {self.high}")

    def draw(self, generator: torch.Generator) -> Tensor:
        return self.empty().uniform_(self.low, self.high, generator=generator)


@operator("Randint", "randint")
class Randint(Source):
    """Integers from the uniform distribution over ``low, ..., high - 1``.

    Args:
        low: least value.
        high: one past the greatest value, above `low`.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`, 32 bit integers.
    Raises:
        ArgumentError: `high` is not above `low`, or the range is not one of 32 bit integers.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.randint(3, 5, shape=(8,))
        >>> y.forward()
        >>> y.d.dtype.name, set(y.d.tolist()) <= {3, 4}
        ('int32', True)
    """

    low = Int(0, "Least value.")
    high = Int(1, "One past the greatest value.")
    shape = Ints([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def check(self) -> None:
        if not self.low < self.high:
            raise ArgumentError(f"randint: high must be above low, got low {self.low} and high {self.high}")
        if self.low < -(2**31) or self.high > 2**31:
            raise ArgumentError(
                f"randint: the range must be one of 32 bit integers, not {self.low} to {self.high}"
            )

    @property
    def compute_dtype(self) -> torch.dtype:
        return torch.int32

    def draw(self, generator: torch.Generator) -> Tensor:
        return self.empty().random_(self.low, self.high, generator=generator)


@operator("Randn", "randn")
class Randn(Source):
    """Numbers from the normal distribution.

    Args:
        mu: mean.
        sigma: standard deviation, above 0.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `sigma` is not above 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.randn(0, 0.1, shape=(3, 4)).shape
        (3, 4)
    """

    mu = Float(0.0, "Mean.")
    sigma = Float(1.0, "Standard deviation.", check=positive)
    shape = Ints([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def draw(self, generator: torch.Generator) -> Tensor:
        return self.empty().normal_(self.mu, self.sigma, generator=generator)
