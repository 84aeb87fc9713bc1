"""Batch normalization by the statistics of the batch, which move the running ones, or by the running ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .._nd_array import integers
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Ints, Single
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Variable
from .arrays import Reshape, Transpose
from .axes import Axes, normalized, normalized_all
from .channel_statistics import gradient_like, normalized_by, normalized_by_batch, row
from .constants import Array
from .kernels import aten
from .shapes import refuse_empty


def check_presence(function: Any, beta: Shape | None, gamma: Shape | None) -> None:
    """Compare the arguments `no_bias` and `no_scale` with the inputs that are there.

    Raises:
        ArgumentError: a shift or scale is given and should not be, or the other way round.
    """
    for flag, absent, name, given in (
        ("no_bias", function.no_bias, "beta", beta),
        ("no_scale", function.no_scale, "gamma", gamma),
    ):
        if absent != (given is None):
            wanted = "must be None" if absent else "must be given"
            raise ArgumentError(f"{function.declaration.name}: with {flag}={absent}, {name} {wanted}")


class BatchStatistics(Operator):
    """What all batch normalizations share: the layout, the normalization and its gradient.

    They declare the arguments `axes`, `decay_rate`, `eps` and `batch_stat`.
    """

    constants = ("mean", "variance")
    updated = ("mean", "variance")
    keeps = True

    # 1, or 3 where the statistics of the batch are returned, too. Their gradients are derived from `forward`.
    n_outputs = 1

    axes: Any
    decay_rate: Any
    eps: Any
    batch_stat: Any

    def prepare(self, x: Shape, **parameters: Shape | None) -> list[Shape] | Shape:
        """Check the shapes of all inputs and work out the layout.

        Raises:
            ArgumentError: not exactly one axis, or statistics are asked for that there are not.
            ShapeError: a parameter has another shape than 1 everywhere but at the axis.
        """
        name = self.declaration.name
        if len(self.axes) != 1:
            raise ArgumentError(f"{name}: axes must hold one axis, not {self.axes}")
        axis = normalized(self.axes[0], len(x), name, "axes")
        if self.n_outputs not in (1, 3):
            raise ArgumentError(f"{name}: n_outputs must be 1 or 3, not {self.n_outputs}")
        if self.n_outputs == 3 and not self.batch_stat:
            raise ArgumentError(f"{name}: statistics of the batch need batch_stat=True, not False")
        channels = x[axis]
        wanted = (1,) * axis + (channels,) + (1,) * (len(x) - axis - 1)
        for parameter, shape in parameters.items():
            if shape is not None and shape != wanted:
                raise ShapeError(f"{name}: {parameter} must have shape {wanted}, that of x along axis {axis}")
        refuse_empty(x, name)
        inner = math.prod(x[axis + 1 :])
        self._shape = x
        self._axis = axis
        self._parameter = wanted
        self._matrix = None if axis == 1 else (math.prod(x[:axis]), channels, inner)
        self._cube = (math.prod(x[:axis]), channels, inner)
        self._momentum = 1 - self.decay_rate
        self._full = self.compute_dtype in (torch.float32, torch.float64)
        if self.n_outputs == 1:
            return x
        self.grad = None
        return [x, wanted, wanted]

    # ---- forward -----------------------------------------------------------------------------------------

    def normalize(
        self,
        x: Tensor,
        beta: Tensor | None,
        gamma: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        update: bool,
    ) -> Any:
        """The outputs; what the gradient needs goes to `kept`."""
        weight, bias = self._row(gamma), self._row(beta)
        if not self.batch_stat:
            mean, variance = (row(v) if self._full else row(v).float() for v in (mean, variance))
            y = normalized_by(self._planar(x), weight, bias, mean, variance, self.eps)
            return y if self._matrix is None else y.view(self._shape)
        running: Any = (mean.view(-1), variance.view(-1)) if update else (None, None)
        if self.n_outputs == 3:
            return self._with_statistics(x, weight, bias, *running)
        y, *self.kept = normalized_by_batch(self._planar(x), weight, bias, running, self._momentum, self.eps)
        return y if self._matrix is None else y.view(self._shape)

    def _planar(self, x: Tensor) -> Tensor:
        """`x` with the channels on axis 1."""
        return x if self._matrix is None else x.reshape(self._matrix)

    def _row(self, parameter: Tensor | None) -> Tensor | None:
        """A parameter as a row. Beside half precision arrays, ATen wants parameters in float32."""
        if parameter is None:
            return None
        return row(parameter) if self._full else row(parameter).float()

    def _with_statistics(
        self,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Output, mean and variance of the batch, all of them differentiable."""
        cube = x.reshape(self._cube)
        wide = cube if self._full else cube.float()
        variance, mean = torch.var_mean(wide, (0, 2), correction=0)
        if running_mean is not None and running_variance is not None:
            count = self._cube[0] * self._cube[2]
            unbiased = variance * (count / (count - 1) if count > 1 else math.nan)
            running_mean.lerp_(mean, self._momentum)
            running_variance.lerp_(unbiased, self._momentum)
        scale = (variance + self.eps).rsqrt()
        if weight is not None:
            scale = scale * weight
        y = (wide - mean.view(-1, 1)) * scale.view(-1, 1)
        if bias is not None:
            y = y + bias.view(-1, 1)
        results = y.view(self._shape), mean.view(self._parameter), variance.view(self._parameter)
        return results if self._full else tuple([v.to(x.dtype) for v in results])

    # ---- backward ----------------------------------------------------------------------------------------

    def gradients(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        x: Tensor,
        gamma: Tensor | None,
        mean: Tensor,
        variance: Tensor,
    ) -> tuple[Any, Any, Any]:
        """Gradients of `x`, `beta` and `gamma`."""
        running: Any
        if self.batch_stat:
            running, saved = (None, None), self.kept
        else:
            running, saved = (self._row(mean), self._row(variance)), (None, None)
        weight = self._row(gamma)
        if weight is None and dy.requires_grad:
            # ATen cannot differentiate twice through a missing scale.
            weight = dy.new_ones(self._cube[1], dtype=dy.dtype if self._full else torch.float32)
        x = self._planar(x)
        dx, dgamma, dbeta = aten.native_batch_norm_backward(
            gradient_like(self._planar(dy), x),
            x,
            weight,
            *running,
            *saved,
            self.batch_stat,
            self.eps,
            [need[0], need[2], need[1]],
        )
        if need[0] and self._matrix is not None:
            dx = dx.view(self._shape)
        dbeta = dbeta.view(self._parameter) if need[1] else None
        dgamma = dgamma.view(self._parameter) if need[2] else None
        if not self._full:
            dbeta, dgamma = (None if d is None else d.to(dy.dtype) for d in (dbeta, dgamma))
        return dx, dbeta, dgamma


