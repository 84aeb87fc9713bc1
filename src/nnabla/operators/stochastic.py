"""Random numbers: dropout, and arrays drawn from distributions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import random
from .._private_torch import sample_dirichlet, standard_gamma
from ..context import Context
from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.argument import Bool, Float, Int, Single, Sizes, positive, probability
from ..graph.operator import Operator, Shape, operator
from ..graph.tracing import refuse_tracing
from .creation import lengths
from .shapes import refuse_empty

_DRAWS = "draws random numbers"

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

    def states(self) -> dict[str, bytes]:
        """Where the generators stand, by the name of the device."""
        if self._resets != random.function_seed_resets():
            return {}
        return {str(device): bytes(g.get_state().tolist()) for device, g in self._by_device.items()}

    def set_states(self, states: dict[str, bytes]) -> None:
        """Set what `states` returned; other generators begin anew.

        Raises:
            ValueError, RuntimeError: a state is damaged, or there is no such device.
        """
        generators = {}
        for name, state in states.items():
            generator = torch.Generator(torch.device(name))
            generator.set_state(torch.tensor(list(state), dtype=torch.uint8))
            generators[generator.device] = generator
        self._by_device = generators
        self._resets = random.function_seed_resets()


common = _CommonGenerators()


def seeded(seed: int, device: torch.device) -> torch.Generator:
    """A new generator that starts from `seed`."""
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    return generator


class Stochastic(Operator):
    """An operator that draws random numbers, with an argument `seed`.

    With ``seed=-1`` it takes part in the common sequence, which `nnabla.seed` resets. With another seed it
    has a sequence of its own, which begins anew when the function is set up. Every forward continues the sequence.
    """

    seed: Any
    _own: torch.Generator | None = None
    _before: Tensor | None = None

    def restart(self) -> None:
        """Begin the function's own sequence again."""
        self._own = None

    def generator(self) -> torch.Generator:
        """The generator for new numbers; where it stands is remembered for `replayed`."""
        refuse_tracing(_DRAWS)
        if self.seed == -1:
            found = common.on(self.device)
        elif self._own is None:
            found = self._own = seeded(self.seed, self.device)
        else:
            found = self._own
        self._before = found.get_state()
        return found

    def replayed(self) -> torch.Generator:
        """A generator that yields the numbers of the last forward again; no sequence moves on.

        Raises:
            GraphError: there was none.
        """
        refuse_tracing(_DRAWS)
        if self._before is None:
            name = self.declaration.name
            raise GraphError(f"{name}: it has drawn no numbers yet that could be used again; run forward() first")
        generator = torch.Generator(self.device)
        generator.set_state(self._before)
        return generator