@operator("BatchNormalization", "batch_normalization", 1042)
class BatchNormalization(BatchStatistics):
    r"""Batch normalization: each channel with mean 0 and variance 1, then scaled and shifted.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    With `batch_stat`, :math:`\mu` and :math:`\sigma^2` (divided by the number of samples :math:`M`) are those
    of the batch, and forward moves the running ones: ``mean = decay_rate * mean + (1 - decay_rate) * mu``,
    and in the same way `variance`, with the unbiased estimate :math:`\sigma^2 M / (M - 1)`. Without, the
    running ones are used.

    Inputs:
        x: shape ``(D_0, ..., D_i, ..., D_N)``.
        beta: shape ``(1, ..., D_i, ..., 1)``, or ``None`` for no shift.
        gamma: shape of `beta`, or ``None`` for no scale.
        mean: running mean, shape of `beta`; updated in place.
        variance: running variance, shape of `beta`; updated in place.
    Args:
        axes: the axis ``i`` of the channels, as a list of one.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
        no_scale: whether there is no `gamma`.
        no_bias: whether there is no `beta`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: a parameter has another shape.
        ArgumentError: not exactly one axis; a parameter is there or not against `no_scale` or `no_bias`.

    Source: S. Ioffe and C. Szegedy, "Batch Normalization", arXiv:1502.03167, algorithm 1.
    """

    axes = Ints((1,), "Axis of the channels.")
    decay_rate = Single(0.9, "How much of the running statistics stays in each step.")
    eps = Single(1e-5, "Added to the variance.")
    batch_stat = Bool(True, "Whether to use the statistics of the batch.")
    no_scale = Bool(False, "Whether there is no gamma.")
    no_bias = Bool(False, "Whether there is no beta.")

    def output_shape(
        self,
        x: Shape,
        beta: Shape | None = None,
        gamma: Shape | None = None,
        mean: Shape | None = None,
        variance: Shape | None = None,
    ) -> list[Shape] | Shape:
        check_presence(self, beta, gamma)
        if mean is None or variance is None:
            raise ArgumentError("batch_normalization: mean and variance must be given")
        return self.prepare(x, beta=beta, gamma=gamma, mean=mean, variance=variance)

    def forward(
        self,
        x: Tensor,
        beta: Tensor | None = None,
        gamma: Tensor | None = None,
        mean: Any = None,
        variance: Any = None,
    ) -> Any:
        return self.normalize(x, beta, gamma, mean, variance, update=True)

    def recompute(self, x: Tensor, beta: Tensor | None, gamma: Tensor | None, mean: Tensor, variance: Tensor) -> Any:
        return self.normalize(x, beta, gamma, mean, variance, update=False)

    def scales(self, i: int, axis: int, shapes: Sequence[Shape]) -> bool:
        return i == 0 and axis == self._axis and not self.batch_stat

    def scale_and_shift(
        self, i: int, x: None, beta: Tensor | None, gamma: Tensor | None, mean: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        scale = (variance.reshape(-1).double() + self.eps).rsqrt_()
        if gamma is not None:
            scale = scale * gamma.reshape(-1)
        shift = mean.reshape(-1) * -scale
        return scale, shift if beta is None else shift + beta.reshape(-1)

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        x: Tensor,
        gamma: Tensor | None,
        mean: Tensor,
        variance: Tensor,
    ) -> tuple[Any, ...]:
        return *self.gradients(need, dy, x, gamma, mean, variance), None, None


# ---- several axes ------------------------------------------------------------------------------------------


class BatchNormalizationInOutAdapter:
    """Brings several channel axes of an array together into one, the last, and takes them apart again.

    Args:
        ndim: number of axes of the arrays.
        axes: the axes of the channels; any number but one.
    Raises:
        ArgumentError: `axes` has one entry, or one that is out of range or given twice.

    Example:
        >>> import nnabla as nn
        >>> adapter = BatchNormalizationInOutAdapter(4, [1, 3])
        >>> y = adapter(nn.Variable((2, 3, 4, 5)))
        >>> y.shape, adapter.inv(y).shape
        ((2, 4, 15), (2, 3, 4, 5))
    """

    def __init__(self, ndim: int, axes: Sequence[int]) -> None:
        if len(axes) == 1:
            raise ArgumentError(f"batch_normalization: axes must not have one entry only here, not {axes}")
        found = normalized_all(axes, ndim, "batch_normalization")
        self.ndim = ndim
        self.axes = axes
        self.outer_axes = [a for a in range(ndim) if a not in found]
        self.transpose_axes = self.outer_axes + sorted(found)
        self.inv_transpose_axes = sorted(range(ndim), key=self.transpose_axes.__getitem__)
        self.transposed_shape: Shape | None = None

    def __call__(self, x: Any) -> Any:
        """`x` with the outer axes first and the channel axes as one."""
        y = invoke(Transpose, (self.transpose_axes,), (x,))
        self.transposed_shape = y.shape
        outer = len(self.outer_axes)
        return invoke(Reshape, ((*y.shape[:outer], math.prod(y.shape[outer:])),), (y,))

    def inv(self, y: Any) -> Any:
        """The array that the last call got, from one of the shape that it returned."""
        if self.transposed_shape is None:
            raise ArgumentError("batch_normalization: the adapter must be called on x before its inv on y")
        return invoke(Transpose, (self.inv_transpose_axes,), (invoke(Reshape, (self.transposed_shape,), (y,)),))


def with_running_statistics(
    x: Any, mean: Any, variance: Any, axes: Sequence[int], batch_stat: bool, function: str
) -> tuple[Any, Any]:
    """`mean` and `variance`, with variables full of zeros in place of those that are ``None``.

    Raises:
        ArgumentError: one is ``None`` and not `batch_stat`.
    """
    if mean is not None and variance is not None:
        return mean, variance
    if not batch_stat:
        raise ArgumentError(f"{function}: with batch_stat=False, mean and variance must be given, not None")
    found = normalized_all(axes, len(x.shape), function)
    shape = tuple([d if i in found else 1 for i, d in enumerate(x.shape)])

    def zeros() -> Variable:
        made = Variable(shape)
        made.data.zero()
        return made

    return (zeros() if mean is None else mean), (zeros() if variance is None else variance)