@operator("Dropout", "dropout", 1173)
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
    keeps = grad_is_differentiable = True

    def output_shape(self, x: Shape) -> Shape:
        self._scale = 1 / (1 - self.p)
        return x

    def _mask(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What to multiply with. Drawn in single precision: half knows too few values between 0 and 1."""
        drawn = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=x.device)
        return drawn.ge_(self.p).to(x.dtype).mul_(self._scale)

    def forward(self, x: Tensor) -> Tensor:
        self.kept = mask = self._mask(x, self.generator())
        return x * mask

    def infer(self, x: Tensor) -> Tensor:
        return self._mask(x, self.generator()).mul_(x)

    def overwrite(self, x: Tensor) -> Tensor:
        self.kept = mask = self._mask(x, self.generator())
        return x.mul_(mask)

    def recompute(self, x: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = self._mask(x, self.replayed())
        return x * self.kept

    def grad(self, dy: Tensor) -> Tensor:
        return dy * self.kept

    def overwrite_grad(self, dy: Tensor) -> Tensor:
        return dy.mul_(self.kept)


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


@operator("Rand", "rand", 1176)
class Rand(Source):
    r"""Numbers from the uniform distribution over ``[low, high)``, with density
    :math:`1 / (\mathrm{high} - \mathrm{low})`.

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
        >>> bool((y.d**2 <= 1).all())
        True
    """

    low = Single(0.0, "Least value.")
    high = Single(1.0, "End of the range.")
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def check(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ArgumentError(f"rand: low and high must be finite, not {self.low} and {self.high}")
        if not self.low < self.high:
            raise ArgumentError(f"rand: high must be above low, got low {self.low} and high {self.high}")

    def draw(self, generator: torch.Generator) -> Tensor:
        return self.empty().uniform_(self.low, self.high, generator=generator)


@operator("Randint", "randint", 1177)
class Randint(Source):
    r"""Integers from the uniform distribution over ``low, ..., high - 1``, each with probability
    :math:`1 / (\mathrm{high} - \mathrm{low})`.

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
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def check(self) -> None:
        if not self.low < self.high:
            raise ArgumentError(f"randint: high must be above low, got low {self.low} and high {self.high}")
        if self.low < -(2**31) or self.high > 2**31:
            raise ArgumentError(f"randint: the range must be one of 32 bit integers, not {self.low} to {self.high}")

    def settle(self, context: Context) -> None:
        super().settle(context)
        self.compute_dtype = torch.int32

    def draw(self, generator: torch.Generator) -> Tensor:
        return self.empty().random_(self.low, self.high, generator=generator)


@operator("Randn", "randn", 1178)
class Randn(Source):
    r"""Numbers from the normal distribution, with density proportional to
    :math:`\exp(-(x - \mu)^2 / (2 \sigma^2))`.

    Args:
        mu: mean.
        sigma: standard deviation, not 0. A negative one turns what is added to the mean around, so the distribution is
            that of its absolute value.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `sigma` is 0 or NaN.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.randn(0, 0.1, shape=(3, 4)).shape
        (3, 4)
    """

    mu = Single(0.0, "Mean.")
    sigma = Single(1.0, "Standard deviation.", check=(lambda value: value > 0 or value < 0, "a number other than 0"))
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def draw(self, generator: torch.Generator) -> Tensor:
        if self.sigma > 0:
            return self.empty().normal_(self.mu, self.sigma, generator=generator)
        return self.empty().normal_(-self.mu, -self.sigma, generator=generator).neg_()


@operator("RandBinomial", "rand_binomial", 1179)
class RandBinomial(Source):
    r"""Numbers from the binomial distribution: how many of `n` trials succeed. The probability of :math:`k`
    is :math:`\binom{n}{k} p^k (1 - p)^{n - k}`.

    Args:
        n: number of trials, positive.
        p: probability of success, between 0 and 1, both excluded.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `n` or `p` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.rand_binomial(2, 0.5, shape=(8,))
        >>> y.forward()
        >>> set(y.d.tolist()) <= {0.0, 1.0, 2.0}
        True
    """

    n = Int(1, "Number of trials.", check=positive)
    p = Single(0.5, "Probability of success.", check=(lambda p: 0 < p < 1, "between 0 and 1"))
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def draw(self, generator: torch.Generator) -> Tensor:
        # In half precision, torch has no such distribution.
        trials = torch.full(self.shape, float(self.n), dtype=torch.float64, device=self.device)
        return torch.binomial(trials, torch.full_like(trials, self.p), generator).to(self.compute_dtype)


@operator("RandBeta", "rand_beta", 1180)
class RandBeta(Source):
    r"""Numbers from the beta distribution, with density proportional to
    :math:`x^{\alpha - 1} (1 - x)^{\beta - 1}`.

    Args:
        alpha: positive.
        beta: positive.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `alpha` or `beta` is not positive.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.rand_beta(2, 3, shape=(8,))
        >>> y.forward()
        >>> bool(((y.d >= 0) & (y.d <= 1)).all())
        True
    """

    alpha = Single(0.5, "First exponent and 1.", check=positive)
    beta = Single(0.5, "Second exponent and 1.", check=positive)
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def draw(self, generator: torch.Generator) -> Tensor:
        # In half precision, torch has no such distribution.
        pairs = torch.tensor([self.alpha, self.beta], dtype=torch.float64, device=self.device)
        drawn = sample_dirichlet(pairs.expand(*self.shape, 2).contiguous(), generator)
        return drawn[..., 0].to(self.compute_dtype).clone()


@operator("RandGamma", "rand_gamma", 1181)
class RandGamma(Source):
    r"""Numbers from the gamma distribution, with density proportional to
    :math:`x^{k - 1} \exp(-x / \theta)`.

    Args:
        k: shape of the distribution, positive.
        theta: scale of the distribution, positive.
        shape: shape of the result. Default: ``()``, a scalar.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: `k` or `theta` is not positive.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.rand_gamma(2, 3, shape=(8,))
        >>> y.forward()
        >>> bool((y.d > 0).all())
        True
    """

    k = Single(0.5, "Shape of the distribution.", check=positive)
    theta = Single(1.0, "Scale of the distribution.", check=positive)
    shape = Sizes([], "Shape of the result.", check=lengths)
    seed = Int(-1, SEED)

    def draw(self, generator: torch.Generator) -> Tensor:
        # In half precision, torch has no such distribution.
        k = torch.full(self.shape, self.k, dtype=torch.float64, device=self.device)
        return standard_gamma(k, generator).mul_(self.theta).to(self.compute_dtype)


@operator("RandomChoice", "random_choice", 1182)
class RandomChoice(Stochastic):
    r"""Elements of populations, drawn with the probabilities that weights give:
    :math:`P(x_i) = w_i / \sum_j w_j`.

    Inputs:
        x: populations along the last axis, shape ``(B_1, ..., B_M, N)``.
        w: weights, not negative, at least one positive in each population; shape of `x`.
    Args:
        shape: for each population, the shape of the elements drawn. Default: ``()``, drawn as ``(1,)``.
        replace: draw each element independently of the others; else no element is drawn twice.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape ``(B_1, ..., B_M) + shape``. Elements drawn pass their gradient to both `x` and `w`.
    Raises:
        ShapeError: `w` has another shape than `x`.
        ArgumentError: weights are out of range, or too few elements can be drawn without replacement.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.NdArray.from_numpy_array([5.0, 6.0, 7.0]), nn.NdArray.from_numpy_array([0.0, 1.0, 0.0])
        >>> F.random_choice(x, w, shape=(2,)).data
        array([6., 6.], dtype=float32)
    """

    shape = Sizes([], "Shape of the elements drawn.", check=lengths)
    replace = Bool(True, "Draw each element independently of the others.")
    seed = Int(-1, SEED)
    keeps = grad_is_differentiable = True

    def output_shape(self, x: Shape, w: Shape) -> Shape:
        if not x or x != w:
            raise ShapeError(f"random_choice: w must have the shape of x, at least one axis, not {w}")
        refuse_empty(x, "random_choice", first=len(x) - 1)
        self._x = x
        self._rows = (math.prod(x[:-1]), x[-1])
        self._count = math.prod(self.shape)
        if not self.replace and self._count > x[-1]:
            raise ArgumentError(
                f"random_choice: without replace, shape must have at most {x[-1]} elements, not {self._count}"
            )
        if not self._count:
            raise ArgumentError(f"random_choice: shape must have elements, not be {self.shape}")
        self._y = x[:-1] + (self.shape or (1,))
        return self._y

    def _check(self, weights: Tensor) -> None:
        """Raise ArgumentError for weights that nothing can be drawn with; on the CPU, where looking costs little."""
        if not weights.is_cpu or not weights.numel():
            return
        # Both are NaN if one weight is.
        least, largest = weights.aminmax()
        if not (least.item() >= 0 and largest.item() < math.inf):
            raise ArgumentError("random_choice: w must be finite and not negative")
        needed = 1 if self.replace else self._count
        enough = weights.amax(1) > 0 if needed == 1 else (weights > 0).sum(1) >= needed
        if not bool(enough.all()):
            raise ArgumentError(f"random_choice: w must have at least {needed} positive weights in each population")

    def _chosen(self, x: Tensor, places: Tensor) -> Tensor:
        return x.reshape(self._rows).gather(1, places).view(self._y)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weights = w.reshape(self._rows).float()
        self._check(weights)
        self.kept = torch.multinomial(weights, self._count, self.replace, generator=self.generator())
        return self._chosen(x, self.kept)

    def recompute(self, x: Tensor, w: Tensor) -> Tensor:
        if self.kept is None:
            weights = w.detach().reshape(self._rows).float()
            self.kept = torch.multinomial(weights, self._count, self.replace, generator=self.replayed())
        return self._chosen(x, self.kept)

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        dx = dy.new_zeros(self._rows).scatter_add_(1, self.kept, dy.reshape(self._rows[0], self._count)).view(self._x)
        return (dx if need[0] else None), (dx.clone() if need[1] else None)