@public
def batch_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    mean: Array | None,
    variance: Array | None,
    axes: Axes = [1],  # noqa: B006 - the public signature
    decay_rate: float = 0.9,
    eps: float = 1e-05,
    batch_stat: bool = True,
    output_stat: bool = False,
    n_outputs: Any = None,
) -> Any:
    r"""Batch normalization: each channel with mean 0 and variance 1, then scaled and shifted.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    With `batch_stat`, :math:`\mu` and :math:`\sigma^2` (divided by the number of samples :math:`M`) are those
    of the batch, and forward moves the running ones: ``mean = decay_rate * mean + (1 - decay_rate) * mu``,
    and in the same way `variance`, with the unbiased estimate :math:`\sigma^2 M / (M - 1)`. Without, the
    running ones are used.

    Inputs:
        x: any shape.
        beta: shape of `x` along `axes` and 1 along all others, or ``None`` for no shift.
        gamma: shape of `beta`, or ``None`` for no scale.
        mean: running mean, shape of `beta`, updated in place; ``None`` for none.
        variance: running variance, shape of `beta`, updated in place; ``None`` for none.
    Args:
        axes: the axes of the channels, or one number. With several, the graph transposes and reshapes every
            array, and the running statistics stay as they are, as in NNabla 1.x.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
        output_stat: whether to return mean and variance of the batch, too; they can be differentiated.
        n_outputs: accepted for compatibility.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that and two arrays of the shape of `beta`.
    Raises:
        ShapeError: a parameter has another shape.
        ArgumentError: an axis is out of range; `mean` or `variance` is ``None``, or `output_stat`, without
            `batch_stat`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([[1.0, 5.0], [3.0, 5.0]])
        >>> y, mean, variance = F.batch_normalization(x, None, None, None, None, output_stat=True)
        >>> nn.forward_all([y, mean, variance])
        >>> mean.d, variance.d
        (array([[2., 5.]], dtype=float32), array([[1., 0.]], dtype=float32))

    Source: S. Ioffe and C. Szegedy, "Batch Normalization", arXiv:1502.03167, algorithm 1.
    """
    axes = integers(axes)
    mean, variance = with_running_statistics(x, mean, variance, axes, batch_stat, "batch_normalization")
    n_outputs = 3 if output_stat else 1

    def normalize(xs: Sequence[Any], parameters: Sequence[Any], axis: int) -> Any:
        arguments = ((axis,), decay_rate, eps, batch_stat, gamma is None, beta is None)
        return invoke(BatchNormalization, arguments, (*xs, *parameters), n_outputs)

    return over_axes(normalize, (x,), (beta, gamma, mean, variance), axes)


def over_axes(
    normalize: Callable[[Sequence[Any], Sequence[Any], int], Any],
    xs: Sequence[Any],
    parameters: Sequence[Any],
    axes: Sequence[int],
) -> Any:
    """Apply a normalization that knows one channel axis, with transpositions around it if there are several.

    Args:
        normalize: takes the inputs, the parameters and the axis; returns the output, or it and the
            statistics.
        xs: the input, and what has its shape; ``None`` for what there is not.
        parameters: beta, gamma, mean and variance; ``None`` for those that there are not.
        axes: the channel axes of all of them.
    """
    ndim = len(xs[0].shape)
    if len(axes) == 1:
        return normalize(xs, parameters, normalized(axes[0], ndim, "batch_normalization", "axes"))
    wide, narrow = BatchNormalizationInOutAdapter(ndim, axes), BatchNormalizationInOutAdapter(ndim, axes)
    inner: list[Any] = [None if x is None else wide(x) for x in xs]
    results = normalize(inner, [None if p is None else narrow(p) for p in parameters], len(inner[0].shape) - 1)
    if not isinstance(results, tuple):
        return wide.inv(results)
    y, *statistics = results
    return wide.inv(y), *[narrow.inv(s) for s in statistics]
